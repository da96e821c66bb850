"""What spokes without navigators tell of motion: low-resolution images in a sliding window (docs/method/time.md).

The images are written in circular harmonics instead of pixels. On a ring of k-space of radius r, an object that the
field of view holds is ``F(r, θ) = Σ_m F_m(r) e^{imθ}`` with ``|m| <= π r`` and little more, so that F_m over all rings
is the image. A spoke sees each ring at θ and at θ + π, and the golden angle spreads spokes that follow each other over
all θ: ``F_m(r)`` is the mean of ``F(r, θ) e^{-imθ}`` over a window. The part that does not change, which streaks of a
short window would modulate, is fitted to the whole scan and taken out before.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from recon.errors import DataError

_WIDEST_RING = 12.0
"""Cycles per field of view: 24 pixels across, 11 mm of 270 mm, about the wall of the left ventricle."""

_NARROWEST_REACH = 4.0
"""Cycles per field of view that both ends of a spoke must reach: of less, no image is left."""

_SPOKES_PER_BLOCK = 8
"""Spokes that share one window: 29 ms at TR 3.6 ms, as often as the cardiac path search looks. A Fibonacci number."""

_WINDOW_SPOKES = 21
"""Effective width of the widest ring's window: 76 ms at TR 3.6 ms. Tuned on simulated scans."""

_MARGIN = 3
"""Harmonics beyond π r in the static part: what a delay or an off-centre object adds."""

_STRAIGHT = 0.02
"""Largest distance from the straight line through k = 0, over the reach, of spokes that are taken for straight."""


@dataclass(frozen=True)
class Windows:
    """Low-resolution images in a sliding window, in place of navigators.

    Attributes
    ----------
    profiles : (windows, coils, harmonics) complex64
        On the scale at which their energy is that of the images.
    time_s : (windows,) float64
        Times of their centres.
    """

    profiles: NDArray[np.complex64]
    time_s: NDArray[np.float64]


@dataclass(frozen=True)
class Rings:
    """Where straight spokes cross rings of k-space.

    Attributes
    ----------
    angles_rad : (spokes,) float64
        Direction of each spoke.
    radii : (rings,) float64
        Cycles per field of view, from 0.
    samples : slice
        Samples of a spoke that are needed.
    ahead, behind : (samples, rings) float32
        Linear interpolation to the ring at θ and at θ + π.
    """

    angles_rad: NDArray[np.float64]
    radii: NDArray[np.float64]
    samples: slice
    ahead: NDArray[np.float32]
    behind: NDArray[np.float32]


def rings_of(trajectory: NDArray, widest: float = _WIDEST_RING) -> Rings:
    """Lay rings over straight spokes.

    Parameters
    ----------
    trajectory : (spokes, samples, 2) float32
        In cycles per field of view.
    widest : float
        Radius of the widest ring; spokes that reach less far at one end have fewer.

    Returns
    -------
    Rings

    Raises
    ------
    DataError
        If the spokes are not straight through k = 0, or do not reach far enough on both sides.
    """
    ends = (trajectory[:, -1] - trajectory[:, 0]).astype(np.float64)
    angles = np.arctan2(ends[:, 1], ends[:, 0])
    along = trajectory @ np.array([1, 1j])
    turned = along * np.exp(-1j * angles)[:, None]
    radius = np.median(turned.real, axis=0)
    reach = float(np.abs(radius).max())
    off = float(np.abs(turned - radius).max())
    if off > _STRAIGHT * reach:
        raise DataError(
            f"the spokes are not straight through k = 0 in equal steps (by up to {off:.2g} cycles per field of view), "
            "which a temporal basis without navigators needs; set temporal_model=static, or give a basis"
        )
    both = max(0.0, float(min(radius[-1], -radius[0])))
    if both < _NARROWEST_REACH:
        raise DataError(
            f"the spokes reach only {both:.3g} cycles per field of view beyond k = 0 at one end: a temporal basis "
            "without navigators needs full spokes; set temporal_model=static, or give a basis"
        )
    radii = np.arange(0, min(both, widest) + 1e-6)
    used = np.flatnonzero(np.abs(radius) <= radii[-1] + np.max(np.diff(radius)))
    samples = slice(int(used[0]), int(used[-1]) + 1)
    ahead, behind = (_interpolation(radius[samples], at) for at in (radii, -radii))
    return Rings(angles, radii, samples, ahead, behind)


