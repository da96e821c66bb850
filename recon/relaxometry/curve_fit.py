"""Amplitude, T1 and inversion efficiency of recovery curves: least squares on all voxels at once (docs/method/t1.md).

The flip angle is given: one number, or its scale in each voxel where B1 varies over the slice.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from recon.relaxometry.inversion_recovery import InversionRecovery

T1_RANGE_MS = (50.0, 5000.0)
"""Limits of a fitted T1 in ms: shorter and longer than any tissue."""

# T1 of the first match on a grid, in ms, 3.3 % apart; the fit refines it.
_T1_MS = np.geomspace(80, 4000, 120)
# Efficiencies of the inversion tried first, 0.05 apart; 1 inverts fully, 0 saturates.
_EFFICIENCIES = np.linspace(0.4, 1.0, 13)
# Levenberg-Marquardt steps, the same for all voxels.
_STEPS = 12
# Voxels that are matched with the grid at a time: their matches stay in the cache of a core.
_CHUNK = 256
# Knots of the splines over log T1, 1.2 % of T1 apart.
_KNOTS = 400
# Step of the finite differences in log T1, in efficiency and in inflow.
_SMALL = 1e-4
# Scales of the flip angle for which the first match is made, 0.02 apart: T1 is off by 5 %, which the fit mends.
_SCALE_STEP = 0.02


@dataclass(frozen=True)
class Estimate:
    """What was fitted to each of some curves.

    Attributes
    ----------
    amplitude, t1_ms, efficiency : (voxels,) float64
    cosine : (voxels,) float64
        Of the flip angle.
    residual : (voxels,) float64
        Norm of what the fit leaves.
    """

    amplitude: NDArray
    t1_ms: NDArray
    efficiency: NDArray
    cosine: NDArray
    residual: NDArray

    def at(self, rows: NDArray) -> "Estimate":
        """Estimates of some of the voxels."""
        return Estimate(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def replaced(self, other: "Estimate", rows: NDArray) -> "Estimate":
        """Estimates of another model in some of the voxels."""
        return Estimate(
            *(np.where(rows, getattr(other, name), getattr(self, name)) for name in self.__dataclass_fields__)
        )


class CurveModel:
    """Curves of one share of inflow, in an orthonormal basis; unknown are amplitude, log T1 and efficiency.

    Parameters
    ----------
    sequence : InversionRecovery
    basis : (times, R) float
        Orthonormal columns.
    pulses : (times,) int
        Excitation pulses since the inversion at each row of the basis.
    inflow : float
        Share of fresh spins.
    scale : (voxels,) float, optional
        True flip angle over that of the sequence, in each voxel whose curve is fitted.
    """

    def __init__(
        self,
        sequence: InversionRecovery,
        basis: NDArray,
        pulses: NDArray,
        inflow: float,
        scale: NDArray | None = None,
    ) -> None:
        self._sequence, self._inflow, self._scale = sequence, inflow, scale
        self._constant = basis.sum(axis=0)[:, None]
        low, high = np.log(T1_RANGE_MS)
        self._knots = knots = np.linspace(low, high, _KNOTS)

        def powers(decay: NDArray) -> NDArray:
            return decay[:, None] ** pulses @ basis

        cosines = (sequence.cosine, 1.0) if scale is None else (1.0,)
        relaxation = np.exp(-sequence.tr_ms / np.exp(knots))
        self._decays = {cosine: CubicSpline(knots, powers(relaxation * cosine)) for cosine in cosines}
        if scale is not None:  # of T1*, for any flip angle
            fastest = 1 / (np.exp(-low) - np.log(self._cosine_of(scale.max())) / sequence.tr_ms)
            starred = np.linspace(np.log(fastest) - _SMALL, high + _SMALL, _KNOTS)
            self._starred = CubicSpline(starred, powers(np.exp(-sequence.tr_ms / np.exp(starred))))

    def _cosine_of(self, scale: NDArray | float) -> NDArray:
        return np.cos(np.deg2rad(self._sequence.flip_angle_deg * np.asarray(scale)))

    def cosine(self, voxels: int) -> NDArray:
        """Cosine of the flip angle in each voxel: ``(voxels,)`` float64."""
        if self._scale is None:
            return np.full(voxels, self._sequence.cosine)
        return self._cosine_of(self._scale)

    def decay(self, log_t1: NDArray, cosine: NDArray | float) -> NDArray:
        """``(E cos α)ⁿ`` in the basis: ``(R, voxels)`` float64.

        Parameters
        ----------
        log_t1 : (voxels,) float
        cosine : (voxels,) float, or 1
            Of the flip angle.
        """
        if isinstance(cosine, float):
            return self._decays[cosine](log_t1).T
        if self._scale is None:
            return self._decays[self._sequence.cosine](log_t1).T
        return self._starred(-np.log(np.exp(-log_t1) - np.log(cosine) / self._sequence.tr_ms)).T

    def shape(self, log_t1: NDArray, efficiency: NDArray, cosine: NDArray, inflow: float | None = None) -> NDArray:
        """(R, voxels) float64: curves of unit amplitude."""
        fresh = self._inflow if inflow is None else inflow
        total = np.zeros((len(self._constant), len(log_t1)))
        pools: tuple[tuple[float, NDArray | float], ...] = ((1 - fresh, cosine), (fresh, 1.0))
        for share, angle in pools:
            if share > 0:
                _, steady, start = self._sequence.pool(np.exp(log_t1), efficiency, angle)
                total += share * (steady * self._constant + (start - steady) * self.decay(log_t1, angle))
        return total

    def fit(self, curves: NDArray, efficiency: float | None = None) -> Estimate:
        """Fit by the best match on a grid, then Levenberg-Marquardt steps on all voxels at once.

        Parameters
        ----------
        curves : (R, voxels) float
        efficiency : float, optional
            Of the inversion; fitted in each voxel if not given.

        Returns
        -------
        Estimate
        """
        cosine = self.cosine(curves.shape[1])
        log_t1, eta = self._matched(curves, efficiency, cosine)
        shape, residual = self._project(log_t1, eta, cosine, curves)
        damping = np.full(len(log_t1), 1e-3)
        low, high = np.log(T1_RANGE_MS)
        for _ in range(_STEPS):
            step_t1, step_eta = self._step(log_t1, eta, cosine, shape, curves, damping, efficiency is None)
            new_t1 = np.clip(log_t1 + np.clip(step_t1, -0.5, 0.5), low + 1e-3, high - 1e-3)
            new_eta = np.clip(eta + step_eta, 0.0, 1.0) if efficiency is None else eta
            new_shape, new_residual = self._project(new_t1, new_eta, cosine, curves)
            better = new_residual < residual
            log_t1, eta = np.where(better, new_t1, log_t1), np.where(better, new_eta, eta)
            shape, residual = np.where(better, new_shape, shape), np.where(better, new_residual, residual)
            damping = np.where(better, damping / 5, damping * 10)
        amplitude = np.sum(shape * curves, axis=0) / np.sum(shape**2, axis=0)
        return Estimate(amplitude, np.exp(log_t1), eta, cosine, residual)

    def _matched(self, curves: NDArray, efficiency: float | None, cosine: NDArray) -> tuple[NDArray, NDArray]:
        """Log T1 and efficiency of the atom of a grid that is most like each curve."""
        choices = _EFFICIENCIES if efficiency is None else np.array([efficiency])
        grid_t1, grid_eta = (axis.ravel() for axis in np.meshgrid(np.log(_T1_MS), choices, indexing="ij"))
        match = np.zeros(curves.shape[1], dtype=int)
        steps = np.zeros(len(match)) if self._scale is None else np.rint(self._scale / _SCALE_STEP)
        for step in np.unique(steps):
            rows = np.flatnonzero(steps == step)
            atoms = self.shape(grid_t1, grid_eta, np.full(len(grid_t1), np.median(cosine[rows])))
            unit = (atoms / np.linalg.norm(atoms, axis=0)).T
            for start in range(0, len(rows), _CHUNK):
                some = rows[start : start + _CHUNK]
                match[some] = np.argmax(unit @ curves[:, some], axis=0)
        return grid_t1[match], grid_eta[match]

    def _project(
        self, log_t1: NDArray, efficiency: NDArray, cosine: NDArray, curves: NDArray
    ) -> tuple[NDArray, NDArray]:
        shape = self.shape(log_t1, efficiency, cosine)
        amplitude = np.sum(shape * curves, axis=0) / np.sum(shape**2, axis=0)
        return shape, np.linalg.norm(curves - amplitude * shape, axis=0)

    def _slopes(self, log_t1: NDArray, efficiency: NDArray, cosine: NDArray, shape: NDArray) -> tuple[NDArray, NDArray]:
        by_t1 = (self.shape(log_t1 + _SMALL, efficiency, cosine) - shape) / _SMALL
        return by_t1, (self.shape(log_t1, efficiency - _SMALL, cosine) - shape) / -_SMALL

    def _step(
        self,
        log_t1: NDArray,
        efficiency: NDArray,
        cosine: NDArray,
        shape: NDArray,
        curves: NDArray,
        damping: NDArray,
        is_efficiency_free: bool,
    ) -> tuple[NDArray, NDArray]:
        """One step with the amplitude eliminated (variable projection, Kaufman's approximation)."""
        energy = np.sum(shape**2, axis=0)
        amplitude = np.sum(shape * curves, axis=0) / energy
        rest = curves - amplitude * shape
        first, second = (
            amplitude * (slope - shape * (np.sum(shape * slope, axis=0) / energy))
            for slope in self._slopes(log_t1, efficiency, cosine, shape)
        )
        aa, bb, ab = np.sum(first**2, axis=0), np.sum(second**2, axis=0), np.sum(first * second, axis=0)
        aa, bb = aa * (1 + damping) + 1e-30, bb * (1 + damping) + 1e-30
        ra, rb = np.sum(first * rest, axis=0), np.sum(second * rest, axis=0)
        if not is_efficiency_free:  # T1 of the joint step would be that of another efficiency
            return ra / aa, np.zeros_like(rb)
        determinant = np.maximum(aa * bb - ab**2, 1e-12 * aa * bb)
        return (bb * ra - ab * rb) / determinant, (aa * rb - ab * ra) / determinant

    def t1_deviation(self, estimate: Estimate, covariance: NDArray, noise: NDArray) -> NDArray:
        """Standard deviation of T1 at a given efficiency, for noise of a covariance times a level: ``J⁺ Σ J⁺ᵀ``."""
        across = self._across(estimate)
        across /= np.maximum(np.sum(across**2, axis=0), 1e-30) * np.maximum(np.abs(estimate.amplitude), 1e-30)
        # variance of ln T1 in voxel v for unit noise: aᵀ Σ a with a = J⁺ of that voxel
        return estimate.t1_ms * noise * np.sqrt(np.einsum("rv,rs,sv->v", across, covariance, across, optimize=True))

    def _across(self, estimate: Estimate) -> NDArray:
        """Slope of the curves over log T1, less what a change of amplitude could imitate."""
        log_t1 = np.log(estimate.t1_ms)
        shape = self.shape(log_t1, estimate.efficiency, estimate.cosine)
        slope = self._slopes(log_t1, estimate.efficiency, estimate.cosine, shape)[0]
        return slope - shape * (np.sum(shape * slope, axis=0) / np.sum(shape**2, axis=0))

    def t1_per_inflow(self, estimate: Estimate) -> NDArray:
        """Change of the fitted T1, in ms, per unit of the assumed inflow."""
        other = self.shape(np.log(estimate.t1_ms), estimate.efficiency, estimate.cosine, self._inflow - _SMALL)
        return np.abs(self._t1_per(estimate, other, -_SMALL))

    def t1_per_scale(self, estimate: Estimate) -> NDArray:
        """Change of the fitted T1, in ms, per unit of the scale of the flip angle, relative to that assumed."""
        # needs the decays at any flip angle: only of models that were given a scale
        turned = np.cos(np.arccos(estimate.cosine) * (1 - _SMALL))
        other = self.shape(np.log(estimate.t1_ms), estimate.efficiency, turned)
        return self._t1_per(estimate, other, -_SMALL)

    def _t1_per(self, estimate: Estimate, other: NDArray, step: float) -> NDArray:
        log_t1 = np.log(estimate.t1_ms)
        shape = self.shape(log_t1, estimate.efficiency, estimate.cosine)
        energy = np.sum(shape**2, axis=0)
        slope, change = self._across(estimate), (other - shape) / step
        change = change - shape * (np.sum(shape * change, axis=0) / energy)
        return -estimate.t1_ms * np.sum(slope * change, axis=0) / np.maximum(np.sum(slope**2, axis=0), 1e-30)
