"""T1 recovery under inversion-recovery FLASH: curves, their dictionary and its basis (docs/method/t1.md)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

# T1 of the dictionary in ms: 101 values, 3.5 % apart, over all tissues at 3 T.
_DICTIONARY_T1_MS = np.geomspace(100, 3000, 101)
# Signal after the inversion over the steady state: -1 for a full inversion, -0.5 for half of one.
_DICTIONARY_B = np.linspace(-1.0, -0.5, 21)
# Flip angles from 0.5 degrees to 1.5 times the nominal one; 0.5 degrees apart for 5 degrees.
_DICTIONARY_FLIP_ANGLES = 15


@dataclass(frozen=True)
class InversionRecovery:
    """Periodic inversion-recovery FLASH.

    Attributes
    ----------
    tr_ms, flip_angle_deg : float
        The flip angle is the true one: nominal times B1.
    delay_ms : float
        From the inversion to the first excitation.
    pulses : int
        Excitations between inversions.
    """

    tr_ms: float
    flip_angle_deg: float
    delay_ms: float
    pulses: int

    def curves(self, t1_ms: ArrayLike, efficiency: ArrayLike, inflow: ArrayLike, pulses: NDArray) -> NDArray:
        """Longitudinal magnetisation before each pulse, in the periodic steady state.

        Parameters
        ----------
        t1_ms, efficiency, inflow : (voxels,) float
            Broadcast; M becomes ``-efficiency · M`` at an inversion; share of fresh spins.
        pulses : (times,) int

        Returns
        -------
        (voxels, times) float64
            Relative to equilibrium.
        """
        t1, eta, fresh = (np.asarray(v, float) for v in np.broadcast_arrays(t1_ms, efficiency, inflow))
        total = np.zeros((t1.size, len(pulses)))
        for share, cosine in ((1 - fresh, self.cosine), (fresh, 1.0)):
            decay, steady, start = self.pool(t1.ravel(), eta.ravel(), cosine)
            total += share.ravel()[:, None] * (steady[:, None] + (start - steady)[:, None] * decay[:, None] ** pulses)
        return total

    def inversion_time_ms(self, pulses: NDArray) -> NDArray:
        """Time between the inversion and each of the given pulses: ``(times,)`` float64."""
        return self.delay_ms + pulses * self.tr_ms

    @property
    def cosine(self) -> float:
        """Cosine of the flip angle."""
        return float(np.cos(np.deg2rad(self.flip_angle_deg)))

    def pool(
        self, t1_ms: NDArray, efficiency: NDArray | float, cosine: NDArray | float
    ) -> tuple[NDArray, NDArray, NDArray]:
        """Decay per pulse towards the steady state, steady state, and start of one pool of spins."""
        relaxation, delay = np.exp(-self.tr_ms / t1_ms), np.exp(-self.delay_ms / t1_ms)
        decay = relaxation * cosine
        steady = (1 - relaxation) / (1 - decay)
        period = decay**self.pulses
        start = (1 - delay - efficiency * delay * steady * (1 - period)) / (1 + efficiency * delay * period)
        return decay, steady, start

    def first_start(self, t1_ms: NDArray, efficiency: float) -> NDArray:
        """Magnetisation before the first pulse after an inversion from equilibrium: ``(voxels,)`` float64."""
        return 1 - (1 + efficiency) * np.exp(-self.delay_ms / t1_ms)


def recovery_curves(
    t1_ms: ArrayLike, flip_angle_deg: ArrayLike, b: ArrayLike, tr_ms: float, pulses: NDArray
) -> NDArray:
    """Signal relative to the steady state, ``1 + (B - 1) (E cos α)ⁿ`` (docs/method/t1.md).

    Parameters
    ----------
    t1_ms, flip_angle_deg, b : (curves,) float
        Broadcast against each other; B is the signal after the inversion over that in the steady state.
    tr_ms : float
    pulses : (times,) int
        n, excitation pulses since the inversion.

    Returns
    -------
    (curves, times) float64
    """
    decay = np.exp(-tr_ms / np.asarray(t1_ms, float)) * np.cos(np.deg2rad(flip_angle_deg))
    return 1 + (np.atleast_1d(b)[:, None] - 1) * np.atleast_1d(decay)[:, None] ** pulses


def recovery_dictionary(tr_ms: float, flip_angle_deg: float, pulses: int) -> NDArray:
    """Recovery curves over all tissues: T1 from 100 to 3000 ms, flip angles from 0.5° to 1.5 times the nominal one.

    The low flip angles stand for blood, part of which saw few of the pulses; B runs from -1 to -0.5.

    Parameters
    ----------
    tr_ms, flip_angle_deg : float
    pulses : int
        Length of the curves.

    Returns
    -------
    (curves, pulses) float64
    """
    grid = np.meshgrid(_DICTIONARY_T1_MS, _flip_angles(flip_angle_deg), _DICTIONARY_B, indexing="ij")
    t1_ms, flips, b = (axis.ravel() for axis in grid)
    return recovery_curves(t1_ms, flips, b, tr_ms, np.arange(pulses))


def recovery_basis(tr_ms: float, flip_angle_deg: float, pulses: int, rank: int) -> NDArray:
    """U_τ: leading singular vectors of the dictionary over time.

    It is defined at every pulse, so that navigators and imaging readouts, which follow different pulses, share it.
    The dictionary's Gram matrix is summed over B in closed form; the dictionary itself is never formed.

    Parameters
    ----------
    tr_ms, flip_angle_deg : float
    pulses : int
        Longest train of pulses between inversions.
    rank : int

    Returns
    -------
    (pulses, min(rank, pulses)) float64
        Orthonormal columns.
    """
    t1_ms, flips = (axis.ravel() for axis in np.meshgrid(_DICTIONARY_T1_MS, _flip_angles(flip_angle_deg)))
    decays = (np.exp(-tr_ms / t1_ms) * np.cos(np.deg2rad(flips)))[:, None] ** np.arange(pulses)
    depth = _DICTIONARY_B - 1
    mixed = np.broadcast_to(depth.sum() * decays.sum(axis=0), (pulses, pulses))
    gram = np.sum(depth**2) * (decays.T @ decays) + mixed + mixed.T + len(depth) * len(decays)
    return np.linalg.eigh(gram)[1][:, ::-1][:, : min(rank, pulses)]


def _flip_angles(nominal_deg: float) -> NDArray:
    return np.linspace(0.5, max(1.5 * nominal_deg, 1.0), _DICTIONARY_FLIP_ANGLES)
