"""A picture of blood flow by each method, side by side."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from gadgets.evaluation.image_tasks.perfusion import PerfusionEvaluation
from gadgets.files import complete_file
from recon.perfusion.quantification import UNIT

# Upper end of the colours: cortex of young people.
_BRIGHTEST = 100.0


def write_perfusion_picture(result: PerfusionEvaluation, path: Path) -> Path:
    """Draw the middle slice of the last subject by each method, all on one scale.

    Parameters
    ----------
    result : PerfusionEvaluation
    path : Path
        PNG to write.

    Returns
    -------
    Path
    """
    count = len(result.last_maps)
    figure = Figure(figsize=(2.5 * count + 0.8, 2.9), layout="constrained")
    places = np.atleast_1d(figure.subplots(1, count))
    for axes, (method, maps) in zip(places, result.last_maps.items(), strict=True):
        shown = axes.imshow(maps[len(maps) // 2], vmin=0, vmax=_BRIGHTEST, cmap="inferno")
        axes.set_title(method)
        axes.axis("off")
    figure.colorbar(shown, ax=list(places), label=UNIT, shrink=0.8)
    with complete_file(path) as partial:
        figure.savefig(partial, dpi=90, format="png")
    return path
