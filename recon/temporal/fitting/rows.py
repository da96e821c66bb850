"""Regression over many rows: products of columns, row by row, and normal equations.

Where many tasks run at once, each with a thread of its own, matrices are multiplied in stacks of rows so small that
BLAS starts no threads beside; sums over the stacks have one order, and one result, however many cores there are.
"""

import numba
import numpy as np
from numpy.typing import NDArray

_STACK = 128
"""Rows whose product with 80 by 20 numbers OpenBLAS computes in one thread: it starts more from 2^18 products."""


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


def stacked_product(left: NDArray, right: NDArray) -> NDArray:
    """``left @ right`` by stacks of rows.

    Parameters
    ----------
    left : (rows, A) float64
    right : (A, B) float64

    Returns
    -------
    (rows, B) float64
    """
    whole = len(left) // _STACK * _STACK
    found = np.empty((len(left), right.shape[1]))
    np.matmul(_stacks(left, whole), right, out=_stacks(found, whole))
    found[whole:] = left[whole:] @ right
    return found


def stacked_gram(left: NDArray, right: NDArray) -> NDArray:
    """``left.T @ right`` by stacks of rows.

    Parameters
    ----------
    left : (rows, A) float64
    right : (rows, B) float64

    Returns
    -------
    (A, B) float64
    """
    whole = len(left) // _STACK * _STACK
    stacks = np.matmul(_stacks(left, whole).transpose(0, 2, 1), _stacks(right, whole))
    return stacks.sum(axis=0) + left[whole:].T @ right[whole:]


def _stacks(matrix: NDArray, rows: int) -> NDArray:
    return matrix[:rows].reshape(-1, _STACK, matrix.shape[1])


def regress(design: NDArray, target: NDArray, ridge: float = 1e-9) -> NDArray:
    """Least squares with a ridge relative to the mean square of the design's columns."""
    return solve_ridge(design.T @ design, design.T @ target, ridge)


def solve_ridge(gram: NDArray, right: NDArray, ridge: float = 1e-9) -> NDArray:
    """Solve normal equations with a ridge relative to the mean square of the design's columns."""
    return np.linalg.solve(gram + ridge * np.trace(gram) / len(gram) * np.eye(len(gram)), right)
