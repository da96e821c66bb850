"""What a denoising network sees of a scan beside its blood flow, and what of the measured one it may not take away.

A network that sees blood flow alone cannot tell a fold of cortex from noise. The control images, which every scan has,
show where cortex is, and the spread over the pairs tells how much of what is seen may be noise.
"""

import logging
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, gaussian_filter

from recon.perfusion.perfusion_maps import PerfusionMaps

log = logging.getLogger(__name__)

CHANNELS = ("blood flow", "control image", "standard error")
"""Order of what :func:`guidance` gives."""

KEEP_BEYOND = 1.6
"""Standard errors from which on blood flow is kept as measured: docs/perfusion.md has the table behind it."""

_SMOOTHING_VOXELS = 1.0
"""Standard deviation, in the plane, over which variances are averaged: those of ten pairs are known to half their size,
the mean over a dozen voxels to an eighth."""

_LARGEST_FLOW = 300.0
"""mL/100 g/min, four times that of cortex: beyond it are voxels at the rim of the head, divided by next to nothing."""

_LARGEST_CONTRAST = 3.0
"""Spans of the control image that a network sees: vessels and eyes must not outshine tissue."""

_LEAST_SPAN = 0.05
"""Of the control image's median; at a TR of 4 s it is twice that. With less, cortex is lost: -19 % were seen."""

_REWEIGHTINGS, _QUADRATIC_SLICES = 12, 3
"""Steps after which the fit of shading moves no more; slices that tell more than a mean along their normal."""

_DEGREE = 3
"""Of the polynomial that tells tissues apart: fluid, white matter, grey matter, and what bends between them."""

_LEAST_ERROR = 1.0
"""mL/100 g/min: no voxel counts more than one that is known so well."""

_LEAST_VARIANCE = 1e-12
"""A scan without noise has no variance; all that differs then stands out."""


def standard_error(maps: PerfusionMaps, first: int = 0, last: int | None = None) -> NDArray[np.float32]:
    """Standard error of the mean blood flow, from the spread over the pairs that were kept.

    Parameters
    ----------
    maps : PerfusionMaps
    first, last : int, optional
        The pairs from ``first`` to before ``last``; default: all.

    Returns
    -------
    (z, y, x) float32
        mL/100 g/min; 0 outside of the brain, and in slices of which one pair alone is kept.
    """
    pairs, kept = maps.pair_cbf[first:last].astype(np.float64), maps.kept[first:last]
    weights = (kept | ~kept.any(axis=0)).astype(np.float64)
    count = weights.sum(axis=0)
    mean = np.einsum("pzyx,pz->zyx", pairs, weights / count)
    # var[z,y,x] = Σ_p w[p,z] (f[p,z,y,x] - mean[z,y,x])² / (n[z] - 1)
    spread = np.einsum("pzyx,pz->zyx", (pairs - mean) ** 2, weights / np.maximum(count - 1, 1))
    inside = maps.brain.astype(np.float64)
    sigma = (0.0, _SMOOTHING_VOXELS, _SMOOTHING_VOXELS)
    share = np.maximum(gaussian_filter(inside, sigma), 1e-6)
    variance = gaussian_filter(spread * inside, sigma) / share * inside
    return np.sqrt(variance / count[:, None, None]).astype(np.float32)


def guidance(maps: PerfusionMaps, first: int = 0, last: int | None = None) -> NDArray[np.float32]:
    """What a guided network sees, in the order of :data:`CHANNELS`; 0 outside of the brain.

    The control image is given without its shading, as what it lies above its median in the brain, over the span of its
    middle eight tenths there: scanners have no common scale.

    Parameters
    ----------
    maps : PerfusionMaps
    first, last : int, optional
        The pairs from ``first`` to before ``last``; default: all.

    Returns
    -------
    (3, z, y, x) float32
        Blood flow and standard error in mL/100 g/min.
    """
    return _shown(maps, _contrast(maps)[0], first, last)


def _shown(maps: PerfusionMaps, contrast: NDArray[np.float64], first: int, last: int | None) -> NDArray[np.float32]:
    flow = np.clip(maps.mean_of(first, maps.pairs if last is None else last), -_LARGEST_FLOW, _LARGEST_FLOW)
    error = np.minimum(standard_error(maps, first, last), _LARGEST_FLOW)
    return np.where(maps.brain, np.stack([flow, contrast, error]), 0).astype(np.float32)


def _contrast(maps: PerfusionMaps) -> tuple[NDArray[np.float64], bool]:
    """The control image without shading and scale, and whether it tells tissues apart."""
    control = unshaded(maps.control, maps.brain)
    low, middle, high = np.quantile(control[maps.brain], (0.1, 0.5, 0.9))
    contrast = (control - middle) / max(high - low, 1e-3 * abs(middle), 1e-30)
    return np.clip(contrast, -_LARGEST_CONTRAST, _LARGEST_CONTRAST), bool(high - low >= _LEAST_SPAN * middle)


