"""Cartesian volumes: centred Fourier transforms, zero-filling in k-space, coil combination, measured data put back.

Axes are (z, y, x); the centre of a matrix of n is n // 2, in k-space as in the image. SigPy's transforms are unitary.
"""

import functools
import itertools
import math
from collections.abc import Sequence

import numpy as np
import sigpy
from numpy.typing import NDArray

# The axes z, y, x of a volume.
_AXES = (-3, -2, -1)

_CALIBRATION = 24
"""Central lines along each axis that calibrate coil maps, as in ESPIRiT's usual 24×24 region."""

_PHASE_ROUNDS = 10
"""Rounds of the phase search; ten halve the error of one (tests/recon/test_cartesian.py)."""


def to_kspace(volume: NDArray) -> NDArray:
    """Transform an image to k-space, unitary and centred.

    Parameters
    ----------
    volume : (..., z, y, x)

    Returns
    -------
    (..., z, y, x) complex64
    """
    return sigpy.fft(volume.astype(np.complex64), axes=_AXES)


def to_image(kspace: NDArray) -> NDArray:
    """Transform k-space to the image, unitary and centred.

    Parameters
    ----------
    kspace : (..., z, y, x) complex64

    Returns
    -------
    (..., z, y, x) complex64
    """
    return sigpy.ifft(kspace, axes=_AXES)