def _interpolation(known: NDArray, wanted: NDArray) -> NDArray[np.float32]:
    """Linear interpolation as a matrix: ``(known, wanted)``."""
    return np.stack([np.interp(wanted, known, row) for row in np.eye(len(known))]).astype(np.float32)


def window_images(kspace: NDArray, rings: Rings, time_s: NDArray) -> Windows:
    """Low-resolution images in a sliding window.

    Parameters
    ----------
    kspace : (spokes, coils, samples) complex64
        The rings' samples, prewhitened.
    rings : Rings
    time_s : (spokes,) float64

    Returns
    -------
    Windows
    """
    blocks = len(kspace) // _SPOKES_PER_BLOCK
    if blocks < 2:
        raise DataError(
            f"{len(kspace)} spokes are too few to see motion in; set temporal_model=static for one image of them"
        )
    ahead, behind, angles = kspace @ rings.ahead, kspace @ rings.behind, rings.angles_rad
    images = [
        _ring(ahead[..., ring], behind[..., ring], angles, float(radius)) for ring, radius in enumerate(rings.radii)
    ]
    centers = _blocks(time_s[:, None])[:, 0]
    return Windows(np.concatenate(images, axis=2), centers)


def _ring(ahead: NDArray, behind: NDArray, angles: NDArray, radius: float) -> NDArray:
    """One ring's harmonics in every window: ``(windows, coils, 2M + 1)`` complex64."""
    highest = int(np.ceil(np.pi * radius))
    static = np.arange(-highest - _MARGIN, highest + _MARGIN + 1)
    coefficients = _static_part(ahead, behind, angles, static)
    # Σ_m F_m e^{imθ}, and at θ + π with (-1)^m
    waves, signs = np.exp(1j * np.outer(angles, static)).astype(np.complex64), (-1.0) ** static
    ahead = ahead - np.einsum("tm,mc->tc", waves, coefficients)
    behind = behind - np.einsum("tm,mc->tc", waves * signs.astype(np.float32), coefficients)
    width = _WINDOW_SPOKES * radius / _WIDEST_RING / _SPOKES_PER_BLOCK
    sigma = max(width, 0.5) / np.sqrt(4 * np.pi)  # a Gaussian's effective width (∫g)²/∫g² is √(4π) σ
    # a ring stands for 2πr dr of k-space, its centre for a disc of radius 1/2
    area = 2 * np.pi * radius if radius else np.pi / 4
    harmonics = np.empty((len(angles) // _SPOKES_PER_BLOCK, ahead.shape[1], 2 * highest + 1), np.complex64)
    for place, order in enumerate(range(-highest, highest + 1)):
        both = (ahead + (-1) ** order * behind) / 2
        turned = _blocks(both * np.exp(-1j * order * angles).astype(np.complex64)[:, None])
        still = coefficients[order + highest + _MARGIN]
        harmonics[..., place] = np.sqrt(area) * (gaussian_filter1d(turned, sigma, axis=0) + still)
    return harmonics


def _static_part(ahead: NDArray, behind: NDArray, angles: NDArray, orders: NDArray) -> NDArray:
    """Least squares of a ring over the whole scan: ``(orders, coils)`` complex64."""
    waves = np.exp(1j * np.outer(angles, orders))
    design = np.concatenate([waves, waves * (-1.0) ** orders])
    gram = design.conj().T @ design
    gram[np.diag_indices_from(gram)] += 1e-3 * len(design)  # short scans do not tell all orders apart
    return np.linalg.solve(gram, design.conj().T @ np.concatenate([ahead, behind])).astype(np.complex64)


def _blocks(values: NDArray) -> NDArray:
    """Means over blocks of spokes; those of the last, incomplete one belong to none."""
    blocks = len(values) // _SPOKES_PER_BLOCK
    return values[: blocks * _SPOKES_PER_BLOCK].reshape(blocks, _SPOKES_PER_BLOCK, -1).mean(axis=1)
