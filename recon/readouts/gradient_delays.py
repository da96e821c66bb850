"""Gradient delays, found from the spokes themselves: the same place of k-space must give the same signal."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recon.errors import DataError
from recon.readouts.turning_spoke import distinct_angles, spoke_angles, widest_gap_rad

_REACH = 2.0
"""Cycles per field of view around k = 0 that are compared: there lie the signal, and the crossings of the spokes."""

_MARGIN = 1.5
"""Cycles by which the image that stands for the middle of k-space is finer, so that it can be fitted up to the rim."""

_EXTENT = 1.25
"""Fields of view that this image covers: a body may stick out a little."""

MOST_SPOKES = 500
"""Delays of simulated chests come out within 0.001 samples; more spokes would cost time."""

_COARSE_SPOKES = 100
"""Spokes that tell which first guess is nearest: a guess is a sample away from the next."""

_FEWEST_ANGLES = 40
"""Fewer angles do not fill the middle of k-space: 2π times 2 cycles, three times over."""

_WIDEST_GAP_RAD = math.pi / 4
"""Spokes must run opposite ways: over half a circle their complex scales explain delays nearly as well."""

_FIRST_GUESSES = (0.0, -1.5, 1.5, -3.0, 3.0)
"""Samples at which sx and sy are tried at first, within one cycle of k = 0; steps from 1.5 samples away still find
the true ones."""

_STEPS = 25
_CONVERGED = 1e-3
"""Gauss-Newton steps at most, and the step in samples below which they end: each is at most 0.7 of the one before."""

_RIDGE = 1e-6
"""Of the mean diagonal: above rounding, and below the noise of any scan."""

_SILENT = 1e-12
"""Of the largest sample: a spoke below holds nothing."""

_NEGLIGIBLE = 0.02
"""Samples below which delays are left alone: 0.02 of a sample turn the phase at the edge of the field of view by 2°."""

SIGNIFICANT = 4.0
"""Standard errors that a delay must reach to be corrected."""

LARGEST_DELAY = 4.0
"""Samples above which it was not a delay that was found."""


@dataclass(frozen=True)
class GradientDelays:
    """How far every spoke is shifted in k-space, ``Δk S n̂`` for a spoke that runs along n̂ (Rosenzweig, MRM 2019).

    ``S = ((sx, sxy), (sxy, sy))``: on the axes the delays of their gradients, in samples.

    Attributes
    ----------
    sx, sxy, sy : float
        In samples of the readout.
    standard_errors : (3,) tuple of float
        Of these three, in samples.
    """

    sx: float
    sxy: float
    sy: float
    standard_errors: tuple[float, float, float]

    @property
    def plausible(self) -> bool:
        """Whether the estimate is finite and of a size that delays have."""
        found = np.array([self.sx, self.sxy, self.sy, *self.standard_errors])
        return bool(np.isfinite(found).all() and np.abs(found).max() < LARGEST_DELAY)

    @property
    def significant(self) -> bool:
        """Whether to correct them: larger than their uncertainty, and large enough to matter."""
        found, errors = np.abs([self.sx, self.sxy, self.sy]), np.array(self.standard_errors)
        return self.plausible and bool(np.any((found >= _NEGLIGIBLE) & (found >= SIGNIFICANT * errors)))

    def __str__(self) -> str:
        """Write the three, and their standard errors."""
        errors = " ".join(f"{error:.3f}" for error in self.standard_errors)
        sx, sxy, sy = (round(delay, 3) + 0.0 for delay in (self.sx, self.sxy, self.sy))  # + 0.0: no -0.000
        return f"sx={sx:.3f} sxy={sxy:.3f} sy={sy:.3f} samples (standard errors {errors})"


def corrected_trajectory(trajectory: NDArray, delays: GradientDelays) -> NDArray:
    """Move every spoke by ``Δk S n̂``, along and across itself.

    Parameters
    ----------
    trajectory : (spokes, samples, 2) float32
        As the sequence meant it.
    delays : GradientDelays

    Returns
    -------
    (spokes, samples, 2) float32
        As it was.
    """
    moved = trajectory + (_shifts(trajectory) @ np.array([delays.sx, delays.sxy, delays.sy]))[:, None, :]
    return moved.astype(np.float32)


def _shifts(trajectory: NDArray) -> NDArray:
    """Shifts of each spoke for sx, sxy and sy of one sample: ``(spokes, 2, 3)`` in the unit of the trajectory."""
    step = (trajectory[:, -1].astype(np.float64) - trajectory[:, 0]) / (trajectory.shape[1] - 1)  # Δk n̂
    zero = np.zeros(len(step))
    return (
        np.stack([step[:, 0], zero, step[:, 1], step[:, 0], zero, step[:, 1]], axis=-1).reshape(-1, 3, 2).swapaxes(1, 2)
    )


def what_hinders(trajectory: NDArray) -> str:
    """Say why the delays of spokes ``(spokes, samples, 2)`` cannot be estimated; nothing if they can."""
    angles = distinct_angles(trajectory)
    if angles < _FEWEST_ANGLES:
        return f"{angles} angles are fewer than {_FEWEST_ANGLES}"
    if widest_gap_rad(spoke_angles(trajectory)) > _WIDEST_GAP_RAD:
        return "the spokes do not run all round the circle"
    return ""


def estimate_delays(kspace: NDArray, trajectory: NDArray) -> GradientDelays:
    """Estimate gradient delays from spokes that cross each other near k = 0.

    RING (Rosenzweig, Holme and Uecker, MRM 2019) looks for the points where pairs of spokes cross. Here all crossings
    are used at once: one small image for each coil must explain the middle of all spokes, each of which may have a
    complex scale of its own (contrast, eddy-current phase), and S is what lets it explain them best: a separable least
    squares problem, solved by Gauss-Newton steps from S = 0. Standard errors come from the scatter over the spokes, so
    they account for noise, motion and changing contrast alike.

    Parameters
    ----------
    kspace : (spokes, coils, samples) complex64
        Spokes at well-spread angles, of a period in which the contrast changes little.
    trajectory : (spokes, samples, 2) float32
        In cycles per field of view.

    Returns
    -------
    GradientDelays

    Raises
    ------
    DataError
        If the spokes are too few, or do not run all round.
    """
    obstacle = what_hinders(trajectory)
    if obstacle:
        raise DataError(f"gradient delays cannot be estimated: {obstacle}")
    kspace, trajectory = kspace[-MOST_SPOKES:], trajectory[-MOST_SPOKES:].astype(np.float64)
    coarse = _MiddleOfKspace(kspace[-_COARSE_SPOKES:], trajectory[-_COARSE_SPOKES:], reach=1.0)
    guesses = [np.array([sx, 0.0, sy]) for sx in _FIRST_GUESSES for sy in _FIRST_GUESSES]
    found, covariance = _solved(_MiddleOfKspace(kspace, trajectory, _REACH), min(guesses, key=coarse.misfit))
    sx, sxy, sy = map(float, found)
    error_x, error_xy, error_y = map(float, np.sqrt(np.diag(covariance)))
    return GradientDelays(sx, sxy, sy, (error_x, error_xy, error_y))


def _solved(fit: "_MiddleOfKspace", delays: NDArray) -> tuple[NDArray, NDArray]:
    """Take steps from a guess until they are small; the covariance is infinite if they do not become so."""
    for _ in range(_STEPS):
        try:
            step, covariance = fit.step(delays)
        except np.linalg.LinAlgError:  # spokes that never cross
            break
        delays = delays + step * min(1.0, 0.5 / max(float(np.abs(step).max()), _CONVERGED))
        if np.abs(step).max() < _CONVERGED:
            return delays, covariance
    return delays, np.full((3, 3), np.inf)


class _MiddleOfKspace:
    """``d_t(k) = α_t Σ_x m(x) exp(-2πi (k + Δk S n̂_t) · x)`` for all coils, to be solved for m, α and S.

    Parameters
    ----------
    kspace : (spokes, coils, samples) complex
    trajectory : (spokes, samples, 2) float64
    reach : float
        Samples that the delays take farther from k = 0 are left out.
    """

    def __init__(self, kspace: NDArray, trajectory: NDArray, reach: float) -> None:
        self.shifts, self.reach = _shifts(trajectory), reach
        farthest = reach + LARGEST_DELAY * np.abs(self.shifts).max()
        middle = np.flatnonzero(np.linalg.norm(trajectory, axis=-1).min(axis=0) <= farthest)
        self.points = trajectory[:, middle]
        data = kspace[:, :, middle].swapaxes(1, 2).astype(np.complex128)
        self.data = data / np.abs(data).max()  # (spokes, samples, coils)
        pixels = int(np.ceil(_EXTENT * 2 * (reach + _MARGIN)))
        self.position = (np.arange(pixels) - (pixels - 1) / 2) / (2 * (reach + _MARGIN))
        self.scale = np.ones(len(data), dtype=np.complex128)

    def _transform(self, delays: NDArray) -> tuple[NDArray, NDArray]:
        """``α exp(-2πi k·x)`` for all samples and pixels ``(spokes × samples, pixels²)``, and the data to explain."""
        moved = self.points + (self.shifts @ delays)[:, None, :]
        inside = np.linalg.norm(moved, axis=-1) <= self.reach
        points, scale = moved.reshape(-1, 2), (self.scale[:, None] * inside).ravel()
        kx, ky = (np.exp(-2j * np.pi * points[:, axis, None] * self.position) for axis in (0, 1))
        transform = ((scale[:, None] * ky)[:, :, None] * kx[:, None, :]).reshape(len(points), -1)
        return transform, (self.data * inside[:, :, None]).reshape(len(points), -1)

    def _solve(self, transform: NDArray, right: NDArray) -> NDArray:
        """Least squares with a trace of Tikhonov regularisation: the disc does not determine all pixels."""
        gram = transform.conj().T @ transform
        gram += _RIDGE * np.trace(gram).real / len(gram) * np.eye(len(gram))
        return np.linalg.solve(gram, transform.conj().T @ right)

    def _fit(self, delays: NDArray) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        """Images ``(pixels², coils)`` for given delays, the transform, the data and what is predicted of them."""
        transform, data = self._transform(delays)
        image = self._solve(transform, data)
        return image, transform, data, transform @ image

    def misfit(self, delays: NDArray) -> float:
        """Find the share of the signal that the best images do not explain."""
        _, _, data, predicted = self._fit(delays)
        return float(np.linalg.norm(data - predicted) / np.linalg.norm(data))

    def _rescale(self, data: NDArray, predicted: NDArray) -> None:
        """Take the best complex scale of each spoke; the mean magnitude stays one."""
        data, predicted = (values.reshape(len(self.data), -1) for values in (data, predicted))
        energy = np.maximum(np.sum(np.abs(predicted) ** 2, axis=1), _SILENT)
        self.scale *= np.sum(predicted.conj() * data, axis=1) / energy
        self.scale /= np.mean(np.abs(self.scale))

    def step(self, delays: NDArray) -> tuple[NDArray, NDArray]:
        """Take a Gauss-Newton step in S from the best images and scales; give it and the covariance of S.

        What images and scales could explain as well is projected out of the derivatives. The covariance is the
        sandwich estimate with spokes as clusters.
        """
        spokes = len(self.data)
        self._rescale(*self._fit(delays)[2:])
        image, transform, data, predicted = self._fit(delays)
        residual = (data - predicted).reshape(spokes, -1)
        slopes = self._slopes(image, transform)
        slopes = (slopes - transform @ self._solve(transform, slopes)).reshape(spokes, -1, 3)
        unit = predicted.reshape(spokes, -1)
        unit = unit / np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), _SILENT)
        slopes -= unit[:, :, None] * np.einsum("ti,tip->tp", unit.conj(), slopes)[:, None]  # g - u uᴴ g at each spoke
        score = np.einsum("tip,ti->tp", slopes.conj(), residual).real  # Re gᴴ r of each spoke
        flat = slopes.reshape(-1, 3)
        inverse = np.linalg.inv((flat.conj().T @ flat).real)
        return inverse @ score.sum(axis=0), inverse @ (score.T @ score) @ inverse

    def _slopes(self, image: NDArray, transform: NDArray) -> NDArray:
        """Derivatives of the prediction by sx, sxy, sy: ``(samples, coils × 3)``."""
        y, x = (grid.reshape(-1, 1) for grid in np.meshgrid(self.position, self.position, indexing="ij"))
        along_x, along_y = (transform @ (-2j * np.pi * axis * image) for axis in (x, y))
        shifts = np.repeat(self.shifts, self.data.shape[1], axis=0)
        slopes = along_x[:, :, None] * shifts[:, None, 0] + along_y[:, :, None] * shifts[:, None, 1]
        return slopes.reshape(len(transform), -1)
