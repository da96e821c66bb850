"""Voxels as mixtures of a few pools of spins, each with its signal in the periodic and in the first inversion period.

A voxel of 8 mm seldom holds one tissue. Taken for one, blood of which a share is fresh pulls B1 by a tenth, and fat
beside muscle by some per cent; as mixtures, both tell what they know of B1, which for blood is little.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from recon.relaxometry.inversion_recovery import InversionRecovery

# T1* in ms of pools that stay, 2 % apart, and their T1: shorter and longer than that of any tissue.
_T1_STAR_MS = np.geomspace(100, 3000, 160)
_T1_MS = (150.0, 4000.0)
# T1 in ms of blood at 1.5 and 3 T: that of fresh spins, whose T1* is their T1.
_BLOOD_T1_MS = np.array([1400.0, 1600.0, 1800.0, 2000.0])
# T1 in ms of fat, whose signal may have any sign: at the echo it is out of phase with water.
_FAT_T1_MS = (280.0, 460.0)
# T1 in ms from which on a tissue is watery.
_WATER_T1_MS = 500.0
# Steps on the grid of T1* between tissues of mixtures: 4 % beside blood, 11 % beside fat or where there are more pools.
_STEP, _COARSE_STEP = 2, 5
# Voxels whose noise levels agree within 13 % are fitted together.
_LEVEL_STEP = 0.25
# χ² of each pool beyond the first, as Akaike has it: twice the unknown that it adds. Without it, B1 is 1 % higher.
_POOL_COST = 2.0


@dataclass(frozen=True)
class VoxelSignals:
    """Real signals of some voxels in an orthonormal recovery basis, and their noise.

    Attributes
    ----------
    periodic, transient : (R, voxels) float64
        Of the periodic steady state, and of the first period beyond it.
    level, periodic_level : (voxels,) float64
        Standard deviations of the whitened transient and of the periodic signal.
    whitening : (R, R) float64
        Makes the noise of transients white.
    gain_deviation : float
        Standard deviation of the receiver's gain in the first period, relative to the later ones.
    """

    periodic: NDArray
    transient: NDArray
    level: NDArray
    periodic_level: NDArray
    whitening: NDArray
    gain_deviation: float

    def __len__(self) -> int:
        return len(self.level)

    def misfits(
        self,
        sequence: InversionRecovery,
        basis: NDArray,
        pulses: NDArray,
        efficiency: float,
        scales: NDArray,
    ) -> NDArray:
        """Least χ² of a mixture in each voxel at each of some scales of the flip angle.

        It holds 2 for each pool beyond the first. A mixture has no negative share, but fat may have either sign.
        The gain of the first period is marginalised.

        Parameters
        ----------
        sequence : InversionRecovery
        basis : (times, R) float
            Orthonormal columns.
        pulses : (times,) int
        efficiency : float
            Of the inversion.
        scales : (scales,) float

        Returns
        -------
        (scales, voxels) float64
        """
        choices = [_Mixtures.at(sequence, basis, pulses, efficiency, scale) for scale in scales]
        result = np.zeros((len(scales), len(self)))
        steps = np.rint(np.log(self.level / self.periodic_level) / _LEVEL_STEP)
        for step in np.unique(steps):
            rows = np.flatnonzero(steps == step)
            weight = np.exp(_LEVEL_STEP * step)
            data = _Weighted.of(self, rows, weight)
            for number, mixtures in enumerate(choices):
                result[number, rows] = data.least(mixtures.weighted(weight, self.whitening), mixtures)
        return result


def pool_signals(
    sequence: InversionRecovery,
    basis: NDArray,
    pulses: NDArray,
    t1_ms: NDArray,
    efficiency: float,
    cosine: float,
) -> NDArray:
    """Periodic signal of pools, and what the first period has beyond it: ``(2R, pools)`` float64, one above the other.

    Parameters
    ----------
    sequence : InversionRecovery
    basis : (times, R) float
        Orthonormal columns.
    pulses : (times,) int
    t1_ms : (pools,) float
    efficiency : float
        Of the inversion.
    cosine : float
        Of the flip angle; 1 for spins that saw no pulse.
    """
    decay, steady, start = sequence.pool(t1_ms, efficiency, cosine)
    powers = decay[:, None] ** pulses @ basis
    periodic = steady[:, None] * basis.sum(axis=0) + (start - steady)[:, None] * powers
    # both periods decay to the same steady state with the same T1*, from another start
    first = sequence.first_start(t1_ms, efficiency) - start
    return np.concatenate([periodic, first[:, None] * powers], axis=1).T


@dataclass(frozen=True)
class _Mixtures:
    """Pools at one scale of the flip angle, and the mixtures of them: columns, and whether the first is fat."""

    pools: NDArray
    choices: list[tuple[NDArray, bool]]

    @classmethod
    def at(
        cls, sequence: InversionRecovery, basis: NDArray, pulses: NDArray, efficiency: float, scale: float
    ) -> "_Mixtures":
        cosine = float(np.cos(np.deg2rad(sequence.flip_angle_deg) * scale))
        # 1/T1 = 1/T1* + ln(cos α)/TR, if any T1 has that T1*
        rate = 1 / _T1_STAR_MS + np.log(cosine) / sequence.tr_ms
        grid = np.flatnonzero((rate < 1 / _T1_MS[0]) & (rate > 1 / _T1_MS[1]))
        t1_ms, stays, blood = 1 / rate[grid], np.arange(len(grid)), np.arange(len(_BLOOD_T1_MS))
        pools = [
            pool_signals(sequence, basis, pulses, times, efficiency, angle)
            for times, angle in ((t1_ms, cosine), (_BLOOD_T1_MS, cosine), (_BLOOD_T1_MS, 1.0))
        ]
        water = t1_ms > _WATER_T1_MS
        fine, coarse = (stays[water & (grid % step == 0)] for step in (_STEP, _COARSE_STEP))
        fat = stays[(t1_ms > _FAT_T1_MS[0]) & (t1_ms < _FAT_T1_MS[1]) & (grid % _COARSE_STEP == 0)]
        old, fresh = len(stays) + blood, len(stays) + len(blood) + blood
        choices = [
            (stays[:, None], False),
            (np.column_stack([old, fresh]), False),
            (np.array(list(product(fine, fresh))), False),
            (np.array([(one, *two) for one, two in product(fine, zip(old, fresh, strict=True))]), False),
            (np.array(list(product(fat, fine))), True),
            (np.array(list(product(fat, coarse, fresh))), True),
            (np.array([(f, w, *two) for f, w, two in product(fat, coarse, zip(old, fresh, strict=True))]), True),
        ]
        return cls(np.concatenate(pools, axis=1), [one for one in choices if one[0].size])

    def weighted(self, weight: float, whitening: NDArray) -> NDArray:
        half = len(self.pools) // 2
        pools = np.concatenate([weight * self.pools[:half], whitening @ self.pools[half:]])
        return pools / np.linalg.norm(pools, axis=0)


@dataclass(frozen=True)
class _Weighted:
    """Signals in units of their noise, in which the gain of the first period is marginalised.

    The noise covariance is then ``I + σ² g gᵀ``, with g the signal of the first period. Its inverse is ``I - w g gᵀ``.
    """

    signals: NDArray
    gains: NDArray
    energy: NDArray
    share: NDArray

    @classmethod
    def of(cls, voxels: VoxelSignals, rows: NDArray, weight: float) -> "_Weighted":
        level, white = voxels.level[rows], voxels.whitening
        periodic, transient = voxels.periodic[:, rows], voxels.transient[:, rows]
        signals = np.concatenate([weight * periodic, white @ transient]) / level
        gains = np.concatenate([np.zeros_like(periodic), white @ (periodic + transient)]) / level
        variance = voxels.gain_deviation**2
        share = variance / (1 + variance * np.sum(gains**2, axis=0))
        along = np.sum(gains * signals, axis=0)
        return cls(signals - share * along * gains, gains, np.sum(signals**2, axis=0) - share * along**2, share)

    def least(self, pools: NDArray, mixtures: _Mixtures) -> NDArray:
        """Least χ² and cost over mixtures: ``(voxels,)`` float64."""
        seen, gained, gram = pools.T @ self.signals, pools.T @ self.gains, pools.T @ pools
        least = np.full(len(self.energy), np.inf)
        for columns, is_fat_first in mixtures.choices:
            inverse = np.linalg.inv(gram[columns[:, :, None], columns[:, None, :]])
            right, gain = seen[columns], gained[columns]  # (mixtures, pools, voxels)
            amounts, by_gain = inverse @ right, inverse @ gain
            # Sherman-Morrison for the Gram matrix less w h hᵀ
            rest = 1 - self.share * np.sum(gain * by_gain, axis=1)
            amounts += by_gain * (self.share * np.sum(gain * amounts, axis=1) / np.maximum(rest, 1e-9))[:, None]
            left = self.energy - np.sum(amounts * right, axis=1) + _POOL_COST * (columns.shape[1] - 1)
            left[(amounts[:, int(is_fat_first) :] < 0).any(axis=1)] = np.inf
            least = np.minimum(least, left.min(axis=0))
        # no mixture: all of the signal is left
        return np.minimum(least, self.energy)
