"""What the first inversion period has beyond the periodic steady state (docs/method/t1.md)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recon.relaxometry.curve_fit import T1_RANGE_MS
from recon.relaxometry.inversion_recovery import InversionRecovery
from recon.relaxometry.t1 import Recovery, fit_recovery


@dataclass(frozen=True)
class Curves:
    """Periodic recovery curves at rest.

    Attributes
    ----------
    coordinates : (R, N, N) complex64
        In the recovery basis, as the mean over all states of motion.
    basis : (times, R) float64
        The recovery basis at some pulses.
    pulses : (times,) int
    mask : (N, N) bool
        The body.
    sequence : InversionRecovery
    fov_mm : (2,) tuple of float
        Field of view along x and y.
    """

    coordinates: NDArray
    basis: NDArray
    pulses: NDArray
    mask: NDArray
    sequence: InversionRecovery
    fov_mm: tuple[float, float]

    def fit(
        self, inflow: float, scale: NDArray, efficiency: float | None = None, rows: NDArray | slice = slice(None)
    ) -> Recovery:
        """Fit the curves, or some rows of the voxels, at given shares of fresh spins and scales of the flip angle."""
        inside = self.coordinates[:, self.mask][:, rows]
        return fit_recovery(inside, self.basis, self.pulses, self.sequence, inflow, scale[rows], efficiency)

    def drawn(self, values: NDArray) -> NDArray:
        """``(R, voxels)`` on the image: ``(R, N, N)`` complex64."""
        image = np.zeros(self.coordinates.shape, dtype=np.complex64)
        image[:, self.mask] = values
        return image


def transient(
    recovery: Recovery, sequence: InversionRecovery, scale: NDArray, inflow: float, efficiency: float | None = None
) -> NDArray:
    """What the first period has beyond the periodic steady state, for curves whose steady signal and T1* are known.

    Parameters
    ----------
    recovery : Recovery
        Of the periodic curves, fitted with some scale of the flip angle.
    sequence : InversionRecovery
    scale : (voxels,) float
        Another scale of the flip angle: T1* stays, T1 follows.
    inflow : float
        Share of fresh spins with which the curves were fitted.
    efficiency : float, optional
        Of the inversion; by default that of the fit.

    Returns
    -------
    (R, voxels) complex128
        Coordinates in the recovery basis.
    """
    eta = recovery.efficiency if efficiency is None else efficiency
    found, tr_ms = recovery.estimate, sequence.tr_ms
    pulsed = np.where(recovery.flows, 1 - inflow, 1.0)
    _, steady, _ = sequence.pool(found.t1_ms, eta, found.cosine)
    signal = recovery.phase * found.amplitude
    # 1/T1 = 1/T1* + ln(cos α)/TR at the other flip angle, if any T1 has that T1*
    cosine = np.cos(np.deg2rad(sequence.flip_angle_deg) * scale)
    rate = 1 / found.t1_ms + (np.log(cosine) - np.log(found.cosine)) / tr_ms
    t1_ms = 1 / np.maximum(rate, 1 / T1_RANGE_MS[1])
    _, other_steady, start = sequence.pool(t1_ms, eta, cosine)
    first = sequence.first_start(t1_ms, eta)
    decays = recovery.tissue.decay(np.log(found.t1_ms), found.cosine)
    total = signal * pulsed * steady * (first - start) / other_steady * decays
    if recovery.flows.any():
        rows = recovery.flows
        _, _, start = sequence.pool(found.t1_ms[rows], eta, 1.0)
        excess = sequence.first_start(found.t1_ms[rows], eta) - start
        total[:, rows] += inflow * signal[rows] * excess * recovery.blood.decay(np.log(found.t1_ms[rows]), 1.0)
    return np.linalg.solve(recovery.triangle, total)
