"""The leading eigenvectors of a large matrix, without Python's lock: SciPy holds it for a second, and threads stand."""

import ctypes
from functools import cache
from typing import Any

import numpy as np
from numba.extending import get_cython_function_address
from numpy.typing import NDArray

_ARGUMENTS = 21


@cache
def _dsyevr() -> Any:
    """LAPACK's eigenvalues and vectors of a symmetric matrix, of SciPy's own library; ctypes lets go of the lock."""
    address = get_cython_function_address("scipy.linalg.cython_lapack", "dsyevr")
    return ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * _ARGUMENTS)(address)


def leading_eigenvectors(matrix: NDArray, count: int) -> NDArray:
    """Find the eigenvectors of the largest eigenvalues.

    Parameters
    ----------
    matrix : (n, n) float64
        Symmetric; its lower triangle is read.
    count : int
        At most n.

    Returns
    -------
    (n, count) float64
        Orthonormal columns, that of the largest eigenvalue first.

    Raises
    ------
    ValueError
        If LAPACK does not converge, as for values that are not finite.
    """
    size = len(matrix)
    work_matrix = np.array(matrix, dtype=np.float64, order="F")
    values, vectors = np.empty(size), np.empty((size, count), order="F")
    support = np.empty(2 * max(1, count), dtype=np.intc)
    found, info = ctypes.c_int(0), ctypes.c_int(0)

    def call(work: NDArray, integers: NDArray, work_size: int, integer_size: int) -> None:
        whole = [ctypes.c_int(value) for value in (size, size - count + 1, size, work_size, integer_size)]
        n, first, last, lwork, liwork = (ctypes.byref(value) for value in whole)
        nothing = ctypes.byref(ctypes.c_double(0.0))
        texts = [ctypes.c_char_p(letter) for letter in (b"V", b"I", b"L")]
        _dsyevr()(
            *texts, n, work_matrix.ctypes.data, n, nothing, nothing, first, last, nothing, ctypes.byref(found),
            values.ctypes.data, vectors.ctypes.data, n, support.ctypes.data, work.ctypes.data, lwork,
            integers.ctypes.data, liwork, ctypes.byref(info),
        )  # fmt: skip

    sizes = np.empty(1), np.empty(1, dtype=np.intc)
    call(*sizes, -1, -1)  # asks how much memory it wants
    work, integers = np.empty(int(sizes[0][0])), np.empty(int(sizes[1][0]), dtype=np.intc)
    call(work, integers, len(work), len(integers))
    if info.value or found.value != count:
        raise ValueError(f"no eigenvectors were found (LAPACK's dsyevr: {info.value}); the matrix may hold NaN or Inf")
    return vectors[:, ::-1]
