"""Regions of the simulated body in which T1 is compared with the truth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from recon.relaxometry.t1 import T1Map

# Segments of the left ventricle's wall, as in the AHA model of a mid-ventricular slice.
_SEGMENTS = 6
# Regions of fewer voxels are not compared: their median is too noisy.
_LEAST_VOXELS = 8
# Side of the blocks, in voxels, whose medians the Bland-Altman plot compares.
_BLOCK = 8
_SHAPES = {
    "left ventricle": "blood",
    "right ventricle": "blood",
    "aorta": "blood",
    "liver": "liver",
}


@dataclass(frozen=True)
class Region:
    """A region of one tissue, its outermost voxels removed.

    Attributes
    ----------
    name, tissue : str
    t1_ms, true_t1_ms : float
        Median over the region.
    """

    name: str
    tissue: str
    t1_ms: float
    true_t1_ms: float


def compare_regions(t1_map: T1Map, true_t1_ms: NDArray, shape: NDArray, names: list[str]) -> list[Region]:
    """Median T1 of ventricles, aorta, liver and six segments of the left ventricle's wall.

    Parameters
    ----------
    t1_map : T1Map
    true_t1_ms : (N, N) float
    shape : (N, N) int
        Number of the innermost shape at each voxel.
    names : list of str
        Names of the shapes, by number.

    Returns
    -------
    list of Region
    """
    masks = {name: (tissue, shape == names.index(name)) for name, tissue in _SHAPES.items() if name in names}
    regions = []
    for name, (tissue, mask) in masks.items():
        regions += _region(name, tissue, binary_erosion(mask), t1_map, true_t1_ms)
    if "left ventricle wall" not in names:
        return regions  # a body without a heart
    wall = shape == names.index("left ventricle wall")
    rows, columns = np.indices(wall.shape)
    angle = np.arctan2(rows - rows[wall].mean(), columns - columns[wall].mean())
    inner = binary_erosion(wall)
    segment = np.floor((angle + np.pi) / (2 * np.pi) * _SEGMENTS).astype(int) % _SEGMENTS
    for number in range(_SEGMENTS):
        mask = inner & (segment == number)
        regions += _region(f"wall segment {number + 1}", "myocardium", mask, t1_map, true_t1_ms)
    if "infarct" in names:
        regions += _region("infarct", "infarct", shape == names.index("infarct"), t1_map, true_t1_ms)
    return regions


def _region(name: str, tissue: str, mask: NDArray, t1_map: T1Map, true_t1_ms: NDArray) -> list[Region]:
    if np.count_nonzero(mask) < _LEAST_VOXELS:
        return []
    return [Region(name, tissue, float(np.median(t1_map.t1_ms[mask])), float(np.median(true_t1_ms[mask])))]


def block_medians(values: NDArray, reference: NDArray) -> NDArray:
    """Medians of two maps over blocks of 8×8 voxels that both filled: ``(blocks, 2)`` float."""
    size = values.shape[0] // _BLOCK * _BLOCK
    blocks = [
        np.moveaxis(image[:size, :size].reshape(size // _BLOCK, _BLOCK, -1, _BLOCK), 2, 1).reshape(-1, _BLOCK**2)
        for image in (values, reference)
    ]
    filled = np.all((blocks[0] > 0) & (blocks[1] > 0), axis=1)
    return np.stack([np.median(block[filled], axis=1) for block in blocks], axis=1)
