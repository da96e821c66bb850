"""A picture of organs by each method beside the truth, in three planes."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from gadgets.evaluation.image_tasks.segmentation import Outlines
from gadgets.files import complete_file
from gadgets.reports.image_tasks.task_page import label_colours

_OPACITY = 0.55
"""Of labels over the image."""


def write_segmentation_picture(result: Outlines, path: Path) -> Path:
    """Draw the last volume: the image, the true organs and those of each method, over it.

    Parameters
    ----------
    result : Outlines
    path : Path
        PNG to write.

    Returns
    -------
    Path
    """
    subject, maps = result.last_subject, result.last_maps
    if subject is None:
        raise ValueError("nothing was evaluated, so that there is nothing to draw")
    columns: dict[str, NDArray | None] = {"image": None, "truth": subject.labels, **maps}
    organs = (subject.labels > 0).sum
    places = [int(np.argmax(organs(axis=tuple({0, 1, 2} - {axis})))) for axis in range(3)]
    heights = [
        _plane(subject.image, axis, places[axis]).shape[0] * _edges(subject.spacing_mm, axis)[0] for axis in range(3)
    ]
    figure = Figure(figsize=(3 * len(columns) + 1.6, 8), layout="constrained")
    panels = figure.subplots(3, len(columns), squeeze=False, height_ratios=heights)
    colours = label_colours(len(subject.organs))
    for column, (method, labels) in zip(panels.T, columns.items(), strict=True):
        column[0].set_title(method)
        for axis, axes in enumerate(column):
            dy, dx = _edges(subject.spacing_mm, axis)
            shown = {"aspect": dy / dx, "origin": "upper" if axis == 0 else "lower"}
            axes.imshow(_plane(subject.image, axis, places[axis]), cmap="gray", **shown)
            if labels is not None:
                plane = _plane(labels, axis, places[axis])
                drawn = np.ma.masked_equal(plane, 0)
                axes.imshow(
                    drawn,
                    cmap=colours,
                    vmin=-0.5,
                    vmax=len(subject.organs) - 0.5,
                    alpha=_OPACITY,
                    interpolation="nearest",
                    **shown,
                )
            axes.axis("off")
    patches = [Patch(color=colours(number), label=organ) for number, organ in enumerate(subject.organs) if number]
    figure.legend(handles=patches, loc="outside right center", fontsize=8)
    with complete_file(path) as partial:
        figure.savefig(partial, dpi=80, format="png")
    return path


def _plane(volume: NDArray, axis: int, place: int) -> NDArray:
    """Axial, coronal or sagittal plane (rows, columns)."""
    return np.take(volume, place, axis=axis)


def _edges(spacing_mm: tuple[float, float, float], axis: int) -> tuple[float, float]:
    """Distance of rows and of columns of a plane."""
    first, second = (edge for other, edge in enumerate(spacing_mm) if other != axis)
    return first, second
