"""Slices of single pairs whose blood flow cannot be: found slice by slice, and left out of the mean.

After the idea of prior-guided slice-wise adaptive cleaning (`li2018paocsl`), whose text was not at hand: what a slice
shows at most times is the prior, and how much it varies sets the limits.
"""

import numpy as np
from numpy.typing import NDArray

LIMIT = 3.0
"""Robust standard deviations from the median beyond which a slice is left out."""

_TO_DEVIATION = 1.4826
"""From the median absolute deviation to the standard deviation of a normal distribution."""

_LEAST_SPREAD = 0.02
"""Of the median: pairs without noise are alike to the last digit, and rounding makes none of them an outlier."""

_FEWEST_PAIRS = 4
"""With fewer, most times are no majority: nothing is left out."""

_SMALLEST_BRAIN = 20
"""Voxels of brain in a slice below which its figures mean nothing."""


def slices_to_keep(
    pair_cbf: NDArray[np.float32], brain: NDArray[np.bool_], before: NDArray[np.bool_] | None = None
) -> NDArray[np.bool_]:
    """Judge each slice of each pair by its mean, its spread, and its likeness to the median of all pairs.

    Parameters
    ----------
    pair_cbf : (pairs, z, y, x) float32
    brain : (z, y, x) bool
    before : (pairs, z) bool, optional
        Those that are left out already stay so, and have no say.

    Returns
    -------
    (pairs, z) bool
        At least half of the pairs that were judged are kept in each slice.
    """
    keep = np.ones(pair_cbf.shape[:2], dtype=bool) if before is None else before.copy()
    if len(pair_cbf) < _FEWEST_PAIRS:
        return keep
    for z in range(pair_cbf.shape[1]):
        if brain[z].sum() >= _SMALLEST_BRAIN and keep[:, z].sum() >= _FEWEST_PAIRS:
            judged = keep[:, z].copy()
            keep[judged, z] = _kept(pair_cbf[judged, z][:, brain[z]].astype(np.float64))
    return keep


def _kept(values: NDArray) -> NDArray[np.bool_]:
    """(pairs,) bool of (pairs, voxels) of one slice."""
    typical = np.median(values, axis=0)
    mean, spread = values.mean(axis=1), values.std(axis=1)
    size = max(float(np.abs(typical).mean()), 1e-12)
    differing = np.sqrt(np.mean((values - typical) ** 2, axis=1))
    worst = np.maximum.reduce(
        [
            np.abs(_deviations(mean, size)),
            _deviations(spread, size),
            _deviations(differing, size),
        ]
    )
    keep = worst <= LIMIT
    half = -(-len(values) // 2)
    if keep.sum() < half:
        keep = np.zeros(len(values), dtype=bool)
        keep[np.argsort(worst, kind="stable")[:half]] = True
    return keep


def _deviations(figures: NDArray, size: float) -> NDArray:
    middle = np.median(figures)
    spread = _TO_DEVIATION * np.median(np.abs(figures - middle))
    return (figures - middle) / max(float(spread), _LEAST_SPREAD * size)


def mean_of_kept(pair_cbf: NDArray[np.float32], keep: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Mean over the pairs that are kept in each slice.

    Parameters
    ----------
    pair_cbf : (pairs, z, y, x) float32
    keep : (pairs, z) bool

    Returns
    -------
    (z, y, x) float32
    """
    weights = keep / keep.sum(axis=0)
    return np.einsum("pzyx,pz->zyx", pair_cbf, weights).astype(np.float32)
