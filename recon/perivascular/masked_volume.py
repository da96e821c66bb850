"""A volume and its mask: what they must be, the box around them, and what stands in for the rest."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from recon.errors import DataError

_SURROUNDINGS = 3.0
"""Standard deviation, in voxels, of the weights with which a mask's voxels continue outside of it."""


def check_volume(volume: NDArray) -> None:
    """Refuse what is no magnitude of a body.

    Parameters
    ----------
    volume : (z, y, x) float

    Raises
    ------
    DataError
        If it has another number of axes, NaN or Inf, negative voxels, or no contrast.
    """
    if volume.ndim != 3 or min(volume.shape) < 8:
        raise DataError(f"shape {volume.shape} is no volume; give (z, y, x) with 8 voxels or more along each axis")
    bad = int(np.count_nonzero(~np.isfinite(volume)))
    if bad:
        raise DataError(f"{bad} voxels are NaN or Inf; export the volume again")
    if volume.min() < 0:
        raise DataError(f"the volume is signed, down to {volume.min():.4g}; give a magnitude")
    if volume.min() == volume.max():
        raise DataError(f"all voxels are {volume.max():.4g}: there is nothing to see; check the export")


def check_mask(mask: NDArray, volume: NDArray) -> None:
    """Refuse a mask that does not belong to a volume.

    Parameters
    ----------
    mask : (z, y, x) bool
    volume : (z, y, x) float

    Raises
    ------
    DataError
        If the shapes differ, or the mask is empty.
    """
    if mask.shape != volume.shape:
        sizes = ("x".join(map(str, each.shape)) for each in (mask, volume))
        raise DataError("the mask has {} voxels, the volume {}; give a mask on the volume's grid".format(*sizes))
    if not mask.any():
        raise DataError("the mask is empty; give one of white matter, or mask=auto")


def box_of(mask: NDArray, margin: int) -> tuple[slice, ...]:
    """Smallest box around a mask, with a margin as far as the volume goes.

    Parameters
    ----------
    mask : (z, y, x) bool
        Not empty.
    margin : int

    Returns
    -------
    (3,) tuple of slice
    """
    places = np.argwhere(mask)
    low, high = np.maximum(places.min(axis=0) - margin, 0), places.max(axis=0) + margin + 1
    return tuple(slice(int(a), int(min(b, size))) for a, b, size in zip(low, high, mask.shape, strict=True))


def continued(volume: NDArray, mask: NDArray) -> NDArray:
    """Replace what lies outside a mask by a mean of the mask's voxels nearby, so that filters meet no foreign edge.

    Parameters
    ----------
    volume : (z, y, x) float32
    mask : (z, y, x) bool
        Not empty.

    Returns
    -------
    (z, y, x) float32
    """
    weight = gaussian_filter(mask.astype(np.float32), _SURROUNDINGS)
    total = gaussian_filter(np.where(mask, volume, 0).astype(np.float32), _SURROUNDINGS)
    far = np.float32(np.median(volume[mask]))
    around = np.where(weight > 1e-3, total / np.maximum(weight, 1e-3), far)
    return np.where(mask, volume, around).astype(np.float32)


def filtered_box(volume: NDArray, mask: NDArray, margin: int) -> tuple[tuple[slice, ...], NDArray, NDArray]:
    """What a filter within a mask works on.

    Parameters
    ----------
    volume : (z, y, x) float
    mask : (z, y, x) bool
    margin : int
        How far the filter looks, in voxels.

    Returns
    -------
    (3,) tuple of slice
        From :func:`box_of`.
    (z, y, x) float32
        The volume there, from :func:`continued`.
    (z, y, x) bool
        The mask there.

    Raises
    ------
    DataError
        If volume or mask cannot be used.
    """
    check_volume(volume)
    check_mask(mask, volume)
    box = box_of(mask, margin)
    within = np.ascontiguousarray(mask[box])
    return box, continued(volume[box], within), within
