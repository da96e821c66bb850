"""Spokes as they are: how a trajectory that need not be straight, nor meet k = 0, turns with the angle of its spoke."""

import numpy as np
from numpy.typing import NDArray

HARMONICS = np.arange(-3, 4)
"""Gradients are linear in the direction of a spoke (-1, 0, 1); ±3 lets the two axes' gradients differ by up to 1 %."""


def spoke_angles(trajectory: NDArray) -> NDArray:
    """Angle of each spoke, from its first to its last sample.

    Parameters
    ----------
    trajectory : (spokes, samples, 2) float
        In host memory.

    Returns
    -------
    (spokes,) float64
        In [0, 2π).
    """
    ends = trajectory[:, -1].astype(np.float64) - trajectory[:, 0]
    direction = ends / np.linalg.norm(ends, axis=1, keepdims=True)
    return np.mod(np.arctan2(direction[:, 1], direction[:, 0]), 2 * np.pi)


def distinct_angles(trajectory: NDArray) -> int:
    """Count the angles of spokes ``(spokes, samples, 2)`` that differ by more than a thousandth of a degree."""
    return len(np.unique(np.round(np.rad2deg(spoke_angles(trajectory)), 3)))


def sample_spacing(trajectory: NDArray) -> float:
    """Find the mean distance Δk of neighbouring samples in the unit of a trajectory ``(spokes, samples, 2)``."""
    ends = trajectory[:, -1].astype(np.float64) - trajectory[:, 0]
    return float(np.mean(np.linalg.norm(ends, axis=1))) / (trajectory.shape[1] - 1)


def widest_gap_rad(angles_rad: NDArray) -> float:
    """Widest part of the full circle without a spoke: ``(spokes,)`` angles in [0, 2π)."""
    turned = np.sort(angles_rad)
    return float(np.max(np.diff(turned, append=turned[0] + 2 * np.pi)))


class TurningSpoke:
    """A spoke as a smooth function of its angle, ``k_m(θ) = Σ_h a_mh exp(ihθ)`` with k = kx + i ky.

    Whatever delays, eddy currents and filters do to the gradients, if they do the same to every spoke, then its
    trajectory is linear in the direction that was played out: an ellipse around a centre for each sample m.

    Parameters
    ----------
    trajectory : (spokes, samples, 2) float
        In cycles per field of view, in host memory.

    Attributes
    ----------
    deviation : float
        Largest distance of a sample from the function that was fitted, in cycles per field of view.
    """

    def __init__(self, trajectory: NDArray) -> None:
        angles = spoke_angles(trajectory)
        measured = trajectory[..., 0] + 1j * trajectory[..., 1].astype(np.float64)
        turns = np.exp(1j * HARMONICS * angles[:, None])
        self._coefficients = np.linalg.lstsq(turns, measured, rcond=None)[0]
        self.deviation = float(np.abs(turns @ self._coefficients - measured).max())

    def at(self, angles_rad: NDArray) -> NDArray:
        """Give the spokes at some angles: ``(angles, samples, 2)`` float64."""
        turns = np.exp(1j * HARMONICS * np.asarray(angles_rad)[:, None])
        found = turns @ self._coefficients
        return np.stack([found.real, found.imag], axis=-1)

    def derivative(self, angles_rad: NDArray) -> NDArray:
        """Give ``∂k/∂θ`` at some angles, as complex numbers: ``(angles, samples)`` complex128."""
        turns = np.exp(1j * HARMONICS * np.asarray(angles_rad)[:, None])
        return (1j * HARMONICS * turns) @ self._coefficients
