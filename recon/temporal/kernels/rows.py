"""Products of matrices, row by row."""

import numba
import numpy as np
from numpy.typing import NDArray


@numba.njit(cache=True, nogil=True)
def row_products(left: NDArray, right: NDArray) -> NDArray:
    """All products of the columns of two matrices, row by row, the right factor fastest.

    Parameters
    ----------
    left : (rows, A) float64
    right : (rows, B) float64

    Returns
    -------
    (rows, A·B) float64
    """
    rows, width = right.shape
    found = np.empty((rows, left.shape[1] * width))
    for row in range(rows):
        for column in range(left.shape[1]):
            for other in range(width):
                found[row, column * width + other] = left[row, column] * right[row, other]
    return found