def unshaded(control: NDArray[np.float32], brain: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Divide an image by the shading of the coils: a quadratic in space, fitted to the logarithm of the brain.

    The fit is reweighted by Cauchy's function, so that it settles on the tissue that there is most of, white matter,
    and takes the contrast of the others for what it is.

    Parameters
    ----------
    control : (z, y, x) float32
    brain : (z, y, x) bool

    Returns
    -------
    (z, y, x) float64
        On the scale that the image has on average; that of air is not changed.
    """
    z, y, x = (np.argwhere(brain) / np.maximum(np.array(brain.shape) - 1, 1) - 0.5).T
    columns = [np.ones_like(x), y, x, y * y, x * x, y * x]
    columns += [z, z * z, z * y, z * x] if len(brain) > _QUADRATIC_SLICES else []
    design, values = np.column_stack(columns), control[brain].astype(np.float64)
    logarithm = np.log(np.maximum(values, 1e-2 * np.median(values) + 1e-30))
    weights = np.ones(len(values))
    for _ in range(_REWEIGHTINGS):
        root = np.sqrt(weights)
        found = design @ np.linalg.lstsq(design * root[:, None], logarithm * root, rcond=None)[0]
        distance = np.abs(logarithm - found)
        weights = 1 / (1 + (distance / max(float(np.median(distance)), 1e-6)) ** 2)
    flat = control.astype(np.float64)
    flat[brain] = values / np.exp(found - found.mean())
    return flat


def with_tissue_flow(
    measured: NDArray[np.float32],
    denoised: NDArray[np.float32],
    error: NDArray[np.float32],
    contrast: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Give each tissue the mean that was measured: a network may not shift its blood flow.

    What the network took away, ``measured - denoised``, is fitted by a cubic of the control image, by the inverse of
    its variance, and given back. The control image tells tissues apart and has no part in the noise of the differences,
    and four numbers for ten thousand voxels leave no noise. What a network adds to all voxels of a tissue is undone.

    Parameters
    ----------
    measured, denoised, error, contrast : (z, y, x) float32
        Blood flow, blood flow, standard error of the first, and control image; 0 outside of the brain.

    Returns
    -------
    (z, y, x) float32
        0 outside of the brain.
    """
    inside = (measured != 0) | (error > 0)
    weights = 1 / np.hypot(error[inside].astype(np.float64), _LEAST_ERROR)
    # measured - denoised = Σ_n a_n contrast^n
    powers = np.vander(contrast[inside].astype(np.float64), _DEGREE + 1)
    taken = (measured[inside].astype(np.float64) - denoised[inside]) * weights
    fitted = np.linalg.lstsq(powers * weights[:, None], taken, rcond=None)[0]
    found = np.zeros(measured.shape)
    found[inside] = denoised[inside] + powers @ fitted
    return found.astype(np.float32)


def with_what_stands_out(
    measured: NDArray[np.float32],
    denoised: NDArray[np.float32],
    error: NDArray[np.float32],
    keep_beyond: float = KEEP_BEYOND,
    inner: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """Keep what was measured wherever four neighbours together differ from the network by more than noise explains.

    For each square of 2 × 2 voxels ``s = |Σ (measured - denoised)| / √(Σ error²)``. Its share of what was measured
    rises from 0 at ``s = keep_beyond`` to 1 one standard error further; a voxel takes the largest share of its four
    squares.

    Parameters
    ----------
    measured, denoised, error : (z, y, x) float32
        Blood flow, blood flow, and the standard error of the first.
    keep_beyond : float
        Standard errors; infinite: what the network gives stays as it is.
    inner : (z, y, x) bool, optional
        Voxels that the rule holds for; default: all.

    Returns
    -------
    (z, y, x) float32
    """
    held = np.ones(measured.shape, dtype=bool) if inner is None else inner
    residual = np.where(held, measured.astype(np.float64) - denoised, 0)
    sums, variances = _of_squares(residual), _of_squares(np.where(held, error.astype(np.float64), 0) ** 2)
    score = np.abs(sums) / np.sqrt(np.maximum(variances, _LEAST_VARIANCE))
    share = np.pad(np.clip(score - keep_beyond, 0, 1), ((0, 0), (1, 1), (1, 1)))
    largest = np.maximum.reduce([share[:, :-1, :-1], share[:, 1:, :-1], share[:, :-1, 1:], share[:, 1:, 1:]])
    return (denoised + largest * residual).astype(np.float32)


def _of_squares(values: NDArray) -> NDArray:
    """(z, y - 1, x - 1) sums over 2 × 2 voxels of (z, y, x)."""
    return values[:, :-1, :-1] + values[:, 1:, :-1] + values[:, :-1, 1:] + values[:, 1:, 1:]


def denoised_by(
    network: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    maps: PerfusionMaps,
    first: int = 0,
    last: int | None = None,
    keep_beyond: float = KEEP_BEYOND,
) -> NDArray[np.float32]:
    """Blood flow by a guided network, with tissues' means, and what stands out of the noise, as they were measured.

    Parameters
    ----------
    network : callable
        What :func:`guidance` gives (3, z, y, x) → blood flow (z, y, x).
    maps : PerfusionMaps
    first, last : int, optional
        The pairs from ``first`` to before ``last``; default: all.
    keep_beyond : float
        As :func:`with_what_stands_out` takes it.

    Returns
    -------
    (z, y, x) float32
        0 outside of the brain; as measured, where control images show no contrast of tissues.
    """
    control, tells_tissues = _contrast(maps)
    if not tells_tissues:
        log.warning("the control images tell no tissues apart (background suppression?): blood flow is not denoised")
        return maps.mean_of(first, maps.pairs if last is None else last)
    shown = _shown(maps, control, first, last)
    flow, contrast, error = shown
    tissue = with_tissue_flow(flow, np.where(maps.brain, network(shown), np.float32(0)), error, contrast)
    # Voxels at the rim move in and out of the head, and are divided by next to no signal: no noise explains them.
    inner = np.stack([binary_erosion(plane) for plane in maps.brain])
    return with_what_stands_out(flow, tissue, error, keep_beyond, inner)
