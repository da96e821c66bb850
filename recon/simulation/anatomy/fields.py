"""Random fields of a body: textures, the phase of its magnetisation, B1 and off-resonance."""

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

_PPM_OF_AIR = 9.4
"""Susceptibility of air less that of tissue, in parts per million (0.36 + 9.05; Schenck, Med Phys 1996)."""

MHZ_PER_T = 42.577


def smooth_noise(rng: np.random.Generator, pixels: int, scale: float) -> NDArray:
    """Gaussian random field that wraps around, filtered by a Gaussian.

    Parameters
    ----------
    rng : numpy.random.Generator
    pixels : int
    scale : float
        Standard deviation of the filter in pixels.

    Returns
    -------
    (pixels, pixels) float32
        Zero mean, unit standard deviation.
    """
    k = scipy.fft.fftfreq(pixels).astype(np.float32)
    window = np.exp(-2 * (np.pi * np.float32(scale) * k) ** 2)
    return _filtered(rng, pixels, window[:, None] * window[: pixels // 2 + 1])


def power_law_noise(rng: np.random.Generator, pixels: int, exponent: float) -> NDArray:
    """Gaussian random field whose power falls as ``1/f^exponent``, zero mean, unit deviation; float32."""
    k = scipy.fft.fftfreq(pixels).astype(np.float32)
    radius = np.hypot(k[:, None], k[: pixels // 2 + 1])
    radius[0, 0] = 1
    window = radius ** np.float32(-exponent / 2)
    window[0, 0] = 0
    return _filtered(rng, pixels, window)


def _filtered(rng: np.random.Generator, pixels: int, window: NDArray) -> NDArray:
    white = scipy.fft.rfft2(rng.standard_normal((pixels, pixels), dtype=np.float32))
    field = scipy.fft.irfft2(white * window, s=(pixels, pixels))
    field -= field.mean()
    return field / max(float(field.std()), 1e-9)


def polynomials(pixels: int, order: int) -> NDArray:
    """Monomials of (x, y) in [-1, 1) up to an order, the constant first: ``(terms, pixels, pixels)`` float32."""
    place = ((np.arange(pixels) - pixels // 2) / (pixels / 2)).astype(np.float32)
    x, y = place[None, :], place[:, None]
    terms = [x**a * y ** (total - a) for total in range(order + 1) for a in range(total + 1)]
    return np.stack([np.broadcast_to(term, (pixels, pixels)) for term in terms])


def object_phase(rng: np.random.Generator, pixels: int) -> NDArray:
    """Smooth random phase in rad, of up to about a turn over the field of view; float32."""
    terms = polynomials(pixels, 3)
    weight = rng.normal(0, 1, len(terms)) * np.array([np.pi] + 2 * [1.5] + 3 * [1.0] + 4 * [0.5])
    ripple = rng.uniform(0, 0.15) * smooth_noise(rng, pixels, pixels / 20)
    return np.tensordot(weight.astype(np.float32), terms, axes=1) + ripple


def flip_angle_ratio(rng: np.random.Generator, pixels: int, field_t: float) -> NDArray:
    """B1: the true flip angle over the nominal one, 0.8-1.15 over the slice at 3 T, half as much from 1 at 1.5 T."""
    terms = polynomials(pixels, 3)[1:]
    weight = rng.normal(0, 1, len(terms)) * np.array(2 * [1.0] + 3 * [0.7] + 4 * [0.3])
    pattern = np.tensordot(weight.astype(np.float32), terms, axes=1)
    pattern /= np.abs(pattern[:, pixels // 2]).max() + np.abs(pattern[pixels // 2]).max()
    spread = rng.uniform(0.08, 0.17) * min(field_t / 3, 1.2)
    center = 1 + rng.uniform(-0.06, 0.03) * field_t / 3
    low, high = 1 - 0.2 * field_t / 3, 1 + 0.15 * field_t / 3
    return np.clip(center + 2 * spread * pattern, low, high).astype(np.float32)


def off_resonance_hz(rng: np.random.Generator, water: NDArray, pixel_mm: float, field_t: float) -> NDArray:
    """Off-resonance by the susceptibility of air, after shimming by a parabola, and a smooth residue.

    The field of a slice that goes on along its normal is ``(1/3 - (k·b)²/k²) χ(k)``, b the main field's direction
    within the slice (length at most 1). As the body does end, and the slice averages, it is scaled down [chosen].

    Parameters
    ----------
    rng : numpy.random.Generator
    water : (n, n) float32
        Share of each pixel that is not air.
    pixel_mm, field_t : float

    Returns
    -------
    (n, n) float32
    """
    pixels = len(water)
    ky, kx = scipy.fft.fftfreq(pixels)[:, None], scipy.fft.rfftfreq(pixels)[None, :]
    angle, tilt = rng.uniform(0, np.pi), rng.uniform(0.3, 1.0)
    along = tilt * (np.cos(angle) * kx + np.sin(angle) * ky)
    square = kx**2 + ky**2
    square[0, 0] = 1
    blur = np.exp(-2 * (np.pi * 3.0 / pixel_mm) ** 2 * square)
    kernel = ((1 / 3 - along**2 / square) * blur).astype(np.float32)
    kernel[0, 0] = 0
    strength = rng.uniform(0.12, 0.3) * _PPM_OF_AIR * MHZ_PER_T * field_t
    field = strength * scipy.fft.irfft2(kernel * scipy.fft.rfft2(1 - water), s=water.shape)
    field += rng.uniform(3, 10) * field_t * smooth_noise(rng, pixels, pixels / 12)
    terms, inside = polynomials(pixels, 2), water[::4, ::4].ravel() > 0.3
    if np.count_nonzero(inside) > len(terms):
        samples = terms[:, ::4, ::4].reshape(len(terms), -1)[:, inside]
        shim = np.linalg.lstsq(samples.T, field[::4, ::4].ravel()[inside], rcond=None)[0]
        field -= np.tensordot(shim.astype(np.float32), terms, axes=1)
    # beyond ±1.2 ppm lies only air beside air
    bound = 1.2 * MHZ_PER_T * field_t
    return (bound * np.tanh(field / bound)).astype(np.float32)


def softened(mask: NDArray, scale: float) -> NDArray:
    """Smooth a mask by a Gaussian of a standard deviation in pixels, computed on every fourth pixel where wide."""
    if scale < 8:
        return scipy.ndimage.gaussian_filter(mask, scale, mode="constant")
    rows, columns = mask.shape
    small = scipy.ndimage.gaussian_filter(
        mask[: rows // 4 * 4, : columns // 4 * 4].reshape(rows // 4, 4, columns // 4, 4).mean(axis=(1, 3)),
        scale / 4,
        mode="constant",
    )
    place = [(np.arange(length) - 1.5) / 4 for length in mask.shape]
    grid = np.meshgrid(*place, indexing="ij")
    return scipy.ndimage.map_coordinates(small, grid, order=1, mode="nearest").astype(np.float32)
