"""k-space of images on a fine grid along readouts, for all shifts of the coil model at once.

A twofold oversampled FFT and Kaiser-Bessel interpolation, as a NUFFT does it; but the weights with which the images are
mixed change from sample to sample, and the coils' shifts by half a cycle per field of view are whole steps of the
oversampled grid, so that neither costs a transform of its own.
"""

import math

import numba
import numpy as np
import scipy.fft
from numpy.typing import NDArray

from recon.threads import available_cpus

_WIDTH = 7
"""Of the kernel in grid points: together with twofold oversampling it errs by 1e-6 of the norm."""

_BETA = math.pi * math.sqrt((_WIDTH / 2) ** 2 * 1.5**2 - 0.8)
"""Of the Kaiser-Bessel window (Beatty, IEEE TMI 2005)."""

_TABLE_STEPS = 4096
"""Of the kernel's table in a grid point; straight lines between them err by 1e-7."""


def _kernel_table() -> NDArray:
    place = np.arange(_WIDTH * _TABLE_STEPS // 2 + 2) / (_WIDTH * _TABLE_STEPS / 2)
    return np.i0(_BETA * np.sqrt(np.maximum(1 - place**2, 0))).astype(np.float64)


_TABLE = _kernel_table()


def _deapodisation(pixels: int) -> NDArray:
    """One over the kernel's transform at each pixel: ``(pixels,)`` float64."""
    place = (np.arange(pixels) - pixels // 2) / (2 * pixels)
    root = np.sqrt(_BETA**2 - (np.pi * _WIDTH * place) ** 2)
    return root / (_WIDTH * np.sinh(root))


def oversampled_spectra(images: NDArray, reach: int) -> NDArray:
    """Spectra of images every half a cycle per field of view, in the middle of k-space only.

    Parameters
    ----------
    images : (n, n, R) complex64
    reach : int
        Steps from the centre that are kept, at most n.

    Returns
    -------
    (2 reach + 1, 2 reach + 1, R) complex64
        Axes (ky, kx); divided by the number of pixels, so that they are means over the field of view.
    """
    pixels, workers = len(images), available_cpus()
    weight = (_deapodisation(pixels) / pixels).astype(np.float32)
    steps = np.arange(-reach, reach + 1)
    # e^{-2πi u (i - n/2) / 2n} is the FFT's factor times i^u; u = 2k
    turn = np.exp(0.5j * np.pi * steps * (2 * (pixels // 2) / pixels)).astype(np.complex64)
    rows = np.moveaxis(images, -1, 0) * weight[:, None] * weight
    along_x = scipy.fft.fft(rows, 2 * pixels, axis=-1, workers=workers)[..., steps % (2 * pixels)] * turn
    both = scipy.fft.fft(along_x, 2 * pixels, axis=-2, workers=workers)[:, steps % (2 * pixels)] * turn[:, None]
    return np.ascontiguousarray(np.moveaxis(both, 0, -1))


def accumulate(
    data: NDArray,
    spectra: NDArray,
    rows: NDArray,
    k_cycles_per_fov: NDArray,
    mixing: NDArray,
    shifts_cycles_per_fov: NDArray,
    pixels: int,
) -> None:
    """Add what some images give at some readouts.

    Parameters
    ----------
    data : (readouts, terms, samples) complex64
        Added to at `rows`, in place.
    spectra : (2 reach + 1, 2 reach + 1, R) complex64
        Of `oversampled_spectra`.
    rows : (some,) int64
    k_cycles_per_fov : (some, samples, 2) float64
    mixing : (some, R, samples) complex64
    shifts_cycles_per_fov : (terms, 2) float64
        The spectrum is taken at ``k - shift``; multiples of a half, at most 1 either way.
    pixels : int
        Of the fine grid. A pixel is a square of even density: its transform is a sinc.
    """
    steps = np.rint(2 * shifts_cycles_per_fov).astype(np.int64)
    weights = np.ascontiguousarray(np.moveaxis(mixing, 1, 2))
    _gather(data, spectra.view(np.float32), rows, k_cycles_per_fov, weights.view(np.float32), steps, pixels, _TABLE)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _weigh(place: float, table: NDArray, weights: NDArray) -> int:
    """Fill in the kernel at the grid points about a place; the first of them is handed back."""
    first = math.ceil(place - 0.5 * _WIDTH)
    for tap in range(_WIDTH):
        far = abs(first + tap - place) * _TABLE_STEPS
        low = int(far)
        weights[tap] = table[low] + (far - low) * (table[low + 1] - table[low])
    return first


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _sinc(x: float) -> float:
    return 1.0 if abs(x) < 1e-9 else math.sin(math.pi * x) / (math.pi * x)


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=True)
def _mix(spectra: NDArray, weights: NDArray, patch: NDArray, top: int, left: int) -> None:
    """Mix the images at the grid points of a patch; pairs of (real, imaginary)."""
    width, pairs = patch.shape[0], weights.shape[0] // 2
    for row in range(width):
        for column in range(width):
            real, imaginary = np.float32(0), np.float32(0)
            point = spectra[top + row, left + column]
            for image in range(pairs):
                a, b = point[2 * image], point[2 * image + 1]
                c, d = weights[2 * image], weights[2 * image + 1]
                real += a * c - b * d
                imaginary += a * d + b * c
            patch[row, column, 0], patch[row, column, 1] = real, imaginary


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=True)
def _gather(
    data: NDArray,
    spectra: NDArray,
    rows: NDArray,
    k: NDArray,
    weights: NDArray,
    steps: NDArray,
    pixels: int,
    table: NDArray,
) -> None:
    most = np.abs(steps).max()
    width, reach = _WIDTH + 2 * most, spectra.shape[0] // 2
    patch = np.empty((width, width, 2), dtype=np.float32)
    across, down = np.empty(_WIDTH), np.empty(_WIDTH)
    by_row = np.empty((2 * most + 1, width, 2))
    sinc_x, sinc_y = np.empty(2 * most + 1), np.empty(2 * most + 1)
    for one in range(len(rows)):
        for sample in range(k.shape[1]):
            kx, ky = k[one, sample, 0], k[one, sample, 1]
            left, top = _weigh(2 * kx, table, across), _weigh(2 * ky, table, down)
            _mix(spectra, weights[one, sample], patch, top - most + reach, left - most + reach)
            for shift in range(2 * most + 1):
                # at k - shift the same weights belong to grid points further down by the shift
                sinc_x[shift] = _sinc((kx - 0.5 * (shift - most)) / pixels)
                sinc_y[shift] = _sinc((ky - 0.5 * (shift - most)) / pixels)
                start = 2 * most - shift
                for row in range(width):
                    real, imaginary = 0.0, 0.0
                    for tap in range(_WIDTH):
                        real += across[tap] * patch[row, start + tap, 0]
                        imaginary += across[tap] * patch[row, start + tap, 1]
                    by_row[shift, row, 0], by_row[shift, row, 1] = real, imaginary
            for term in range(len(steps)):
                x, y = steps[term, 0] + most, steps[term, 1] + most
                start = 2 * most - y
                real, imaginary = 0.0, 0.0
                for tap in range(_WIDTH):
                    real += down[tap] * by_row[x, start + tap, 0]
                    imaginary += down[tap] * by_row[x, start + tap, 1]
                scale = sinc_x[x] * sinc_y[y]
                data[rows[one], term, sample] += np.complex64(complex(scale * real, scale * imaginary))
