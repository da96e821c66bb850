"""Fourier functions of a scan's time, and the Gram matrix of their products with the recovery.

Two waves multiplied are two waves, of the sum and of the difference of their frequencies: all entries of the Gram
matrix are read from one spectrum of ``u uᵀ``, up to twice the highest frequency.
"""

import finufft
import numba
import numpy as np
from numpy.typing import NDArray

_ACCURACY = 1e-13
"""Of the spectrum, relative to its norm: that of a sum in double precision."""


def waves(turns: NDArray, first: int, last: int) -> NDArray:
    """Cosines, then sines, of whole numbers of turns, each of unit mean square.

    Parameters
    ----------
    turns : (times,) float64
        Share of the scan that has passed.
    first, last : int
        Turns over the whole scan.

    Returns
    -------
    (times, 2 · (last - first + 1)) float64
    """
    step = np.exp(2j * np.pi * turns)
    return _powers(step, np.sqrt(2) * step**first, last - first + 1)


@numba.njit(cache=True, nogil=True)
def _powers(step: NDArray, start: NDArray, count: int) -> NDArray:
    found = np.empty((len(step), 2 * count))
    for row in range(len(step)):
        value = start[row]
        for column in range(count):
            found[row, column] = value.real
            found[row, count + column] = value.imag
            value *= step[row]
    return found


def waves_gram(turns: NDArray, recovery: NDArray, first: int, last: int) -> NDArray:
    """Gram matrix of the products of :func:`waves` and the recovery's columns, the latter fastest.

    Parameters
    ----------
    turns : (times,) float64
        Share of the scan that has passed, from 0 to 1.
    recovery : (times, R) float64
    first, last : int

    Returns
    -------
    (2 · count · R, 2 · count · R) float64
        With ``count = last - first + 1``.
    """
    orders, count = recovery.shape[1], last - first + 1
    rows, columns = np.triu_indices(orders)
    pairs = np.ascontiguousarray((recovery[:, rows] * recovery[:, columns]).T, np.complex128)
    modes = 4 * last + 1
    half = finufft.nufft1d1(2 * np.pi * turns, pairs, modes, eps=_ACCURACY, isign=1, modeord=1, nthreads=1)
    half = np.atleast_2d(half)[:, : 2 * last + 1]
    # P[l,k,m] = Σ_t u_l(t) u_m(t) e^{2πi k t}, its real part even in k and its imaginary part odd
    spectrum = np.empty((orders, 2 * last + 1, orders), np.complex128)
    spectrum[rows, :, columns] = spectrum[columns, :, rows] = half
    here = np.arange(first, last + 1)
    apart, together = here[:, None] - here, here[:, None] + here
    apart_cos, together_cos = spectrum.real[:, np.abs(apart)], spectrum.real[:, together]
    apart_sin = spectrum.imag[:, np.abs(apart)] * np.sign(apart)[:, :, None]
    together_sin = spectrum.imag[:, together]
    # of waves a and b, a down and b across: 2 cos a cos b = cos(a-b) + cos(a+b), 2 cos a sin b = sin(a+b) - sin(a-b)
    gram = np.empty((2, count, orders, 2, count, orders))
    gram[0, :, :, 0] = (apart_cos + together_cos).transpose(1, 0, 2, 3)
    gram[0, :, :, 1] = (together_sin - apart_sin).transpose(1, 0, 2, 3)
    gram[1, :, :, 0] = (together_sin + apart_sin).transpose(1, 0, 2, 3)
    gram[1, :, :, 1] = (apart_cos - together_cos).transpose(1, 0, 2, 3)
    return gram.reshape(2 * count * orders, -1)
