"""A map of bright tubes in white matter, and the perivascular spaces in it: how many, and how large."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_fill_holes, distance_transform_edt, find_objects, label
from skimage.filters import sato

from recon.perivascular.masked_volume import check_mask, filtered_box

TUBENESS_THRESHOLD = 0.06
"""Response, over the brightness of white matter, above which a voxel is of a perivascular space.

A straight tube of a voxel's radius responds with about a quarter of its contrast. In simulated brains without any
space, noise of an SNR of 12 and more made no slender part above this value, 0.2 per cm³ above 0.04.
"""

_WIDTHS = (0.7, 1.0, 1.5)
"""Standard deviations of the filters in voxels: tubes of a radius of half a voxel to two."""
_FEWEST = 5
"""Voxels of a space: fewer have no direction."""
_SLENDER = 2.0
"""Length over width below which a bright spot is a lacune or noise; a ball has 0.8."""
_TOUCHING = np.ones((3, 3, 3), dtype=bool)
_NEAR = np.ones((5, 5, 5), dtype=bool)
_MARGIN = 8
"""Voxels around a mask that filters see: five deviations of the widest."""


@dataclass(frozen=True)
class SpacesFound:
    """Perivascular spaces of a volume.

    Attributes
    ----------
    labels : (z, y, x) int32
        Number of the space that a voxel is of, from 1; 0 for none.
    count : int
    volume_ml : float
        Of all of them.
    white_matter_ml : float
        Of the mask.
    threshold : float
        On the map.
    """

    labels: NDArray
    count: int
    volume_ml: float
    white_matter_ml: float
    threshold: float

    @property
    def per_cm3(self) -> float:
        """Spaces in a cubic centimetre of white matter."""
        return self.count / self.white_matter_ml


def tubeness(volume: NDArray, mask: NDArray) -> NDArray:
    """How much each voxel of white matter is part of a bright tube (Sato 1998), over the brightness of white matter.

    Parameters
    ----------
    volume : (z, y, x) float32
    mask : (z, y, x) bool

    Returns
    -------
    (z, y, x) float32
        Zero outside the mask; not negative.

    Raises
    ------
    DataError
        If volume or mask cannot be used.
    """
    box, inside, within = filtered_box(volume, mask, _MARGIN)
    level = float(np.median(volume[mask]))
    response = sato(inside / np.float32(max(level, 1e-12)), sigmas=_WIDTHS, black_ridges=False)
    found = np.zeros(volume.shape, dtype=np.float32)
    found[box] = np.where(within, response, 0)
    return found


def find_spaces(
    response: NDArray, mask: NDArray, voxel_mm: tuple[float, float, float], threshold: float = TUBENESS_THRESHOLD
) -> SpacesFound:
    """Count connected, slender parts of a map above a threshold.

    Parameters
    ----------
    response : (z, y, x) float32
        From :func:`tubeness`.
    mask : (z, y, x) bool
    voxel_mm : (3,) tuple of float
    threshold : float

    Returns
    -------
    SpacesFound

    Raises
    ------
    DataError
        If the mask is empty or of another shape.
    """
    check_mask(mask, response)
    parts, count = label((response > threshold) & mask, _TOUCHING)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    windows = find_objects(parts)
    large = [number for number in range(1, count + 1) if sizes[number] >= _FEWEST]
    kept = [number for number in large if _is_slender(parts[windows[number - 1]] == number)]
    renumbered = np.zeros(count + 1, dtype=np.int32)
    renumbered[kept] = np.arange(1, len(kept) + 1)
    labels = renumbered[parts]
    voxel_ml = float(np.prod(voxel_mm)) / 1000
    return SpacesFound(
        labels, len(kept), int((labels > 0).sum()) * voxel_ml, int(mask.sum()) * voxel_ml, float(threshold)
    )


def _is_slender(part: NDArray) -> bool:
    """Whether a part, in its own box, is much longer than it is wide anywhere; several tubes that meet are, too."""
    padded = binary_fill_holes(np.pad(part, 1))  # the map of a lacune is a shell
    width = 2 * float(distance_transform_edt(padded).max())
    variances = np.linalg.eigvalsh(np.cov(np.argwhere(padded).T))
    return float(np.sqrt(12 * variances[-1])) >= _SLENDER * width  # of a rod: its length


def near_spaces(bright: NDArray, mask: NDArray) -> NDArray:
    """White matter near perivascular spaces: their voxels, dilated by a box of 5³ voxels (Jung 2019).

    Parameters
    ----------
    bright, mask : (z, y, x) bool

    Returns
    -------
    (z, y, x) bool
    """
    return binary_dilation(bright, _NEAR) & mask
