"""Whether a restored head still has the anatomy of its original: features and parts that a network sees in both.

Wang 2020, equation 4: ``M_h = Σ_f w_f ‖f(SR) − f(HR)‖₁`` over six levels f of a parcellation network. The paper's
network is not to be had; with another network these are other numbers, to be compared among themselves alone.
"""

import numpy as np
from numpy.typing import NDArray


def level_weights(magnitudes: NDArray) -> NDArray:
    """Weights with which each level contributes equally: ``w_f = 1 / E|f(HR)|``.

    Parameters
    ----------
    magnitudes : (subjects, levels) float
        Mean magnitude of each level's features of the originals; none is zero.

    Returns
    -------
    (levels,) float64
    """
    return 1 / np.asarray(magnitudes, dtype=np.float64).mean(axis=0)


def fidelity_distance(differences: NDArray, weights: NDArray) -> float:
    """``M_h``: 0 for equal features; 6 where each of six levels is as far off as its features are large.

    Parameters
    ----------
    differences : (levels,) float
        Mean magnitude of the difference of each level's features, restored minus original.
    weights : (levels,) float
        Of :func:`level_weights`.

    Returns
    -------
    float
    """
    return float(np.dot(weights, differences))


def overlap_of_parts(found: NDArray, true: NDArray, parts: int) -> tuple[float, float]:
    """Dice and Jaccard of two label maps, each averaged over the parts that either of both has.

    Parameters
    ----------
    found, true : (z, y, x) int
    parts : int
        Number of labels; 0 is the background, which does not count.

    Returns
    -------
    float, float
        Not a number if neither map has any part.
    """
    # n[f, t] = number of voxels that are f in the one map and t in the other
    together = np.bincount(found.ravel().astype(np.int64) * parts + true.ravel(), minlength=parts**2)
    counts = together.reshape(parts, parts).astype(np.float64)
    common, both = np.diag(counts)[1:], (counts.sum(axis=0) + counts.sum(axis=1))[1:]
    known = both > 0
    if not known.any():
        return float("nan"), float("nan")
    common, both = common[known], both[known]
    return float(np.mean(2 * common / both)), float(np.mean(common / (both - common)))
