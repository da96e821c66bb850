"""Radial trajectories: golden-angle geometry, and the units in which scanners write them."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recon.errors import DataError
from recon.readouts.turning_spoke import sample_spacing

GOLDEN_ANGLE_DEG = 90.0 * (math.sqrt(5.0) - 1.0)
"""Angle between successive spokes, 180° divided by the golden ratio (Winkelmann, IEEE TMI 2007)."""


def golden_angles_rad(spoke_index: NDArray, golden_angle_deg: float = GOLDEN_ANGLE_DEG) -> NDArray:
    """Angles of golden-angle spokes.

    Parameters
    ----------
    spoke_index : (spokes,) int
        Running number of each spoke since the start of the scan.
    golden_angle_deg : float
        Increment per spoke in degrees.

    Returns
    -------
    (spokes,) float64
        Angles in [0, 2π), from ``read_dir`` towards ``phase_dir``.
    """
    return np.deg2rad(np.mod(np.asarray(spoke_index, dtype=np.float64) * golden_angle_deg, 360.0))


def radial_trajectory(angles_rad: NDArray, samples: int, matrix: float, center_sample: float | None = None) -> NDArray:
    """Spokes through the centre of k-space that just resolve the image matrix.

    Parameters
    ----------
    angles_rad : (spokes,) float
        Angle of each spoke.
    samples : int
        Samples per readout; ``samples / matrix`` is the readout oversampling of full spokes.
    matrix : float
        Image matrix N: the spokes reach from -N/2 to N/2 cycles per field of view, or asymmetric ones on their longer
        side alone.
    center_sample : float, optional
        Sample that lies at k = 0, 127.5 for one between two samples; ``samples // 2`` if not given.

    Returns
    -------
    (spokes, samples, 2) float32
        (kx, ky) in cycles per field of view.
    """
    center = samples // 2 if center_sample is None else center_sample
    lopsided = abs(samples - 2 * center) > 2
    full = 2 * max(center, samples - center) if lopsided else samples
    radius = (np.arange(samples) - center) * (matrix / full)
    direction = np.stack([np.cos(angles_rad), np.sin(angles_rad)], axis=-1)
    return (direction[:, None, :] * radius[None, :, None]).astype(np.float32)


@dataclass(frozen=True)
class TrajectoryUnit:
    """A unit in which a trajectory may be written.

    Attributes
    ----------
    name : str
        Name for logs and reports.
    cycles_per_fov : float
        Factor from this unit to cycles per field of view.
    """

    name: str
    cycles_per_fov: float


def recognise_unit(trajectory: NDArray, matrix: float, encoded_matrix: int | None = None) -> TrajectoryUnit:
    """Tell in which unit a trajectory is written, from how far it reaches.

    Spokes that resolve the matrix reach 0.5 cycles per pixel, N/2 index units of the image, or M/2 index units
    of the oversampled encoding matrix M. Anything that fits none of these is refused: a wrong guess would give
    a plausible image of the wrong size.

    Parameters
    ----------
    trajectory : (..., 2) float
        The trajectory of all imaging readouts.
    matrix : float
        Pixels of the encoded resolution across the field of view: the image matrix N, unless that is interpolated.
    encoded_matrix : int, optional
        Encoding matrix M of the header, where it differs from N by readout oversampling.

    Returns
    -------
    TrajectoryUnit
        Name and factor to cycles per field of view.

    Raises
    ------
    DataError
        If the trajectory is not finite, all zero, or fits no known unit.
    """
    reach = float(np.max(np.abs(trajectory))) if trajectory.size else 0.0
    if not math.isfinite(reach):
        raise DataError("the trajectory holds NaN or Inf; check the sequence's trajectory export")
    candidates = [(TrajectoryUnit("cycles per pixel", float(matrix)), 0.5)]
    candidates.append((TrajectoryUnit("index units", 1.0), matrix / 2))
    if encoded_matrix and encoded_matrix != matrix:
        scale = matrix / encoded_matrix
        candidates.append((TrajectoryUnit("index units of the encoding matrix", scale), encoded_matrix / 2))
    for unit, expected in candidates:
        if 0.6 * expected <= reach <= 1.05 * expected:
            return unit
    known = ", ".join(f"{expected:g} ({unit.name})" for unit, expected in candidates)
    raise DataError(
        f"the trajectory reaches |k| = {reach:.4g}, which fits no known unit; expected about {known}. "
        "Convert it, or remove it from the file and set golden_angle_deg"
    )


def samples_within(trajectory: NDArray, matrix: int) -> slice:
    """Samples of each spoke that an image of a matrix can hold.

    Parameters
    ----------
    trajectory : (spokes, samples, 2) float
        In cycles per field of view.
    matrix : int
        Image matrix N; samples beyond N/2 cycles per field of view would alias.

    Returns
    -------
    slice
        The contiguous samples within, the same for all spokes.
    """
    reach = np.linalg.norm(trajectory, axis=-1).max(axis=0)
    inside = np.flatnonzero(reach <= matrix / 2 * (1 + 1e-5))
    return slice(int(inside[0]), int(inside[-1]) + 1)


def unaliased(trajectory: NDArray, matrix: int) -> NDArray | None:
    """Pixels that no repetition of the field of view's disc comes to; None if that is all of them.

    Samples Δk apart repeat an object along each spoke every 1/Δk. A repetition of a disc that fills the field of view
    comes to points farther than 1/Δk - 1/2 from the centre: without readout oversampling to the corners of the image.

    Parameters
    ----------
    trajectory : (spokes, samples, 2) float32
        In cycles per field of view, in host memory.
    matrix : int
        N.

    Returns
    -------
    (N, N) bool or None
    """
    limit = 1 / sample_spacing(trajectory) - 0.5
    y, x = (np.mgrid[:matrix, :matrix] - matrix // 2) / matrix
    inside = np.hypot(x, y) <= max(limit, 0.5)
    return None if inside.all() else inside
