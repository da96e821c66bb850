"""How deep a stenosis looks in a volume: from the blood in cross-sections, whatever the blur."""

import numpy as np
from numpy.typing import NDArray

from recon.quality.cross_sections import RING_STEP, ring_radii, signal_on_rings


def apparent_depth(volume: NDArray, centreline: NDArray, throat: int, reference: int, reach: float) -> float:
    """Share of the diameter that is lost between a reference cross-section and the throat.

    The lumen's area is the blood in the cross-section, ``Σ (signal − surroundings)`` over the signal of a full voxel,
    which blur spreads but does not change; the diameter goes with its root.

    Parameters
    ----------
    volume : (z, y, x) float32
    centreline : (points, 3) float64
        (z, y, x) in voxels.
    throat, reference : int
        Points of the centreline.
    reach : float
        Radius in voxels within which the lumen and its blur lie.

    Returns
    -------
    float
        0: as wide as the reference; 1: closed. Not a number if the reference shows no blood.
    """
    areas = [blood_in_section(volume, centreline, point, reach) for point in (throat, reference)]
    if areas[1] <= 0:
        return float("nan")
    return float(1 - np.sqrt(max(areas[0], 0) / areas[1]))


def blood_in_section(volume: NDArray, centreline: NDArray, point: int, reach: float) -> float:
    """Signal over the surroundings in a cross-section, summed: the lumen's area times the signal of blood.

    Parameters
    ----------
    volume : (z, y, x) float32
    centreline : (points, 3) float64
        (z, y, x) in voxels.
    point : int
    reach : float
        Radius in voxels within which the lumen and its blur lie.

    Returns
    -------
    float
    """
    radii = ring_radii(reach)
    signal = signal_on_rings(volume, centreline, point, reach)
    surroundings = np.median(signal[radii > reach])
    inside = radii <= reach
    rings = (signal[inside] - surroundings).mean(axis=1) * 2 * np.pi * radii[inside] * RING_STEP
    return float(rings.sum())
