"""T1 maps from recovery curves, voxel by voxel but without a loop over voxels (docs/method/t1.md).

Between inversions, tissue that stays in the slice relaxes with ``1/T1* = 1/T1 - ln(cos α)/TR`` towards its steady
state. One recovery curve therefore tells amplitude, start and T1*, but never T1 and α apart: α must be known.
Blood is a mixture: its fresh share saw the inversion but none of the pulses, and relaxes with T1; the rest is as above.
The share and T1 can hardly be told apart in one voxel (1 % of noise in a curve makes 17 % in T1), so here the share is
given; :mod:`recon.relaxometry.blood_t1` gives all blood one T1 instead.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from recon.errors import DataError
from recon.relaxometry.b1_map import B1Map
from recon.relaxometry.curve_fit import CurveModel, Estimate
from recon.relaxometry.inversion_recovery import InversionRecovery

INFLOW = 0.8
"""Share of fresh spins in flowing blood unless it is known: the middle of what the simulator draws, 0.7 to 0.9."""

_INFLOW_DEVIATION = 0.06
"""Standard deviation of that: 0.2 / sqrt(12), for any share from 0.7 to 0.9."""

# Above this T1 in ms, fitted as tissue, a voxel may be flowing blood; blood is fitted near 5000.
_LONGEST_TISSUE_T1_MS = 2600.0
# T1 in ms of what counts as tissue when the inversion's efficiency is found: blood does not.
_TISSUE_T1_MS = (150.0, 1700.0)


@dataclass(frozen=True)
class CommonT1:
    """T1 that all flowing blood was taken to have.

    Attributes
    ----------
    t1_ms : float
    deviation : float
        Its standard deviation, relative to it.
    voxels : int
        That told it; with none, it is what is expected of blood.
    """

    t1_ms: float
    deviation: float
    voxels: int


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
    share : float
        Of fresh spins in flowing blood: as given, or the median of what its voxels tell.
    blood : CommonT1 or None
        None where blood's share of fresh spins was given, and its T1 fitted voxel by voxel.
    """

    t1_ms: NDArray[np.float32]
    uncertainty_ms: NDArray[np.float32]
    efficiency: float
    inflow: NDArray[np.float32]
    residual: NDArray[np.float32]
    share: float = INFLOW
    blood: CommonT1 | None = None

    @property
    def is_common(self) -> NDArray[np.bool_]:
        """Voxels (N, N) that were given the T1 of all blood."""
        return np.zeros(self.t1_ms.shape, bool) if self.blood is None else self.t1_ms == np.float32(self.blood.t1_ms)


