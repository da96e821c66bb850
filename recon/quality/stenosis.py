"""How deep a stenosis looks in a volume: from the blood in cross-sections, whatever the blur."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

# Directions around the centreline along which the signal is read, 15 degrees apart.
_RAYS = 24
# Distance of the samples along a ray, in voxels.
_STEP = 0.25


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
    areas = [_blood(volume, centreline, point, reach) for point in (throat, reference)]
    if areas[1] <= 0:
        return float("nan")
    return float(1 - np.sqrt(max(areas[0], 0) / areas[1]))


def _blood(volume: NDArray, centreline: NDArray, point: int, reach: float) -> float:
    low, high = max(point - 2, 0), min(point + 2, len(centreline) - 1)
    along = centreline[high] - centreline[low]
    along = along / max(np.linalg.norm(along), 1e-9)
    across = np.cross(along, np.eye(3)[int(np.argmin(np.abs(along)))])
    across = across / np.linalg.norm(across)
    other = np.cross(along, across)
    angles = 2 * np.pi * np.arange(_RAYS) / _RAYS
    radii = np.arange(0, reach + 1, _STEP) + _STEP / 2
    directions = np.cos(angles)[:, None] * across + np.sin(angles)[:, None] * other
    points = centreline[point] + radii[:, None, None] * directions
    signal = map_coordinates(volume, points.reshape(-1, 3).T, order=1, mode="nearest").reshape(len(radii), _RAYS)
    surroundings = np.median(signal[radii > reach])
    inside = radii <= reach
    rings = (signal[inside] - surroundings).mean(axis=1) * 2 * np.pi * radii[inside] * _STEP
    return float(rings.sum())
