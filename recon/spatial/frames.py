"""From the spatial factor to images: A = U Φ (docs/method/time.md)."""

import sigpy
from numpy.typing import NDArray
from scipy.ndimage import binary_closing, binary_fill_holes, binary_opening
from skimage.filters import threshold_li


def frames(spatial_factor: NDArray, temporal_basis: NDArray) -> NDArray:
    """Image series of the times that the basis holds.

    Parameters
    ----------
    spatial_factor : (L, N, N) complex64
        U.
    temporal_basis : (L, times) complex64
        Columns of Φ for the times wanted.

    Returns
    -------
    (times, N, N) complex64
    """
    xp = sigpy.get_array_module(spatial_factor)
    flat = xp.asarray(temporal_basis).T @ spatial_factor.reshape(len(spatial_factor), -1)
    return flat.reshape(-1, *spatial_factor.shape[1:])


def time_average(spatial_factor: NDArray, temporal_basis: NDArray) -> NDArray:
    """Signed mean over all times, ``U · mean(Φ)``.

    Parameters
    ----------
    spatial_factor : (L, N, N) complex64
    temporal_basis : (L, times) complex64

    Returns
    -------
    (N, N) complex64
    """
    return frames(spatial_factor, temporal_basis.mean(axis=1, keepdims=True))[0]


def body_mask(magnitude: NDArray) -> NDArray:
    """Separate the body from the air around it.

    Parameters
    ----------
    magnitude : (N, N) float
        Time-averaged image.

    Returns
    -------
    (N, N) bool
        Brighter than Li's threshold (minimum cross entropy), without specks and holes.
    """
    bright = magnitude > threshold_li(magnitude)
    return binary_fill_holes(binary_opening(binary_closing(bright, iterations=2), iterations=2)) & (magnitude > 0)