def centre_region(matrix: Sequence[int], lines: Sequence[int]) -> tuple[slice, ...]:
    """Where the centre of so many ``lines`` lies in a matrix; odd and even sizes keep k = 0 at n // 2.

    Parameters
    ----------
    matrix, lines : sequence of int
        Along each axis.

    Returns
    -------
    tuple of slice
    """
    starts = [size // 2 - count // 2 for size, count in zip(matrix, lines, strict=True)]
    return tuple(slice(start, start + count) for start, count in zip(starts, lines, strict=True))


def zero_fill(kspace: NDArray, matrix: tuple[int, int, int]) -> NDArray:
    """Put k-space into the centre of a larger, empty one; image intensities stay as they are.

    Parameters
    ----------
    kspace : (..., z, y, x) complex64
    matrix : (3,) tuple of int
        At least as large.

    Returns
    -------
    (..., *matrix) complex64
        The given lines times √(size / old size), so that a unitary transform keeps intensities; zero elsewhere.
    """
    xp = sigpy.get_array_module(kspace)
    old = kspace.shape[-3:]
    filled = xp.zeros((*kspace.shape[:-3], *matrix), dtype=xp.complex64)
    gain = math.sqrt(math.prod(matrix) / math.prod(old))
    z, y, x = centre_region(matrix, old)
    filled[..., z, y, x] = kspace * xp.float32(gain)
    return filled


def lines_measured(size: int, factor: float) -> int:
    """Count the lines that a scan with fewer of them measures along an axis.

    Scanners measure as many lines on one side of k = 0 as on the other, so the count is even where the axis is cut.

    Parameters
    ----------
    size : int
        Lines of the full matrix.
    factor : float
        How many times fewer; 1 leaves the axis whole.

    Returns
    -------
    int
        At least 2 where the axis is cut, and never more than there are.
    """
    return size if factor == 1 else min(size, max(2, 2 * round(size / factor / 2)))


def centre_mask(matrix: Sequence[int], lines: Sequence[int]) -> NDArray:
    """Mark the centre of k-space: ``matrix`` bool, True in :func:`centre_region`."""
    mask = np.zeros(tuple(matrix), dtype=bool)
    mask[centre_region(matrix, lines)] = True
    return mask


def lines_in_image(measured: NDArray, spacing: Sequence[float], matrix: Sequence[int]) -> NDArray:
    """Carry the lines that were measured over to the k-space of the image, whose field of view may be smaller.

    A line of the image's k-space counts as measured if the encoded lines on both sides of it were.

    Parameters
    ----------
    measured : (encoded lines, ...) bool
        Centre of each axis at n // 2.
    spacing : sequence of float
        Encoded over image field of view along each axis: distance of the image's lines in encoded ones.
    matrix : sequence of int
        Image matrix along each axis.

    Returns
    -------
    (*matrix) bool
    """
    both_measured = np.ones(tuple(matrix), dtype=bool)
    positions = [
        np.round((np.arange(size) - size // 2) * step + encoded // 2, 6)
        for size, step, encoded in zip(matrix, spacing, measured.shape, strict=True)
    ]
    for sides in itertools.product((np.floor, np.ceil), repeat=measured.ndim):
        lines = [side(position).astype(int) for side, position in zip(sides, positions, strict=True)]
        inside = [(line >= 0) & (line < size) for line, size in zip(lines, measured.shape, strict=True)]
        clipped = [line.clip(0, size - 1) for line, size in zip(lines, measured.shape, strict=True)]
        both_measured &= measured[np.ix_(*clipped)] & functools.reduce(np.logical_and.outer, inside)
    return both_measured


def truncate(kspace: NDArray, lines: tuple[int, int, int]) -> NDArray:
    """Set everything but the centre of k-space to zero: what a scan with fewer lines would have measured.

    Parameters
    ----------
    kspace : (..., z, y, x) complex64
    lines : (3,) tuple of int
        Lines along each axis.

    Returns
    -------
    (..., z, y, x) complex64
    """
    xp = sigpy.get_array_module(kspace)
    z, y, x = centre_region(kspace.shape[-3:], lines)
    cut = xp.zeros_like(kspace)
    cut[..., z, y, x] = kspace[..., z, y, x]
    return cut


def coil_maps_from_centre(kspace: NDArray) -> NDArray:
    """Sensitivities from the centre of k-space: smooth coil images over their root sum of squares (McKenzie 2002).

    Parameters
    ----------
    kspace : (coils, z, y, x) complex64

    Returns
    -------
    (coils, z, y, x) complex64
        Unit root sum of squares where any coil sees anything.
    """
    xp = sigpy.get_array_module(kspace)
    window = xp.ones((), dtype=xp.float32)
    for size in kspace.shape[-3:]:
        width = min(size, _CALIBRATION)
        profile = np.zeros(size, dtype=np.float32)
        start = size // 2 - width // 2
        profile[start : start + width] = np.hanning(width + 2)[1:-1] if size > 1 else 1
        window = window[..., None] * xp.asarray(profile)
    smooth = to_image(kspace * window)
    energy = xp.sqrt((xp.abs(smooth) ** 2).sum(axis=0))
    return smooth / xp.maximum(energy, xp.finfo(xp.float32).tiny)


def combine_coils(kspace: NDArray, method: str) -> NDArray:
    """Combine the coils' images to one.

    Parameters
    ----------
    kspace : (coils, z, y, x) complex64
        Prewhitened where a noise scan allows.
    method : {"maps", "sum_of_squares"}

    Returns
    -------
    (z, y, x) complex64
        ``Σ S̄ x`` with maps from the centre of k-space: its noise is not rectified and its k-space is still that of a
        scan; or the root sum of squares, whose phase is zero.
    """
    xp = sigpy.get_array_module(kspace)
    images = to_image(kspace)
    if method == "sum_of_squares":
        return xp.sqrt((xp.abs(images) ** 2).sum(axis=0)).astype(xp.complex64)
    return (coil_maps_from_centre(kspace).conj() * images).sum(axis=0)


def put_back_measured(volume: NDArray, zero_filled: NDArray, measured: NDArray, rounds: int = _PHASE_ROUNDS) -> NDArray:
    """Data consistency: replace the measured part of a volume's k-space by what was measured.

    The restored volume is a magnitude. The zero-filled image's phase is not its: truncation mixes neighbours' phases.
    So the phase is found by turns, as in POCS for partial Fourier imaging (Haacke 1991): the magnitude takes the phase
    of the last result, the measured samples are put back, and again.

    Parameters
    ----------
    volume : (z, y, x) float32
        Magnitude of a restored volume.
    zero_filled : (z, y, x) complex64
        Image of the measured samples; its phase is the first guess.
    measured : (z, y, x) bool, or what broadcasts to it
        Samples of k-space that were measured, centre at n // 2.
    rounds : int
        Each costs two Fourier transforms.

    Returns
    -------
    (z, y, x) float32
        Magnitude.
    """
    xp = sigpy.get_array_module(volume)
    known, result = to_kspace(zero_filled), zero_filled
    for _ in range(rounds):
        size = xp.maximum(xp.abs(result), xp.finfo(xp.float32).tiny)
        kspace = to_kspace(volume * (result / size))
        xp.copyto(kspace, known, where=xp.asarray(measured))
        result = to_image(kspace)
    return xp.abs(result).astype(xp.float32)
