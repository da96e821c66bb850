"""T1 of flowing blood, one for all of it; the share of fresh spins differs from voxel to voxel (docs/method/t1.md).

A curve hardly tells T1 and the share of fresh spins apart, so one of them has to be shared. Blood is one fluid, whose
T1 differs by some 5 % between arteries and veins; the share goes by how fast it flows, and differs threefold.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, label
from scipy.special import logsumexp

from recon.relaxometry.curve_fit import CurveModel
from recon.relaxometry.inversion_recovery import InversionRecovery
from recon.relaxometry.t1 import INFLOW, CommonT1, T1Map, turned_real

_INSIDE = 1 / 40
"""Distance of voxels from all that is not blood, over the width of the image: 7 mm of 270, where the walls of a
beating, breathing chamber hardly come [of 1 to 4 voxels of 160; `standard` seeds 21 to 28]."""

_LEAST_VOXELS = 12
"""Where fewer are left of a vessel or chamber, they may lie nearer to its wall."""

_BRIGHT = 0.5
"""Least norm of a curve over that of the brightest blood (its 95th percentile): lungs may recover as slowly."""

_AT_3_T_MS, _SPREAD = 1790.0, 0.15
"""T1 of blood at 3 T: in the middle of what is published, 1650 [Alsop 2015] to 1932 ms [Stanisz 2005], and the relative
standard deviation with haematocrit and method, taken rather wide."""

_FIELDS_T = 0.01, 25.0
"""What a magnet may have; a field in another unit, gauss or MHz, lies outside."""

_LEAST_MISFIT = 0.001
"""Of a curve, relative to its norm and per degree of freedom: of noiseless curves in a basis of five functions. Scans
have 0.002 to 0.01 [`standard` seeds 21 to 28, bodies], of which each tells its own."""

_BETWEEN_VESSELS = 0.04
"""Relative standard deviation of T1 from one vessel to another: venous blood has some 5 % less than arterial."""

_TRIED = np.geomspace(0.5, 2, 279)
_SHARES = np.linspace(0, 1, 51)
"""T1 over what is expected, 0.5 % apart, and shares of fresh spins, each as likely as any other."""


def is_known_field(field_t: float | None) -> bool:
    """Say whether the field of a magnet is stated, and can be teslas."""
    return field_t is not None and _FIELDS_T[0] < field_t < _FIELDS_T[1]


def expected_blood_t1_ms(field_t: float | None) -> float:
    """T1 that blood is expected to have.

    It grows with the cube root of the field: 1420 ms at 1.5 T [published: 1350 to 1480 ms]. 3 T is taken where the
    field is not known, or cannot be teslas.
    """
    known = field_t if field_t is not None and is_known_field(field_t) else 3.0
    return _AT_3_T_MS * (known / 3.0) ** (1 / 3)


@dataclass(frozen=True)
class RecoveryCurves:
    """How coordinates are to be read as recovery curves.

    Attributes
    ----------
    basis : (times, R) float
        Columns; curve = basis · coordinates.
    pulses : (times,) int
        Excitation pulses since the inversion at each row of the basis.
    sequence : InversionRecovery
    """

    basis: NDArray
    pulses: NDArray
    sequence: InversionRecovery

    def turned(self, coordinates: NDArray) -> NDArray:
        """Coordinates (R, voxels) in an orthonormal basis, turned real."""
        orthonormal, triangle = np.linalg.qr(self.basis)
        return turned_real(triangle @ coordinates.astype(np.complex128), orthonormal)[0]

    def pools(self, t1_ms: NDArray, efficiency: float, scale: NDArray | None = None) -> NDArray:
        """Curves of spins that stay and of fresh ones, (R, voxels, 2), in the orthonormal basis; T1 of each voxel."""
        model = CurveModel(self.sequence, np.linalg.qr(self.basis)[0], self.pulses, INFLOW, scale)
        known = np.log(t1_ms), np.full(len(t1_ms), efficiency), model.cosine(len(t1_ms))
        return np.stack([model.shape(*known, share) for share in (0.0, 1.0)], axis=-1)


def with_common_blood(
    found: T1Map,
    coordinates: NDArray,
    averaged: NDArray,
    curves: RecoveryCurves,
    expected_ms: float,
    scale: NDArray | None = None,
) -> T1Map:
    """Give all flowing blood one T1, and each of its voxels a share of fresh spins of its own.

    Voxels that recover as slowly but are dark, as lungs may, keep what was fitted.

    Parameters
    ----------
    found : T1Map
        Says which voxels are flowing blood.
    coordinates : (R, N, N) complex
        Recovery curves at the state of motion of the map.
    averaged : (R, N, N) complex
        The same, averaged over the states of motion.
    curves : RecoveryCurves
    expected_ms : float
        T1 that blood is expected to have.
    scale : (N, N) float, optional
        The true flip angle over that of the sequence.

    Returns
    -------
    T1Map
    """
    blood = bright_blood(averaged, found.inflow > 0)
    if not blood.any():
        return found
    common = common_t1(averaged, curves, blood, found.efficiency, expected_ms, scale)
    measured = curves.turned(coordinates[:, blood])
    t1_ms = np.full(measured.shape[1], common.t1_ms)
    pools = curves.pools(t1_ms, found.efficiency, None if scale is None else scale[blood].astype(np.float64))
    share = _told_share(measured, pools)
    # h_v = (1 - f_v) stays_v + f_v fresh_v, amplitude by least squares
    shape = (1 - share) * pools[..., 0] + share * pools[..., 1]
    left = measured - shape * (np.sum(shape * measured, axis=0) / np.sum(shape**2, axis=0))
    misfit = np.linalg.norm(left, axis=0) / np.maximum(np.linalg.norm(measured, axis=0), 1e-30)
    deviation = common.t1_ms * np.hypot(common.deviation, _BETWEEN_VESSELS)
    return replace(
        found,
        t1_ms=_with(found.t1_ms, blood, common.t1_ms),
        uncertainty_ms=_with(found.uncertainty_ms, blood, deviation),
        inflow=_with(found.inflow, blood, share),
        residual=_with(found.residual, blood, misfit),
        share=float(np.median(share)),
        blood=common,
    )


def bright_blood(averaged: NDArray, flows: NDArray) -> NDArray[np.bool_]:
    """Flowing blood (N, N) that is no less than half as bright as the brightest, by curves averaged over motion."""
    if not flows.any():
        return flows
    strength = np.linalg.norm(averaged, axis=0)
    return flows & (strength > _BRIGHT * np.quantile(strength[flows], 0.95))


def common_t1(
    averaged: NDArray,
    curves: RecoveryCurves,
    blood: NDArray,
    efficiency: float,
    expected_ms: float,
    scale: NDArray | None = None,
) -> CommonT1:
    """Tell the T1 of blood from its middle, where no wall comes, and from what is known beforehand.

    What one state of motion shows is too rough for it (1 % of a curve is 17 % of T1); the average over all of them is
    not, since what the basis errs by in one state it makes up for in others. Curves of voxels with different shares of
    fresh spins add up to one of the mean share, so that all the blood is asked at once.

    Parameters
    ----------
    averaged, curves, scale
        As for :func:`with_common_blood`.
    blood : (N, N) bool
    efficiency : float
        Of the inversion.
    expected_ms : float

    Returns
    -------
    CommonT1
        What is expected, where no voxel lies far enough inside.
    """
    log_ratio = np.log(_TRIED)
    evidence = -0.5 * (log_ratio / _SPREAD) ** 2
    inside = _middle(blood)
    if inside.any():
        at = curves
        if scale is not None:
            angle_deg = curves.sequence.flip_angle_deg * float(np.median(scale[inside]))
            at = replace(curves, sequence=replace(curves.sequence, flip_angle_deg=angle_deg))
        evidence = evidence + _told(
            at.turned(averaged[:, inside]).sum(axis=1), at.pools(expected_ms * _TRIED, efficiency)
        )
    weights = np.exp(evidence - evidence.max())
    weights /= weights.sum()
    mean = float(weights @ log_ratio)
    deviation = float(np.sqrt(weights @ (log_ratio - mean) ** 2))
    return CommonT1(expected_ms * float(np.exp(mean)), deviation, int(np.count_nonzero(inside)))


def _middle(blood: NDArray) -> NDArray[np.bool_]:
    """Of each vessel and chamber, the voxels that lie deepest inside: as deep as leaves some."""
    inside = np.zeros_like(blood)
    vessels, count = label(blood)
    for number in range(1, count + 1):
        one = vessels == number
        for depth in range(max(1, round(_INSIDE * len(blood))), 0, -1):
            deep = binary_erosion(one, iterations=depth)
            if np.count_nonzero(deep) >= _LEAST_VOXELS:
                inside |= deep
                break
    return inside


def _told(curve: NDArray, pools: NDArray) -> NDArray:
    """Log likelihood of each T1, the share of fresh spins marginalised: ``(T1,)`` float64."""
    unit = curve / np.linalg.norm(curve)
    mixed = np.einsum("rtp,pf->rtf", pools, np.stack([1 - _SHARES, _SHARES]))
    # 1 - (h·c)² / |h|²: what the best amplitude of h leaves of a curve of norm 1
    left = 1 - np.einsum("rtf,r->tf", mixed, unit) ** 2 / np.sum(mixed**2, axis=0)
    freedom = max(len(curve) - 3, 1)  # amplitude, T1 and share are fitted
    variance = max(float(left.min()) / freedom, _LEAST_MISFIT**2)
    return logsumexp(-0.5 * left / variance, axis=1)


def _told_share(measured: NDArray, pools: NDArray) -> NDArray:
    """Share of fresh spins in each voxel, by least squares of both pools' amplitudes: ``(voxels,)`` float64."""
    of_curve = np.einsum("rvp,rv->pv", pools, measured)
    (stays, both), (_, fresh) = np.einsum("rvp,rvq->pqv", pools, pools)
    # amplitudes by Cramer's rule, over the same determinant, which is 0 where a B1 map has holes
    of_stays, of_fresh = fresh * of_curve[0] - both * of_curve[1], stays * of_curve[1] - both * of_curve[0]
    return np.clip(of_fresh / np.maximum(of_stays + of_fresh, 1e-30), 0, 1)


def _with(image: NDArray, where: NDArray, values: NDArray | float) -> NDArray[np.float32]:
    changed = image.copy()
    changed[where] = values
    return changed
