"""Whether two tubes side by side are still two in a volume: a network that thickens them makes them one."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

RAYLEIGH = 0.26
"""Least depth of the valley between two equal points that are told apart, over the height of their peaks."""

_SAMPLES = np.linspace(-0.5, 1.5, 81)
"""Places across the pair: the first tube is at 0, the second at 1."""


def valley_depth(volume: NDArray, first: NDArray, second: NDArray) -> float:
    """Depth of the valley between two parallel tubes, of the mean profile across them.

    Parameters
    ----------
    volume : (z, y, x) float32
    first, second : (points, 3) float64
        Centrelines in voxels, point beside point.

    Returns
    -------
    float
        1 where the volume between them is as dark as beside them, 0 where there is no valley, or no tube.
    """
    places = first + _SAMPLES[:, None, None] * (second - first)  # p(s) = a + s (b − a)
    profile = map_coordinates(volume, places.reshape(-1, 3).T, order=1, mode="nearest")
    profile = profile.reshape(len(_SAMPLES), -1).mean(axis=1)
    base = min(profile[0], profile[-1])
    peaks = [profile[np.abs(_SAMPLES - place) <= 0.2].max() - base for place in (0, 1)]
    lowest = profile[np.abs(_SAMPLES - 0.5) <= 0.2].min() - base
    return float(np.clip(1 - lowest / min(peaks), 0, 1)) if min(peaks) > 0 else 0.0
