"""Maps of a body as they are where it has moved, and on the image's pixels."""

import numpy as np
import sigpy
from numpy.typing import NDArray

_PLACES_AT_A_TIME = 2**13
"""On a CPU: what is computed on the way stays in its cache, and takes half as long as all places at once."""


def sampled(maps: NDArray, places: NDArray) -> NDArray:
    """Maps at the places from which each pixel comes, by linear interpolation; beyond the grid there is air.

    Parameters
    ----------
    maps : (n, n, R) real or complex array
        Their device is followed.
    places : (2, ...) float32
        (y, x) in pixels.

    Returns
    -------
    (..., R) array
        Of the maps' type.
    """
    xp = sigpy.get_array_module(maps)
    # real and imaginary parts side by side: shares are real
    rows = xp.ascontiguousarray(maps).reshape(-1, maps.shape[2]).view(maps.real.dtype)
    flat = places.reshape(2, -1)
    result = xp.empty((flat.shape[1], rows.shape[1]), dtype=rows.dtype)
    step = _PLACES_AT_A_TIME if sigpy.get_device(maps).id < 0 else flat.shape[1]
    for start in range(0, len(result), step):
        some = slice(start, start + step)
        result[some] = _sampled(rows, flat[:, some], maps.shape[0])
    return result.view(maps.dtype).reshape(*places.shape[1:], maps.shape[2])


def _sampled(rows: NDArray, places: NDArray, size: int) -> NDArray:
    """Rows (size², parts) at places (2, some): (some, parts)."""
    xp = sigpy.get_array_module(rows)
    corner = xp.floor(places)
    # shares in double precision: their four add to one
    (low_y, low_x), (y, x) = (places - corner.astype(np.float64)), corner.astype(np.int32)
    result = xp.zeros((y.size, rows.shape[1]), dtype=rows.dtype)
    for down in range(2):
        for beside in range(2):
            share = (low_y if down else 1 - low_y) * (low_x if beside else 1 - low_x)
            here, there = y + down, x + beside
            inside = (here >= 0) & (here < size) & (there >= 0) & (there < size)
            part = xp.take(rows, xp.where(inside, here * size + there, 0), axis=0)
            part *= xp.where(inside, share, 0).astype(np.float32)[:, None]
            result += part
    return result


def area_means(maps: NDArray, matrix: int) -> NDArray:
    """Means over the pixels of the image's grid, centred at n // 2 as the fine one is.

    Parameters
    ----------
    maps : (n, n, ...) array
        n is a multiple of N. Their device is followed.
    matrix : int
        N.

    Returns
    -------
    (N, N, ...) array
    """
    xp = sigpy.get_array_module(maps)
    weights = xp.asarray(_overlap(matrix, len(maps)))
    rows = xp.tensordot(weights, maps, axes=1)
    return xp.moveaxis(xp.tensordot(weights, rows, axes=(1, 1)), 0, 1)


def _overlap(coarse: int, fine: int) -> NDArray:
    """Share of each fine pixel in the mean over a coarse one, both centred at n // 2: ``(coarse, fine)`` float32."""
    ratio = fine // coarse
    distance = np.abs((np.arange(fine) - fine // 2)[None, :] - ratio * (np.arange(coarse) - coarse // 2)[:, None])
    return (np.clip(ratio / 2 + 0.5 - distance, 0, 1) / ratio).astype(np.float32)
