"""Regression: products of columns, row by row, and normal equations."""

import numba
import numpy as np
from numpy.typing import NDArray


def products(left: NDArray, right: NDArray) -> NDArray:
    """All products of the columns of two matrices, row by row, the right factor fastest.

    Parameters
    ----------
    left : (rows, A) float
    right : (rows, B) float

    Returns
    -------
    (rows, A·B) float64
    """
    return _products(np.ascontiguousarray(left, np.float64), np.ascontiguousarray(right, np.float64))


@numba.njit(cache=True, nogil=True)
def _products(left: NDArray, right: NDArray) -> NDArray:
    rows, width = right.shape
    found = np.empty((rows, left.shape[1] * width))
    for row in range(rows):
        for column in range(left.shape[1]):
            for other in range(width):
                found[row, column * width + other] = left[row, column] * right[row, other]
    return found


def regress(design: NDArray, target: NDArray, ridge: float = 1e-9) -> NDArray:
    """Least squares with a ridge relative to the mean square of the design's columns."""
    return solve_ridge(design.T @ design, design.T @ target, ridge)


def solve_ridge(gram: NDArray, right: NDArray, ridge: float = 1e-9) -> NDArray:
    """Solve normal equations with a ridge relative to the mean square of the design's columns."""
    return np.linalg.solve(gram + ridge * np.trace(gram) / len(gram) * np.eye(len(gram)), right)
