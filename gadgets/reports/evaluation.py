"""Picture of an evaluation: one plane by every method."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from gadgets.evaluation.super_resolution import ORIGINAL, Evaluation
from gadgets.files import complete_file
from gadgets.reports.page import png_of


def write_picture(result: Evaluation, path: Path) -> Path:
    """Draw a plane that was cut both ways by every method, with an enlarged part, as in figure 5.2."""
    methods = {name: np.moveaxis(volume, 2, 0) for name, volume in result.last_volumes.items()}
    true = methods[ORIGINAL]
    plane = int(np.argmax(true.std(axis=(1, 2))))
    figure = Figure(figsize=(2.3 * len(methods), 4.4), layout="constrained")
    panels = figure.subplots(2, len(methods))
    peak = float(np.percentile(true[plane], 99.8))
    z, y = (slice(size // 4, size // 4 + size // 2) for size in true[plane].shape)
    for column, (name, planes) in zip(panels.T, methods.items(), strict=True):
        for axes, picture in zip(column, (planes[plane], planes[plane][z, y]), strict=True):
            axes.imshow(picture, cmap="gray", vmin=0, vmax=peak)
            axes.axis("off")
        column[0].set_title(name, fontsize=9)
    with complete_file(path) as partial:
        partial.write_bytes(png_of(figure))
    return path
