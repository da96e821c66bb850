"""T1 maps from recovery curves, voxel by voxel but without a loop over voxels (docs/method/t1.md).

Between inversions, tissue that stays in the slice relaxes with ``1/T1* = 1/T1 - ln(cos α)/TR`` towards its steady
state. One recovery curve therefore tells amplitude, start and T1*, but never T1 and α apart: α must be known.
Blood is a mixture: its fresh share saw the inversion but none of the pulses, and relaxes with T1; the rest is as above.
The share and T1 can hardly be told apart either (1 % of noise in a curve makes 17 % in T1), so the share is given.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.ndimage import uniform_filter

from recon.errors import DataError
from recon.relaxometry.inversion_recovery import InversionRecovery

INFLOW = 0.8
"""Share of fresh spins in flowing blood unless it is given: the middle of what the simulator draws, 0.7 to 0.9."""

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
# Above this T1 in ms, fitted as tissue, a voxel may be flowing blood; blood is fitted near 5000.
_LONGEST_TISSUE_T1_MS = 2600.0
# Standard deviation of the share of fresh spins: 0.2 / sqrt(12), for any share from 0.7 to 0.9.
_INFLOW_DEVIATION = 0.06
# T1 in ms of what counts as tissue when the inversion's efficiency is found: blood does not.
_TISSUE_T1_MS = (150.0, 1700.0)


@dataclass(frozen=True)
class T1Map:
    """Result of a fit; zero outside the mask.

    Attributes
    ----------
    t1_ms, uncertainty_ms : (N, N) float32
        T1 and its standard deviation.
    efficiency : float
        Efficiency of the inversion: the share of the magnetisation that it turns over.
    inflow : (N, N) float32
        Share of fresh spins.
    residual : (N, N) float32
        Norm of what the fit leaves over the norm of the curve.
    """

    t1_ms: NDArray[np.float32]
    uncertainty_ms: NDArray[np.float32]
    efficiency: float
    inflow: NDArray[np.float32]
    residual: NDArray[np.float32]


def fit_t1(
    coordinates: NDArray,
    basis: NDArray,
    pulses: NDArray,
    sequence: InversionRecovery,
    mask: NDArray,
    noise_covariance: NDArray | None = None,
    inflow: float = INFLOW,
) -> T1Map:
    """Fit amplitude, T1 and the efficiency of the inversion; the last is then set to its median over the tissue.

    Each voxel is taken for tissue that stays in the slice, or for flowing blood where it recovers more slowly under
    the pulses than any such tissue could, and the mixture fits better.

    Parameters
    ----------
    coordinates : (R, N, N) complex
        Recovery curves in a basis.
    basis : (times, R) float
        Columns; curve = basis · coordinates.
    pulses : (times,) int
        Excitation pulses since the inversion at each row of the basis.
    sequence : InversionRecovery
    mask : (N, N) bool
        Where to fit.
    noise_covariance : (R, R) float, optional
        Covariance of the coordinates' noise, up to a factor that is estimated from their imaginary part; by default
        the identity.
    inflow : float
        Share of fresh spins in flowing blood; 0 takes all voxels for tissue.

    Returns
    -------
    T1Map

    Raises
    ------
    DataError
        If the mask is empty, or three parameters cannot be told from the basis.
    """
    if basis.shape[1] < 3:
        raise DataError(
            f"a T1 fit has three unknowns, but the recovery basis {basis.shape[1]} functions; raise recovery_rank"
        )
    if not mask.any():
        raise DataError("the T1 map's mask is empty: no voxel is brighter than the background")
    orthonormal, triangle = np.linalg.qr(basis)
    curves, imaginary = _make_real(triangle @ coordinates[:, mask].astype(np.complex128), orthonormal)
    tissue, blood = (_Model(sequence, orthonormal, pulses, share) for share in (0.0, inflow))
    free = tissue.fit(curves)
    efficiency = _common_efficiency(free)
    best, mixed = tissue.fit(curves, efficiency), blood.fit(curves, efficiency)
    flows = (best.t1_ms > _LONGEST_TISSUE_T1_MS) & (mixed.residual < best.residual) & (inflow > 0)
    best = best.replaced(mixed, flows)
    shape = np.eye(len(triangle)) if noise_covariance is None else noise_covariance
    covariance = triangle @ shape @ triangle.T
    noise = _noise_level(np.sum(imaginary**2, axis=0) + best.residual**2, covariance, mask)
    deviation = np.zeros(curves.shape[1])
    deviation[~flows] = tissue.t1_deviation(best.at(~flows), covariance, noise[~flows])
    deviation[flows] = np.hypot(
        blood.t1_deviation(best.at(flows), covariance, noise[flows]),
        _INFLOW_DEVIATION * blood.t1_per_inflow(best.at(flows)),
    )
    relative = best.residual / np.maximum(np.linalg.norm(curves, axis=0), 1e-30)

    def drawn(values: NDArray) -> NDArray:
        image = np.zeros(mask.shape, dtype=np.float32)
        image[mask] = values
        return image

    return T1Map(drawn(best.t1_ms), drawn(deviation), efficiency, drawn(np.where(flows, inflow, 0.0)), drawn(relative))


def _make_real(curves: NDArray, basis: NDArray) -> tuple[NDArray, NDArray]:
    """Turn each curve to be as real as it can be and positive at its end; also what stays imaginary."""
    turned = curves * np.exp(-0.5j * np.angle(np.sum(curves**2, axis=0)))
    turned = turned * np.where(basis[-len(basis) // 4 :].mean(axis=0) @ turned.real < 0, -1.0, 1.0)
    return turned.real, turned.imag


def _noise_level(energy: NDArray, covariance: NDArray, mask: NDArray) -> NDArray:
    """Standard deviation of the noise around each voxel, over 5×5 voxels.

    The energy is that of R imaginary parts, less the phase that was fitted to them, and of what the fit of two unknowns
    leaves of R real ones.
    """
    image = np.zeros(mask.shape)
    image[mask] = energy / (np.trace(covariance) * (2 - 3 / len(covariance)))
    near, count = uniform_filter(image, 5), uniform_filter(mask.astype(float), 5)
    near = np.maximum(near, 0)  # its running sums round
    return np.sqrt(near[mask] / count[mask])


@dataclass(frozen=True)
class _Estimate:
    amplitude: NDArray
    t1_ms: NDArray
    efficiency: NDArray
    residual: NDArray

    def at(self, rows: NDArray) -> "_Estimate":
        return _Estimate(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def replaced(self, other: "_Estimate", rows: NDArray) -> "_Estimate":
        return _Estimate(
            *(np.where(rows, getattr(other, name), getattr(self, name)) for name in self.__dataclass_fields__)
        )


def _common_efficiency(estimate: _Estimate) -> float:
    """Median efficiency over the better-fitting half of the tissue."""
    quality = estimate.residual / np.maximum(np.abs(estimate.amplitude), 1e-30)
    low, high = _TISSUE_T1_MS
    good = (estimate.t1_ms > low) & (estimate.t1_ms < high) & (quality <= np.median(quality))
    return float(np.median(estimate.efficiency[good])) if good.any() else float(np.median(estimate.efficiency))


class _Model:
    """Curves of one share of inflow, in an orthonormal basis; unknown are amplitude, log T1 and efficiency."""

    def __init__(self, sequence: InversionRecovery, basis: NDArray, pulses: NDArray, inflow: float) -> None:
        self._sequence, self._inflow = sequence, inflow
        self._constant = basis.sum(axis=0)[:, None]
        low, high = np.log(T1_RANGE_MS)
        knots = np.linspace(low, high, _KNOTS)
        self._decays = {
            cosine: CubicSpline(knots, (np.exp(-sequence.tr_ms / np.exp(knots)) * cosine)[:, None] ** pulses @ basis)
            for cosine in (sequence.cosine, 1.0)
        }

    def shape(self, log_t1: NDArray, efficiency: NDArray, inflow: float | None = None) -> NDArray:
        """(R, voxels): curves of unit amplitude."""
        fresh = self._inflow if inflow is None else inflow
        total = np.zeros((len(self._constant), len(log_t1)))
        for share, cosine in ((1 - fresh, self._sequence.cosine), (fresh, 1.0)):
            if share > 0:
                _, steady, start = self._sequence.pool(np.exp(log_t1), efficiency, cosine)
                total += share * (steady * self._constant + (start - steady) * self._decays[cosine](log_t1).T)
        return total

    def fit(self, curves: NDArray, efficiency: float | None = None) -> _Estimate:
        """Best match on a grid, then Levenberg-Marquardt steps on all voxels at once."""
        choices = _EFFICIENCIES if efficiency is None else np.array([efficiency])
        grid_t1, grid_efficiency = (axis.ravel() for axis in np.meshgrid(np.log(_T1_MS), choices, indexing="ij"))
        atoms = self.shape(grid_t1, grid_efficiency)
        unit = (atoms / np.linalg.norm(atoms, axis=0)).T
        chunks = (curves[:, start : start + _CHUNK] for start in range(0, curves.shape[1], _CHUNK))
        match = np.concatenate([np.argmax(unit @ chunk, axis=0) for chunk in chunks])
        log_t1, eta = grid_t1[match], grid_efficiency[match]
        shape, residual = self._project(log_t1, eta, curves)
        damping = np.full(len(match), 1e-3)
        low, high = np.log(T1_RANGE_MS)
        for _ in range(_STEPS):
            step_t1, step_eta = self._step(log_t1, eta, shape, curves, damping, efficiency is None)
            new_t1 = np.clip(log_t1 + np.clip(step_t1, -0.5, 0.5), low + 1e-3, high - 1e-3)
            new_eta = np.clip(eta + step_eta, 0.0, 1.0) if efficiency is None else eta
            new_shape, new_residual = self._project(new_t1, new_eta, curves)
            better = new_residual < residual
            log_t1, eta = np.where(better, new_t1, log_t1), np.where(better, new_eta, eta)
            shape, residual = np.where(better, new_shape, shape), np.where(better, new_residual, residual)
            damping = np.where(better, damping / 5, damping * 10)
        amplitude = np.sum(shape * curves, axis=0) / np.sum(shape**2, axis=0)
        return _Estimate(amplitude, np.exp(log_t1), eta, residual)

    def _project(self, log_t1: NDArray, efficiency: NDArray, curves: NDArray) -> tuple[NDArray, NDArray]:
        shape = self.shape(log_t1, efficiency)
        amplitude = np.sum(shape * curves, axis=0) / np.sum(shape**2, axis=0)
        return shape, np.linalg.norm(curves - amplitude * shape, axis=0)

    def _slopes(self, log_t1: NDArray, efficiency: NDArray, shape: NDArray) -> tuple[NDArray, NDArray]:
        by_t1 = (self.shape(log_t1 + _SMALL, efficiency) - shape) / _SMALL
        return by_t1, (self.shape(log_t1, efficiency - _SMALL) - shape) / -_SMALL

    def _step(
        self,
        log_t1: NDArray,
        efficiency: NDArray,
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
            for slope in self._slopes(log_t1, efficiency, shape)
        )
        aa, bb, ab = np.sum(first**2, axis=0), np.sum(second**2, axis=0), np.sum(first * second, axis=0)
        aa, bb = aa * (1 + damping) + 1e-30, bb * (1 + damping) + 1e-30
        ra, rb = np.sum(first * rest, axis=0), np.sum(second * rest, axis=0)
        if not is_efficiency_free:  # T1 of the joint step would be that of another efficiency
            return ra / aa, np.zeros_like(rb)
        determinant = np.maximum(aa * bb - ab**2, 1e-12 * aa * bb)
        return (bb * ra - ab * rb) / determinant, (aa * rb - ab * ra) / determinant

    def t1_deviation(self, estimate: _Estimate, covariance: NDArray, noise: NDArray) -> NDArray:
        """Standard deviation of T1 at a given efficiency, for noise of a covariance times a level: ``J⁺ Σ J⁺ᵀ``."""
        log_t1 = np.log(estimate.t1_ms)
        shape = self.shape(log_t1, estimate.efficiency)
        slope = self._slopes(log_t1, estimate.efficiency, shape)[0]
        across = slope - shape * (np.sum(shape * slope, axis=0) / np.sum(shape**2, axis=0))
        across /= np.maximum(np.sum(across**2, axis=0), 1e-30) * np.maximum(np.abs(estimate.amplitude), 1e-30)
        # variance of ln T1 in voxel v for unit noise: aᵀ Σ a with a = J⁺ of that voxel
        return estimate.t1_ms * noise * np.sqrt(np.einsum("rv,rs,sv->v", across, covariance, across, optimize=True))

    def t1_per_inflow(self, estimate: _Estimate) -> NDArray:
        """Change of the fitted T1, in ms, per unit of the assumed inflow."""
        log_t1 = np.log(estimate.t1_ms)
        shape = self.shape(log_t1, estimate.efficiency)
        energy = np.sum(shape**2, axis=0)
        slope = self._slopes(log_t1, estimate.efficiency, shape)[0]
        other = (self.shape(log_t1, estimate.efficiency, self._inflow - _SMALL) - shape) / -_SMALL
        slope, other = (part - shape * (np.sum(shape * part, axis=0) / energy) for part in (slope, other))
        return estimate.t1_ms * np.abs(np.sum(slope * other, axis=0)) / np.maximum(np.sum(slope**2, axis=0), 1e-30)
