"""Picture of an evaluation: one plane by every method."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from gadgets.evaluation.super_resolution import ORIGINAL, Evaluation
from gadgets.files import complete_file
from gadgets.reports.page import png_of

# Volumes with fewer slices than this share of their rows are thin: the plane through the slices is a strip.
_THIN = 1 / 3


def write_picture(result: Evaluation, path: Path) -> Path:
    """Draw a plane by every method, with its middle enlarged, as in figure 5.2.

    It is a plane that was cut both ways (z, y), of thin volumes a slice (y, x). It goes through the middle of the
    signal, and so does what is enlarged: most contrast lies at the edge of a head.
    """
    slices, rows = result.last_volumes[ORIGINAL].shape[:2]
    first = 0 if slices < _THIN * rows else 2
    methods = {name: np.moveaxis(volume, first, 0) for name, volume in result.last_volumes.items()}
    true = methods[ORIGINAL]
    plane, *centre = (_middle(true, axis) for axis in range(3))
    height, width = true[plane].shape
    figure = Figure(figsize=(2.3 * len(methods), 0.4 + 2 * 2.3 * height / width), layout="constrained")
    panels = figure.subplots(2, len(methods))
    peak = float(np.percentile(true[plane], 99.8))
    around = tuple(_around(middle, size) for middle, size in zip(centre, (height, width), strict=True))
    for column, (name, planes) in zip(panels.T, methods.items(), strict=True):
        for axes, picture in zip(column, (planes[plane], planes[plane][around]), strict=True):
            axes.imshow(picture, cmap="gray", vmin=0, vmax=peak)
            axes.axis("off")
        column[0].set_title(name, fontsize=9)
    with complete_file(path) as partial:
        partial.write_bytes(png_of(figure))
    return path


def _middle(volume: NDArray, axis: int) -> int:
    """Where half of the signal lies to either side along an axis."""
    profile = np.abs(volume).sum(axis=tuple(other for other in range(3) if other != axis))
    return int(np.searchsorted(np.cumsum(profile), 0.5 * profile.sum()))


def _around(middle: int, size: int) -> slice:
    """Half of an axis around a place, within the volume."""
    length = size // 2
    start = min(max(0, middle - length // 2), size - length)
    return slice(start, start + length)
