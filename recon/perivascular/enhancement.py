"""A volume with perivascular spaces, from a magnitude to what is shown and counted."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recon.errors import DataError
from recon.perivascular.masked_volume import check_mask, check_volume
from recon.perivascular.tubes import TUBENESS_THRESHOLD, SpacesFound, find_spaces, tubeness
from recon.perivascular.white_matter import find_white_matter

Enhancer = Callable[[NDArray, NDArray], NDArray]
"""Volume and mask → the volume, enhanced within the mask: a network, or a classical filter."""

_TOLERANCE = 0.1
"""By how much voxels may be smaller or larger than any that a network was trained on."""


@dataclass(frozen=True)
class Enhancement:
    """What is found in a volume.

    Attributes
    ----------
    enhanced : (z, y, x) float32
        The volume itself outside the mask, bit for bit.
    response : (z, y, x) float32
        Map of bright tubes in the enhanced volume, over the brightness of white matter.
    mask : (z, y, x) bool
    mask_source : str
        ``given`` or ``auto``.
    spaces : SpacesFound
    """

    enhanced: NDArray
    response: NDArray
    mask: NDArray
    mask_source: str
    spaces: SpacesFound


def check_voxels(voxel_mm: tuple[float, float, float], trained_mm: tuple[float, float]) -> None:
    """Refuse voxels that a network does not know: tubes would be thicker or thinner than any it has seen.

    Parameters
    ----------
    voxel_mm : (3,) tuple of float
        Edges along z, y, x.
    trained_mm : (2,) tuple of float
        Smallest and largest edge in the training.

    Raises
    ------
    DataError
    """
    least, most = trained_mm[0] * (1 - _TOLERANCE), trained_mm[1] * (1 + _TOLERANCE)
    if not all(least <= edge <= most for edge in voxel_mm):
        edges = " x ".join(f"{edge:.3g}" for edge in voxel_mm)
        raise DataError(
            f"voxels of {edges} mm (z, y, x), but the network was trained on {trained_mm[0]:g} to {trained_mm[1]:g} "
            "mm; use weights for this size, or set mismatch=warn"
        )


def enhance_spaces(
    volume: NDArray,
    voxel_mm: tuple[float, float, float],
    enhancer: Enhancer,
    mask: NDArray | None = None,
    threshold: float = TUBENESS_THRESHOLD,
) -> Enhancement:
    """Enhance perivascular spaces in white matter, map and count them.

    Parameters
    ----------
    volume : (z, y, x) float32
        T2-weighted magnitude.
    voxel_mm : (3,) tuple of float
    enhancer : callable
    mask : (z, y, x) bool, optional
        White matter. Default: found by brightness.
    threshold : float
        On the map.

    Returns
    -------
    Enhancement

    Raises
    ------
    DataError
        If volume, mask or voxels cannot be used, or white matter cannot be found.
    """
    check_volume(volume)
    if not all(np.isfinite(edge) and edge > 0 for edge in voxel_mm):
        raise DataError(f"voxels of {voxel_mm} mm are impossible; correct the field of view in the header")
    source, inside = ("auto", find_white_matter(volume)) if mask is None else ("given", mask)
    check_mask(inside, volume)
    enhanced = enhancer(volume, inside)
    response = tubeness(enhanced, inside)
    return Enhancement(enhanced, response, inside, source, find_spaces(response, inside, voxel_mm, threshold))
