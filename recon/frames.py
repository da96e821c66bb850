"""From the spatial factor to images: A = U Φ (`multitasking.md` §2)."""

import sigpy
from numpy.typing import NDArray


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
