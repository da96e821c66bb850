"""Recovery of every voxel as a few coefficients: T1, B1 and inflow may differ from voxel to voxel."""

import numpy as np
import sigpy
from numpy.typing import NDArray

from recon.relaxometry.inversion_recovery import InversionRecovery, recovery_basis

RECOVERY_RANK = 7
"""Functions of the recovery: the dictionary's singular values fall to 1e-5 of the first; five are the console's."""

# Rates of decay per pulse, -ln(E cos α), of the table: T1 from 10 s under no pulses to 50 ms under pulses of 30°.
_RATES = np.geomspace(1e-4, 0.3, 600)


class RecoveryTable:
    """What a pool of spins that decays by a rate per pulse looks like in a basis of recovery.

    Parameters
    ----------
    sequence : InversionRecovery
        Its flip angle is the nominal one.
    efficiency : float
        Of the inversion.

    Attributes
    ----------
    basis : (pulses, K) float64
        Orthonormal columns.
    """

    def __init__(self, sequence: InversionRecovery, efficiency: float) -> None:
        self.sequence, self.efficiency = sequence, efficiency
        self.basis = recovery_basis(sequence.tr_ms, sequence.flip_angle_deg, sequence.pulses, RECOVERY_RANK)
        self._constant = self.basis.sum(axis=0)
        self._decays = np.exp(-_RATES[:, None] * np.arange(sequence.pulses)) @ self.basis

    def coefficients(self, t1_ms: NDArray, b1: NDArray, inflow: NDArray) -> NDArray:
        """Signal of unit proton density in the basis of recovery, in the periodic steady state.

        ``M_n = M_ss + (M_0 - M_ss) (E cos α)ⁿ`` of spins that stay, and the same with cos α = 1 of fresh ones.

        Parameters
        ----------
        t1_ms, b1, inflow : (voxels,) float32
            B1 is the true flip angle over the nominal one.

        Returns
        -------
        (K, voxels) float32
        """
        xp = sigpy.get_array_module(t1_ms)
        alpha = b1 * np.deg2rad(self.sequence.flip_angle_deg)
        total = 0.0
        for share, cosine in ((1 - inflow, xp.cos(alpha)), (inflow, xp.ones_like(alpha))):
            decay, steady, start = self.sequence.pool(t1_ms.astype(np.float64), self.efficiency, cosine)
            decays = self._interpolated(-xp.log(decay))
            total = total + share * (steady * xp.asarray(self._constant)[:, None] + (start - steady) * decays)
        return (xp.sin(alpha) * total).astype(np.float32)

    def _interpolated(self, rate: NDArray) -> NDArray:
        xp = sigpy.get_array_module(rate)
        place, knots = xp.log(xp.clip(rate, _RATES[0], _RATES[-1])), xp.asarray(np.log(_RATES))
        return xp.stack([xp.interp(place, knots, xp.asarray(column)) for column in self._decays.T])


def steady_signal(t1_ms: NDArray, b1: NDArray, inflow: NDArray, tr_ms: float, flip_angle_deg: float) -> NDArray:
    """Signal of unit proton density under pulses without inversions: ``(1, voxels)`` float32."""
    xp = sigpy.get_array_module(t1_ms)
    alpha, relaxation = b1 * np.deg2rad(flip_angle_deg), xp.exp(-tr_ms / t1_ms)
    stays = (1 - relaxation) / (1 - relaxation * xp.cos(alpha))
    return (xp.sin(alpha) * ((1 - inflow) * stays + inflow))[None].astype(np.float32)
