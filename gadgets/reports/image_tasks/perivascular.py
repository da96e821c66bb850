"""A picture of perivascular spaces by each method, side by side."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from gadgets.evaluation.image_tasks.perivascular import LABELS, PerivascularEvaluation
from gadgets.files import complete_file

_BRIGHTEST = 2.2
"""Upper end of the greys, over the brightness of white matter: spaces have up to 2.5 times as much."""
_SLAB = 5
"""Slices of the projection in the second row."""


def write_perivascular_picture(result: PerivascularEvaluation, path: Path) -> Path:
    """Draw the last subject by each method, all on one scale: one slice, and below it the maximum of five.

    Parameters
    ----------
    result : PerivascularEvaluation
    path : Path
        PNG to write.

    Returns
    -------
    Path
    """
    volumes, mask = result.last_volumes, result.last_mask
    level = float(np.median(volumes[LABELS[0]][mask]))
    place = int(np.argmax(mask.sum(axis=(1, 2))))
    slab = slice(max(0, place - _SLAB // 2), place + _SLAB // 2 + 1)
    rows, columns = (np.flatnonzero(mask[slab].any(axis=(0, other))) for other in (2, 1))
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    figure = Figure(figsize=(2.4 * len(volumes), 5.2), layout="constrained")
    panels = figure.subplots(2, len(volumes), squeeze=False)
    for column, (method, volume) in zip(panels.T, volumes.items(), strict=True):
        for axes, plane in zip(column, (volume[place], volume[slab].max(axis=0)), strict=True):
            axes.imshow(plane[box] / level, vmin=0, vmax=_BRIGHTEST, cmap="gray")
            axes.axis("off")
        column[0].set_title(method)
    with complete_file(path) as partial:
        figure.savefig(partial, dpi=90, format="png")
    return path
