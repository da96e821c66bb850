"""B1 from the first inversion of a scan, which finds the magnetisation at equilibrium (docs/method/t1.md).

A curve of the periodic steady state has amplitude, start and T1*, and cannot tell T1 from the flip angle. The first
period decays to the same steady state with the same T1*, but starts from ``-η`` instead of ``-η M_P``: by how much more
it starts below tells the steady state over equilibrium, ``M_ss ≈ T1*/T1``, and with it T1 and the flip angle. Each
voxel, as a mixture of pools, tells how well each scale of the flip angle fits; a smooth map goes through what they say.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.optimize import minimize

from recon.errors import DataError
from recon.relaxometry.b1_map import B1Map, smooth_modes
from recon.relaxometry.period_images import PeriodImages
from recon.relaxometry.pool_mixtures import VoxelSignals
from recon.relaxometry.t1 import fit_recovery, turned_real

# Scales of the flip angle tried in each voxel; between them, χ² is a cubic spline.
_SCALES = np.arange(0.5, 1.5001, 0.025)
# Points for each of them at which the least of the spline is sought.
_BETWEEN = 8
# Standard deviation of the receiver's gain in the first period, relative to the later ones.
_GAIN_DEVIATION = 0.1
# Error of a periodic curve, relative to itself and to the rms of the body: in regions of one tissue it is 0.1 to 0.3 %
# in simulated scans. With 0.3 or 1 %, B1 in the heart changes by up to 0.5 %.
_PERIODIC_ERROR = 0.005
# How much of the noise covariance is taken to be even: one for all voxels cannot hold in each.
_EVEN_SHARE = 0.3
# A voxel's χ² above its best counts in full up to about this, and then by its logarithm: a robust fit.
_CAP = 10.0
# Standard deviation of the common efficiency of the inversion: its spread over simulated scans and methods.
_EFFICIENCY_DEVIATION = 0.01
# Standard deviation of what mixtures miss, common to all of a map: B1 in the heart of simulated scans is 0.2 to 1.2 %
# too high where noise and motion explain 0.3 %.
_MODEL_DEVIATION = 0.01
# Change of the scale for second differences of χ²: where it is smooth.
_CURVATURE_STEP = 0.025
# χ² per degree of freedom above which the first period did not start from equilibrium.
_WORST_MISFIT = 10.0
# Limits of a plausible mean scale in the body.
_PLAUSIBLE = (0.55, 1.4)


@dataclass(frozen=True)
class FirstInversion:
    """What the first inversion told.

    Attributes
    ----------
    b1 : B1Map
        On the matrix that was asked for.
    misfit : float
        χ² of the voxels per degree of freedom, in units of what later periods leave: about 1, or less.
    """

    b1: B1Map
    misfit: float


def fit_first_inversion(images: PeriodImages, matrix: int) -> FirstInversion:
    """Fit a smooth B1 map to the first period.

    Neither noise nor motion of the body is modelled: how much both disturb is measured in later periods, in which the
    model has nothing left to explain.

    Parameters
    ----------
    images : PeriodImages
    matrix : int
        Of the map that is returned.

    Returns
    -------
    FirstInversion

    Raises
    ------
    DataError
        If the data do not look like those of a first inversion from equilibrium.
    """
    fit = _Fit(images)
    found = fit.map_of(fit.misfits(_SCALES), _SCALES, 1.0)
    noise = fit.disturbance(found)
    found = fit.map_of(found.misfits, _SCALES, noise)
    misfit = found.misfit(fit.freedom)
    _refuse_implausible(misfit, float(np.median(found.scale)))
    scales = _near(found.scale)
    other = fit.map_of(fit.misfits(scales, fit.efficiency - _EFFICIENCY_DEVIATION), scales, noise, found.weights)
    by_efficiency = other.weights - found.weights
    covariance = np.linalg.inv(found.precision) * max(1.0, misfit) + np.outer(by_efficiency, by_efficiency)
    fine = smooth_modes(matrix, images.fov_mm)
    # variance at a voxel: hᵀ C h over the modes there
    variance = np.einsum("jyx,jk,kyx->yx", fine, covariance, fine, optimize=True) + _MODEL_DEVIATION**2
    scale = 1 + np.tensordot(found.weights, fine, 1)
    b1 = B1Map(scale.astype(np.float32), np.sqrt(variance).astype(np.float32), "first inversion")
    return FirstInversion(b1, misfit)


@dataclass(frozen=True)
class _Smooth:
    """A smooth map: weights of the modes, scale in each voxel, χ² there at all scales, and posterior precision."""

    weights: NDArray
    scale: NDArray
    misfits: NDArray
    precision: NDArray

    def misfit(self, freedom: int) -> float:
        """χ² of the middle voxel at the map, per degree of freedom."""
        curves = CubicSpline(_SCALES, self.misfits, axis=0)
        at_map = np.diagonal(curves(np.clip(self.scale, _SCALES[0], _SCALES[-1])))
        return max(0.0, float(np.median(at_map))) / freedom


class _Fit:
    """The voxels of a scan, and smooth maps through what they tell."""

    def __init__(self, images: PeriodImages) -> None:
        mask = images.mask
        self._images = images
        self._modes = smooth_modes(mask.shape[0], images.fov_mm)[:, mask]
        self._orthonormal, triangle = np.linalg.qr(images.basis)
        periodic = images.periodic[:, mask].astype(np.complex128)
        self.efficiency = fit_recovery(periodic, images.basis, images.pulses, images.sequence).efficiency
        curves, _, phase = turned_real(triangle @ periodic, self._orthonormal)

        def real(values: NDArray) -> NDArray:
            return (triangle @ values[..., mask] * phase.conj()).real

        later = real(images.later)
        count = len(later)
        # less their mean, which is an error of the periodic curve
        self._disturbances = (later - later.mean(axis=0)) * np.sqrt(count / (count - 1))
        level = np.sqrt(np.mean(self._disturbances**2, axis=(0, 1)))
        transient = real(images.transient)
        error = _PERIODIC_ERROR * _size(curves)
        self._signals = VoxelSignals(
            periodic=curves,
            transient=transient,
            level=level,
            periodic_level=np.hypot(level / np.sqrt(images.averaged), error),
            whitening=_whitening(self._disturbances / level),
            gain_deviation=_GAIN_DEVIATION,
        )
        self.freedom = 2 * len(curves) - 3  # amplitude, T1* and gain

    def misfits(self, scales: NDArray, efficiency: float | None = None, added: NDArray | float = 0.0) -> NDArray:
        """χ² of each voxel at some scales, for another efficiency or with something added to the first period."""
        disturbed = replace(self._signals, transient=self._signals.transient + added)
        eta = self.efficiency if efficiency is None else efficiency
        images = self._images
        return disturbed.misfits(images.sequence, self._orthonormal, images.pulses, eta, scales)

    def map_of(self, misfits: NDArray, scales: NDArray, noise: float, start: NDArray | None = None) -> _Smooth:
        """The most likely smooth map, for χ² that counts ``noise⁻²`` times."""
        # the least of the curve itself: less that of its knots, voxels would draw the map to a knot
        between = np.linspace(scales[0], scales[-1], _BETWEEN * (len(scales) - 1) + 1)
        best = np.maximum(CubicSpline(scales, misfits, axis=0)(between).min(axis=0), 0)
        # a voxel that no scale explains tells less
        excess = (misfits - best) / np.maximum(1.0, best / self.freedom)
        curves, modes = _Curves(CubicSpline(scales, excess, axis=0)), self._modes

        def cost(weights: NDArray) -> tuple[float, NDArray]:
            value, slope = curves.at(1 + weights @ modes)
            total = np.sum(_CAP * np.log1p(value / _CAP)) / noise**2 + weights @ weights
            return float(total), modes @ (slope / (1 + value / _CAP)) / noise**2 + 2 * weights

        if start is None:
            even = [np.r_[(scale - 1) / modes[0, 0], np.zeros(len(modes) - 1)] for scale in scales]
            start = min(even, key=lambda weights: cost(weights)[0])
        weights = minimize(cost, start, jac=True, method="L-BFGS-B").x
        scale = 1 + weights @ modes
        near = [curves.at(scale + step)[0] for step in (-_CURVATURE_STEP, 0.0, _CURVATURE_STEP)]
        below, here, above = (_CAP * np.log1p(value / _CAP) for value in near)
        # half of χ²'s second derivative is the information on the scale
        information = np.maximum(below - 2 * here + above, 0) / (2 * _CURVATURE_STEP**2 * noise**2)
        return _Smooth(weights, scale, misfits, modes * information @ modes.T + np.eye(len(modes)))

    def disturbance(self, found: _Smooth) -> float:
        """Standard deviation that independent noise would need to move the map as much as later periods would.

        What a later period holds beyond the periodic curve is added to the first, and moves the weights by δ. For
        independent noise of variance σ², ``E δᵀ P δ = σ² tr(P⁻¹ H)``, with P the precision and H what voxels add to it.
        """
        scales = _near(found.scale)
        near = self.map_of(self.misfits(scales), scales, 1.0, found.weights)
        moved = [
            self.map_of(self.misfits(scales, added=one), scales, 1.0, found.weights).weights - near.weights
            for one in self._disturbances
        ]
        energy = np.mean([change @ near.precision @ change for change in moved])
        unknowns = len(near.weights) - np.trace(np.linalg.inv(near.precision))
        return max(1.0, float(np.sqrt(energy / unknowns)))


@dataclass(frozen=True)
class _Curves:
    """A cubic spline in each voxel, and its value and slope at one abscissa in each; linear beyond its ends."""

    spline: CubicSpline

    def at(self, scale: NDArray) -> tuple[NDArray, NDArray]:
        knots, voxels = self.spline.x, np.arange(len(scale))
        inside = np.clip(scale, knots[0], knots[-1])
        part = np.clip(np.searchsorted(knots, inside) - 1, 0, len(knots) - 2)
        step, (a, b, c, d) = inside - knots[part], self.spline.c[:, part, voxels]
        slope = (3 * a * step + 2 * b) * step + c
        value = ((a * step + b) * step + c) * step + d + slope * (scale - inside)
        return np.maximum(value, 0), np.where(value > 0, slope, 0)


def _near(scale: NDArray) -> NDArray:
    """Scales around those of a map."""
    low, high = np.searchsorted(_SCALES, [scale.min() - 0.075, scale.max() + 0.075])
    return _SCALES[max(0, low - 1) : high + 1]


def _size(signals: NDArray) -> NDArray:
    """Rms of a coordinate in each voxel and in all: ``(voxels,)`` float64."""
    energy = np.mean(signals**2, axis=0)
    return np.sqrt((energy + energy.mean()) / 2)


def _whitening(samples: NDArray) -> NDArray:
    """Matrix that makes samples ``(periods, R, voxels)`` white: ``(R, R)`` float64."""
    covariance = np.einsum("piv,pjv->ij", samples, samples) / (len(samples) * samples.shape[2])
    even = np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    return np.linalg.inv(np.linalg.cholesky((1 - _EVEN_SHARE) * covariance + _EVEN_SHARE * even))


def _refuse_implausible(misfit: float, scale: float) -> None:
    low, high = _PLAUSIBLE
    if misfit > _WORST_MISFIT:
        raise DataError(
            f"the first inversion period is not explained by any B1: the χ² of its voxels is {misfit:.1f} per degree "
            "of freedom; it did not start from equilibrium"
        )
    if not low < scale < high:
        raise DataError(f"the first inversion tells a B1 of {100 * scale:.0f} % of the nominal, outside of what exists")
