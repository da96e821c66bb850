"""Slices in the order of their positions: one rule for slices of a stream and for slices in files."""

import numpy as np
from numpy.typing import NDArray

from nets.data.formats.errors import VolumeError

# Slices of one series differ by less than this in each direction cosine (0.06 degrees).
_SAME_DIRECTION = 1e-3
# Slice distances may differ by this share from their median; more is a gap or a double.
_EVEN_SPACING = 0.02
# Positions are written with a few decimals; slices that are nearer than this lie at one place.
_SAME_PLACE_MM = 1e-3


def check_directions(directions: NDArray, name: str) -> None:
    """Refuse slices that are turned against each other.

    Parameters
    ----------
    directions : (slices, n) float
        Direction cosines of each slice.
    name : str
        Of the series, for the error.

    Raises
    ------
    VolumeError
    """
    if np.abs(directions - directions[0]).max() > _SAME_DIRECTION:
        raise VolumeError(f"{name} has slices of different directions; give one orientation for each series")


def are_doubled(along_mm: NDArray) -> bool:
    """Whether two slices lie at one place.

    Parameters
    ----------
    along_mm : (slices,) float
        Positions along the normal.
    """
    steps = np.diff(np.sort(along_mm))
    return bool(len(steps)) and bool(steps.min() < _closest_mm(steps))


def _closest_mm(steps: NDArray) -> float:
    apart = steps[steps > _SAME_PLACE_MM]
    return max(_SAME_PLACE_MM, _EVEN_SPACING * float(np.median(apart))) if len(apart) else _SAME_PLACE_MM


def slice_order(along_mm: NDArray, name: str) -> tuple[NDArray, float | None]:
    """Sort slices along their normal.

    Parameters
    ----------
    along_mm : (slices,) float
        Positions along the normal.
    name : str
        Of the series, for the error.

    Returns
    -------
    (slices,) int, float or None
        Their order, and their distance in mm; None for a single slice.

    Raises
    ------
    VolumeError
        If two lie at one place, or one is missing in between.
    """
    order = np.argsort(along_mm, kind="stable")
    if len(along_mm) == 1:
        return order, None
    places = along_mm[order]
    steps = np.diff(places)
    if are_doubled(along_mm):
        raise VolumeError(f"{name} has two slices at {places[int(np.argmin(steps))]:.2f} mm; give each once")
    step = float(np.median(steps))
    gaps = np.flatnonzero(np.abs(steps - step) > max(_EVEN_SPACING * step, _SAME_PLACE_MM))
    if len(gaps):
        raise VolumeError(
            f"{name} lacks slices: {len(places)} came, every {step:.3g} mm, but the one after {places[gaps[0]]:.2f} mm "
            f"lies {steps[gaps[0]]:.3g} mm further; give all slices"
        )
    return order, step
