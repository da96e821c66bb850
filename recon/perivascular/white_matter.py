"""White matter of a T2-weighted brain, found by its brightness: what most of the middle of a head is."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import (
    binary_closing,
    binary_dilation,
    binary_fill_holes,
    binary_opening,
    distance_transform_edt,
    generate_binary_structure,
    label,
    median_filter,
)
from skimage.filters import threshold_otsu

from recon.errors import DataError
from recon.perivascular.masked_volume import check_volume

_ROUNDS = 4
"""Threshold and shading are found in turn; more rounds change little."""
_LEAST, _MOST = 0.02, 0.9
"""Share of the head's voxels that can be white matter."""
_BODY = 0.35
"""Brightness over the Otsu threshold above which a voxel is of the head: white matter is darker than fluid by far."""
_MIDDLE = 0.4
"""Depth below the scalp, over the greatest, beyond which most of a head is white matter."""
_BRIGHTER = 1.05
"""Brightness of what surrounds white matter, over its own: in T2-weighted images grey matter and fluid are brighter, in
T1-weighted ones darker; in FLAIR the fluid is.
"""
_FEWEST = 500
"""Voxels in the middle of a head that statistics need."""
_SPECK = 3
"""Voxels along an axis of the median that takes noise and thin tubes away before brightness is judged."""
_SPREADS, _WIDTH = 4.0, (0.15, 0.25)
"""Tissue lies within so many robust deviations of its brightness, and at least and at most so far from it: grey matter
at 7 T is 40 to 70 % brighter.
"""
_LARGEST_HOLE = 600
"""Voxels: a ball of a radius of five, 2.5 mm at voxels of 0.5 mm; ventricles have ten times as many."""
_ROUND = generate_binary_structure(3, 1)


def find_white_matter(volume: NDArray) -> NDArray:
    """Find white matter without any other image.

    The most frequent brightness in the middle of the head is that of white matter; its darker half tells how wide it
    spreads. A shading of the second degree is fitted to the logarithm of what was found, and both are found anew.
    Bright spots within the white matter are of it: they are what is sought.

    Parameters
    ----------
    volume : (z, y, x) float
        T2-weighted magnitude of a head.

    Returns
    -------
    (z, y, x) bool

    Raises
    ------
    DataError
        If the volume cannot be used, or what is found is no white matter: too little, nearly all of the head, or not
        darker than what surrounds it.
    """
    check_volume(volume)
    volume = median_filter(volume, _SPECK)
    head = volume > _BODY * threshold_otsu(volume[volume > 0]) if volume.any() else volume > 0
    depth = distance_transform_edt(binary_fill_holes(head))
    middle = head & (depth > _MIDDLE * depth.max())
    if middle.sum() < _FEWEST:
        raise _unfound("the volume is nearly empty")
    shading = np.ones(volume.shape, dtype=np.float32)
    for _ in range(_ROUNDS):
        found = _tissue_of_the_middle(volume / shading, middle, head)
        share = found.sum() / head.sum()
        if share < _LEAST:
            raise _unfound(f"it would be {share:.1%} of the head")
        shading = _shading(volume, found)
    mask = _without_holes(found)
    if mask.sum() > _MOST * head.sum():
        raise _unfound(f"it would be {mask.sum() / head.sum():.0%} of the head")
    ring = binary_dilation(mask, _ROUND, iterations=3) & ~binary_dilation(mask, _ROUND) & head
    around = float(np.median((volume / shading)[ring])) if ring.any() else 0.0
    if around < _BRIGHTER * float(np.median((volume / shading)[mask])):
        raise _unfound("what surrounds it is not brighter")
    return mask


def _unfound(reason: str) -> DataError:
    return DataError(
        f"white matter cannot be found: {reason}. Automatic masks need a T2-weighted head, whose white matter is "
        "darker than grey; give a mask"
    )


def _tissue_of_the_middle(flat: NDArray, middle: NDArray, head: NDArray) -> NDArray:
    """Largest connected part of what is as bright as the middle of the head, cut from thin bridges to the scalp."""
    level = _most_frequent(flat[middle])
    darker = flat[middle & (flat > level / 2) & (flat <= level)]
    spread = float(np.median(level - darker)) / 0.6745 / level  # the darker half is white matter alone
    width = float(np.clip(_SPREADS * spread, *_WIDTH))
    inside = binary_opening(head & (np.abs(flat / level - 1) < width), _ROUND, iterations=2)
    parts, count = label(inside, _ROUND)
    if not count:
        raise _unfound("no tissue holds together")
    sizes = np.bincount(parts[middle], minlength=count + 1)
    sizes[0] = 0
    return parts == int(np.argmax(sizes))


def _most_frequent(values: NDArray) -> float:
    """Peak of the histogram of the logarithm."""
    counts, edges = np.histogram(np.log(values[values > 0]), bins=96)
    peak = int(np.argmax(np.convolve(counts, np.ones(5) / 5, mode="same")))
    return float(np.exp((edges[peak] + edges[peak + 1]) / 2))


def _shading(volume: NDArray, tissue: NDArray) -> NDArray:
    """Polynomial of the second degree through the logarithm of a tissue, over its median."""
    axes = [np.linspace(-1, 1, size, dtype=np.float32) for size in volume.shape]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    terms = [np.broadcast_to(term, volume.shape) for term in (z, y, x, z * y, z * x, y * x, z * z, y * y, x * x)]
    columns = np.stack([term[tissue] for term in terms] + [np.ones(int(tissue.sum()), dtype=np.float32)], axis=1)
    target = np.log(np.maximum(volume[tissue], 1e-12))
    solution, *_ = np.linalg.lstsq(columns, target, rcond=None)
    fitted = sum(weight * term for weight, term in zip(solution, terms, strict=False))
    return np.exp(np.clip(fitted, -0.7, 0.7)).astype(np.float32)  # beyond a factor of 2 it is an extrapolation


def _without_holes(found: NDArray) -> NDArray:
    """Close what is narrow: perivascular spaces and lacunes; not ventricles, which are large."""
    closed = binary_closing(np.pad(found, 3), _ROUND, iterations=2)[3:-3, 3:-3, 3:-3]
    holes, count = label(binary_fill_holes(closed) & ~closed, _ROUND)
    if count:
        sizes = np.bincount(holes.ravel())
        small = (sizes < _LARGEST_HOLE) & (np.arange(len(sizes)) > 0)
        closed |= small[holes]
    return closed
