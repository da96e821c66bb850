"""A gain on the Haar coefficients of groups of similar blocks: it sharpens thin structures (Hou 2017).

Jung 2019 names the method without its numbers. Here, blocks of 4³ voxels are compared with all that begin within three
voxels; the eight most similar make a group, which has a Haar transform along its blocks and along their three axes.
Coefficients beyond the noise are amplified, those within it are left as they are: noise stays, as in the paper.
"""

import numba
import numpy as np
import pywt
from numpy.typing import NDArray

from recon.perivascular.masked_volume import filtered_box

_EDGE, _MEMBERS, _REACH, _STRIDE = 4, 8, 3, 2
"""Voxels along a block's axis, blocks of a group, how far they are sought, and distance of the blocks that seek."""
_AXES = (1, 2, 3, 4)
_CHUNK = 4096
"""Groups that are transformed at once: 8 MB."""
_CERTAIN = 3.0
"""Standard deviations of the noise beyond which a coefficient begins to be structure."""

SHARPENING = 2.0
"""Gain on coefficients that are surely structure: that of the simulated truth."""


def noise_deviation(volume: NDArray, mask: NDArray) -> float:
    """Standard deviation of the noise within a mask, from the finest Haar coefficients (Donoho 1994).

    Parameters
    ----------
    volume : (z, y, x) float32
    mask : (z, y, x) bool

    Returns
    -------
    float
    """
    even = tuple(slice(0, size - size % 2) for size in volume.shape)
    finest = pywt.dwtn(volume[even], "haar")["ddd"]
    inside = mask[even].reshape(finest.shape[0], 2, finest.shape[1], 2, finest.shape[2], 2).all(axis=(1, 3, 5))
    kept = finest[inside] if inside.any() else finest
    return float(np.median(np.abs(kept)) / 0.6745)  # of a normal distribution, in deviations


def gain(coefficients: NDArray, noise: float, strength: float = SHARPENING) -> NDArray:
    """Amplify coefficients beyond the noise: by 1 up to three deviations, rising to ``strength`` at six.

    Parameters
    ----------
    coefficients : array of float32
        Of an orthonormal transform, so that their noise is that of the voxels.
    noise : float
    strength : float

    Returns
    -------
    array of float32
    """
    certain = np.clip(np.abs(coefficients) / max(_CERTAIN * noise, 1e-12) - 1, 0, 1)
    return coefficients * (1 + (strength - 1) * certain)


def sharpen(volume: NDArray, mask: NDArray, strength: float = SHARPENING) -> NDArray:
    """Sharpen the white matter by the gain on Haar coefficients of groups of similar blocks.

    Parameters
    ----------
    volume : (z, y, x) float32
    mask : (z, y, x) bool
    strength : float
        1 gives the volume back.

    Returns
    -------
    (z, y, x) float32
        Unchanged outside the mask.

    Raises
    ------
    DataError
        If volume or mask cannot be used.
    """
    box, inside, within = filtered_box(volume, mask, _EDGE + _REACH)
    noise = noise_deviation(inside, within)
    seekers = _seekers(within)
    total, count = np.zeros_like(inside), np.zeros_like(inside)
    for start in range(0, len(seekers), _CHUNK):
        corners = _similar(inside, seekers[start : start + _CHUNK])
        groups = _gathered(inside, corners)
        levels = pywt.wavedecn(groups, "haar", mode="periodization", level=2, axes=_AXES)
        for details in levels[1:]:
            for name, values in details.items():
                details[name] = gain(values, noise, strength)
        _scatter(total, count, corners, pywt.waverecn(levels, "haar", mode="periodization", axes=_AXES))
    sharp = volume.astype(np.float32, copy=True)
    covered = within & (count > 0)
    sharp[box][covered] = np.maximum(total[covered] / count[covered], 0)  # a magnitude
    return sharp


def _seekers(mask: NDArray) -> NDArray:
    """Corners (n, 3) of blocks on a coarse grid that hold voxels of the mask; the last ones touch the border."""
    axes = [np.unique([*range(0, size - _EDGE, _STRIDE), size - _EDGE]) for size in mask.shape]
    corners = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    return corners[_touching(mask, corners)]


@numba.njit(cache=True, nogil=True)
def _touching(mask: NDArray, corners: NDArray) -> NDArray:
    found = np.zeros(len(corners), dtype=np.bool_)
    for number in range(len(corners)):
        z, y, x = corners[number]
        found[number] = mask[z : z + _EDGE, y : y + _EDGE, x : x + _EDGE].any()
    return found


@numba.njit(cache=True, nogil=True)
def _similar(volume: NDArray, seekers: NDArray) -> NDArray:
    """Corners (n, 8, 3) of the most similar blocks, the seeker first."""
    found = np.zeros((len(seekers), _MEMBERS, 3), dtype=np.int64)
    best = np.empty(_MEMBERS)
    last = np.array(volume.shape) - _EDGE
    for number in range(len(seekers)):
        seeker, best[:] = seekers[number], np.inf
        low, high = np.maximum(seeker - _REACH, 0), np.minimum(seeker + _REACH, last) + 1
        for a in range(low[0], high[0]):
            for b in range(low[1], high[1]):
                for c in range(low[2], high[2]):
                    distance = _distance(volume, seeker, (a, b, c), best[-1])
                    _insert(best, found[number], distance, (a, b, c))
    return found


@numba.njit(cache=True, nogil=True)
def _distance(volume: NDArray, one: NDArray, other: tuple[int, int, int], enough: float) -> float:
    """Sum of squared differences of two blocks; any number beyond ``enough`` once it is reached."""
    total = 0.0
    for i in range(_EDGE):
        for j in range(_EDGE):
            for k in range(_EDGE):
                difference = (
                    volume[one[0] + i, one[1] + j, one[2] + k] - volume[other[0] + i, other[1] + j, other[2] + k]
                )
                total += difference * difference
        if total >= enough:
            break
    return total


@numba.njit(cache=True, nogil=True)
def _insert(best: NDArray, corners: NDArray, distance: float, corner: tuple[int, int, int]) -> None:
    """Put a block in its place among the most similar ones, if it is one of them."""
    place = len(best)
    while place > 0 and distance < best[place - 1]:
        place -= 1
    if place == len(best):
        return
    for later in range(len(best) - 1, place, -1):
        best[later], corners[later] = best[later - 1], corners[later - 1]
    best[place] = distance
    corners[place, 0], corners[place, 1], corners[place, 2] = corner


def _gathered(volume: NDArray, corners: NDArray) -> NDArray:
    blocks = np.lib.stride_tricks.sliding_window_view(volume, (_EDGE,) * 3)
    return blocks[corners[..., 0], corners[..., 1], corners[..., 2]]


@numba.njit(cache=True, nogil=True)
def _scatter(total: NDArray, count: NDArray, corners: NDArray, groups: NDArray) -> None:
    for number in range(corners.shape[0]):
        for member in range(corners.shape[1]):
            z, y, x = corners[number, member]
            total[z : z + _EDGE, y : y + _EDGE, x : x + _EDGE] += groups[number, member]
            count[z : z + _EDGE, y : y + _EDGE, x : x + _EDGE] += 1