def fit_t1(
    coordinates: NDArray,
    basis: NDArray,
    pulses: NDArray,
    sequence: InversionRecovery,
    mask: NDArray,
    noise_covariance: NDArray | None = None,
    inflow: float = INFLOW,
    b1: B1Map | None = None,
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
    b1 : B1Map, optional
        The true flip angle over that of the sequence; 1 if not given.

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
    scale = None if b1 is None else b1.scale[mask].astype(np.float64)
    found = fit_recovery(coordinates[:, mask], basis, pulses, sequence, inflow, scale)
    shape = np.eye(basis.shape[1]) if noise_covariance is None else noise_covariance
    covariance = found.triangle @ shape @ found.triangle.T
    noise = _noise_level(found.imaginary_energy + found.estimate.residual**2, covariance, mask)
    deviation = np.zeros(len(noise))
    for model, rows, unsure in ((found.tissue, ~found.flows, 0.0), (found.blood, found.flows, _INFLOW_DEVIATION)):
        some = found.estimate.at(rows)
        deviation[rows] = model.t1_deviation(some, covariance, noise[rows])
        if unsure:
            deviation[rows] = np.hypot(deviation[rows], unsure * model.t1_per_inflow(some))
        if b1 is not None:
            relative = (b1.deviation[mask] / scale)[rows]
            deviation[rows] = np.hypot(deviation[rows], relative * model.t1_per_scale(some))
    best = found.estimate
    misfit = best.residual / np.maximum(found.norm, 1e-30)

    def drawn(values: NDArray) -> NDArray:
        image = np.zeros(mask.shape, dtype=np.float32)
        image[mask] = values
        return image

    fresh = np.where(found.flows, inflow, 0.0)
    images = drawn(best.t1_ms), drawn(deviation), found.efficiency, drawn(fresh), drawn(misfit)
    return T1Map(*images, inflow)


@dataclass(frozen=True)
class Recovery:
    """Recovery curves of some voxels, each taken for tissue or for flowing blood.

    Attributes
    ----------
    estimate : Estimate
    flows : (voxels,) bool
        Which are flowing blood.
    efficiency : float
        Efficiency of the inversion, common to all.
    phase : (voxels,) complex128
        Of the signal: the measured curve is this times the real one.
    imaginary_energy, norm : (voxels,) float64
        Energy of what stays imaginary of a curve, and norm of its real part.
    tissue, blood : CurveModel
    triangle : (R, R) float64
        Takes coordinates in the basis to those of the models.
    """

    estimate: Estimate
    flows: NDArray[np.bool_]
    efficiency: float
    phase: NDArray
    imaginary_energy: NDArray
    norm: NDArray
    tissue: CurveModel
    blood: CurveModel
    triangle: NDArray


def fit_recovery(
    coordinates: NDArray,
    basis: NDArray,
    pulses: NDArray,
    sequence: InversionRecovery,
    inflow: float = INFLOW,
    scale: NDArray | None = None,
    efficiency: float | None = None,
) -> Recovery:
    """Fit the curves of some voxels: the T1 map without its uncertainty.

    Parameters
    ----------
    coordinates : (R, voxels) complex
    basis, pulses, sequence, inflow
        As for :func:`fit_t1`.
    scale : (voxels,) float, optional
        The true flip angle over that of the sequence.
    efficiency : float, optional
        Of the inversion; by default it is found as for :func:`fit_t1`.

    Returns
    -------
    Recovery
    """
    orthonormal, triangle = np.linalg.qr(basis)
    curves, imaginary, phase = turned_real(triangle @ coordinates.astype(np.complex128), orthonormal)
    tissue, blood = (CurveModel(sequence, orthonormal, pulses, share, scale) for share in (0.0, inflow))
    efficiency = _common_efficiency(tissue.fit(curves)) if efficiency is None else efficiency
    best, mixed = tissue.fit(curves, efficiency), blood.fit(curves, efficiency)
    flows = (best.t1_ms > _LONGEST_TISSUE_T1_MS) & (mixed.residual < best.residual) & (inflow > 0)
    return Recovery(
        estimate=best.replaced(mixed, flows),
        flows=flows,
        efficiency=efficiency,
        phase=phase,
        imaginary_energy=np.sum(imaginary**2, axis=0),
        norm=np.linalg.norm(curves, axis=0),
        tissue=tissue,
        blood=blood,
        triangle=triangle,
    )


def turned_real(curves: NDArray, basis: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Turn each curve to be as real as it can be and positive at its end.

    Parameters
    ----------
    curves : (R, voxels) complex128
        Coordinates in the basis.
    basis : (times, R) float64

    Returns
    -------
    (R, voxels) float64
        Real part.
    (R, voxels) float64
        What stays imaginary.
    (voxels,) complex128
        Phase: the curve is this times what was returned.
    """
    phase = np.exp(-0.5j * np.angle(np.sum(curves**2, axis=0)))
    sign = np.where(basis[-len(basis) // 4 :].mean(axis=0) @ (curves * phase).real < 0, -1.0, 1.0)
    turned = curves * phase * sign
    return turned.real, turned.imag, (phase * sign).conj()


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


def _common_efficiency(estimate: Estimate) -> float:
    """Median efficiency over the better-fitting half of the tissue."""
    quality = estimate.residual / np.maximum(np.abs(estimate.amplitude), 1e-30)
    low, high = _TISSUE_T1_MS
    good = (estimate.t1_ms > low) & (estimate.t1_ms < high) & (quality <= np.median(quality))
    return float(np.median(estimate.efficiency[good])) if good.any() else float(np.median(estimate.efficiency))
