"""The report of what a gadget of image tasks made: facts of each series, and their pictures side by side."""

import json
from collections.abc import Iterator

import ismrmrd
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from gadgets.image_tasks.segmentation.series import label_colour
from gadgets.image_tasks.sent_series import TABLE, SentSeries, SeriesByNumber, last_of, sent_series
from gadgets.pages.page_parts import facts_html
from gadgets.pages.shell import png_of

_FACTS = {
    "MalibuNetwork": "Network",
    "MalibuTrainingData": "Trained on",
    "MalibuViews": "Views",
    "MalibuPadding": "Beware",
    "MalibuVoxelMismatch": "Beware",
    "MalibuMaskSource": "Mask",
    "MalibuWhiteMatterMl": "White matter in mL",
    "MalibuSpacesCount": "Perivascular spaces",
    "MalibuSpacesMl": "Their volume in mL",
    "MalibuSpacesThreshold": "Threshold of the map",
    "MalibuPairs": "Pairs",
    "MalibuSlicesLeftOut": "Slices left out",
    "MalibuProtonDensity": "Proton density",
    "MalibuUnit": "Unit",
    "MalibuDevice": "Computed on",
    "MalibuGeneratedDetail": "Mind",
}
"""What of the Meta is told: entries that malibu itself wrote."""

_VOLUMES = "MalibuOrganVolumesMl"
_WIDTH = 3.0
"""Inches of a picture."""


def is_of_task(series: SeriesByNumber) -> bool:
    """Whether a file holds what a gadget of image tasks made, other than super-resolution."""
    return bool(sent_series(series))


def task_facts_html(series: SeriesByNumber) -> str:
    """What was made, series by series, and the volumes of organs."""
    cards = ""
    for sent in sent_series(series):
        meta = sent.images[0].meta
        name = f"Series {sent.base + sent.record.offset}: {sent.record.description}"
        cards += facts_html(name, {title: str(meta[entry]) for entry, title in _FACTS.items() if entry in meta})
        if sent.labels and _VOLUMES in meta:
            volumes = json.loads(str(meta[_VOLUMES]))
            cards += facts_html("Organs", {organ: f"{volume:.4g} mL" for organ, volume in volumes.items()})
    return f'<div class="cards">{cards}</div>'


def task_pictures(series: SeriesByNumber) -> Iterator[tuple[str, str, bytes]]:
    """Name, caption and PNG of all that was made of each series that came, in one slice."""
    sent = sent_series(series)
    for base in dict.fromkeys(one.base for one in sent):
        made = [one for one in sent if one.base == base and one.record.role != TABLE]
        if not made:
            continue
        place = _telling_slice(made)
        came = [] if base not in series else [("as received", _voxels(last_of(series[base]))[place])]
        figure = Figure(figsize=(_WIDTH * (len(came) + len(made)), _WIDTH + 0.4), layout="constrained")
        panels = np.atleast_1d(figure.subplots(1, len(came) + len(made)))
        for axes, (title, plane) in zip(panels, came, strict=False):
            axes.imshow(plane, cmap="gray")
            axes.set_title(title, fontsize=10)
        for axes, one in zip(panels[len(came) :], made, strict=True):
            draw_plane(axes, _voxels(one.images)[place], one)
        for axes in panels:
            axes.axis("off")
        names = ", ".join(one.record.description for one in made)
        caption = (
            f"Series {base}, slice {place + 1}: {names}. {made[0].images[0].meta.get('MalibuGeneratedDetail', '')}"
        )
        yield f"task_{base}.png", caption.strip(), png_of(figure, on_film=True)


def _voxels(images: list[ismrmrd.Image]) -> NDArray:
    """(z, y, x) in the order of the slice counters."""
    ordered = sorted(images, key=lambda image: int(image.slice))
    return np.concatenate([np.abs(i.data[0]) if np.iscomplexobj(i.data) else i.data[0] for i in ordered])


def _telling_slice(made: list[SentSeries]) -> int:
    """The slice with most labels, or with the strongest map; of volumes, the middle one."""
    told = next((one for one in made if one.labels), None) or next((one for one in made if one.kind == "spaces"), None)
    if told is None:
        return len(_voxels(made[0].images)) // 2
    voxels = _voxels(told.images)
    return int(np.argmax((voxels > 0 if told.labels else voxels).sum(axis=(1, 2))))


def label_colours(count: int) -> Colormap:
    """Colours of labels from 0 to ``count - 1``; the background is black."""
    return ListedColormap(["#000000", *(label_colour(number) for number in range(1, count))])


def draw_plane(axes: Axes, plane: NDArray, sent: SentSeries) -> None:
    """Draw a plane (y, x) with the colours of its kind, and what they mean."""
    axes.set_title(sent.record.description, fontsize=10)
    if sent.labels:
        count = len(sent.labels)
        axes.imshow(plane, cmap=label_colours(count), vmin=-0.5, vmax=count - 0.5, interpolation="nearest")
        return
    peak = max(float(np.percentile(np.abs(plane), 99.8)), 1e-6)
    if sent.kind == "difference":
        shown = axes.imshow(plane, cmap="RdBu_r", vmin=-peak, vmax=peak)
    elif sent.record.pixels == "float":
        shown = axes.imshow(plane, cmap="viridis", vmin=0, vmax=peak)
    else:
        axes.imshow(plane, cmap="gray")
        return
    axes.figure.colorbar(shown, ax=axes, shrink=0.8)
