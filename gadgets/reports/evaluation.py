"""Picture of an evaluation: one plane by every method, what is seen there enlarged, and a vessel laid out straight."""

import html
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from numpy.typing import NDArray

from gadgets.evaluation.restorations import ORIGINAL
from gadgets.evaluation.super_resolution import Evaluation
from gadgets.evaluation.volume_figures import COLUMN_GROUPS, LEGEND
from gadgets.files import complete_file
from gadgets.pages.page_parts import section_html
from gadgets.pages.shell import figure_html, png_of, table_html, write_page
from recon.quality.angiography import seen_points
from recon.quality.cross_sections import straightened

# Volumes with fewer slices than this share of their rows are thin: the plane through the slices is a strip.
_THIN = 1 / 3
# Share of a plane's sides that is enlarged: around its middle, or around a vessel of a few voxels.
_AROUND_MIDDLE, _AROUND_VESSEL = 1 / 2, 1 / 3
# Planes of a maximum-intensity projection: a slab, since all planes together show the heart's cavities alone.
_SLAB = 10
# Voxels to either side of a vessel that is laid out straight.
_BESIDE = 10.0
# Width of a panel in inches below which the methods' names do not fit above each other's side.
_NARROWEST_PANEL = 1.85


@dataclass(frozen=True)
class _View:
    """Where to look: a plane, what of it is enlarged, and a vessel that crosses it there."""

    first: int
    plane: int
    around: tuple[slice, slice]
    vessel: NDArray | None = None
    mark: tuple[float, float, float] | None = None

    def pictures(self, volume: NDArray) -> list[NDArray]:
        """A plane, its enlarged part, a projection of a slab around it, and the vessel laid out from left to right."""
        planes = np.moveaxis(volume, self.first, 0)
        slab = planes[max(0, self.plane - _SLAB // 2) : self.plane + _SLAB // 2 + 1]
        views = [planes[self.plane], planes[self.plane][self.around], slab.max(axis=0)]
        return views if self.vessel is None else [*views, straightened(volume, self.vessel, _BESIDE).T]


def write_picture(result: Evaluation, path: Path) -> Path:
    """Draw a plane by every method, with a part of it enlarged, as in figure 5.2, and a projection of a slab around it.

    It is a plane that was cut both ways (z, y), of thin volumes a slice (y, x). Where vessels are known, it goes
    through the one of which the original shows most, which is enlarged, with a circle around it, and laid out straight
    below. Else it goes through the middle of the signal, and so does what is enlarged: most contrast lies at the edge
    of a head.
    """
    with complete_file(path) as partial:
        partial.write_bytes(_picture(result))
    return path


def write_evaluation_page(result: Evaluation, path: Path) -> Path:
    """Write the page of an evaluation: who came closest, the tables, and the picture of the last volume.

    Parameters
    ----------
    result : Evaluation
    path : Path

    Returns
    -------
    Path
    """
    summary = result.summary()
    tables = []
    for columns in COLUMN_GROUPS:
        known = [name for name in columns if any(figures[name] != "-" for figures in summary.values())]
        rows = [[method, *(figures[name] for name in known)] for method, figures in summary.items()]
        tables += [table_html(("method", *known), rows)] if known else []
    volumes = max(map(len, result.figures.values()), default=0)
    caption = "A plane of the last volume by every method, a part of it enlarged, and a projection of a slab around it"
    parts = [
        section_html("Summary", _said(result), f"<p>{volumes} volumes; mean ± standard deviation over them.</p>"),
        section_html("Figures", *tables, f'<p class="quiet">{html.escape(LEGEND)}</p>'),
        section_html("Picture", figure_html(_picture(result), caption)),
    ]
    return write_page(path, "malibu: super-resolution against originals", ["<main>", *parts, "</main>"])


def _said(result: Evaluation) -> str:
    """Who came closest to the originals, by the mean error."""
    errors = {
        method: float(np.mean([row["NRMSE"] for row in rows]))
        for method, rows in result.figures.items()
        if method != ORIGINAL and rows and all("NRMSE" in row for row in rows)
    }
    if not errors:
        return ""
    best = min(errors, key=errors.__getitem__)
    return f'<p class="lead">Closest to the originals: {html.escape(best)}, NRMSE {errors[best]:.3f}.</p>'


def _picture(result: Evaluation) -> bytes:
    true = result.last_volumes[ORIGINAL]
    view = _view_of_vessel(true, result.last_vessels) or _view_of_middle(true)
    rows = {name: view.pictures(volume) for name, volume in result.last_volumes.items()}
    heights = [picture.shape[0] / picture.shape[1] for picture in rows[ORIGINAL]]
    width = max(11.2 / len(rows), _NARROWEST_PANEL)
    figure = Figure(figsize=(width * len(rows), 0.4 + width * sum(heights)), layout="constrained")
    panels = figure.subplots(len(heights), len(rows), squeeze=False, height_ratios=heights)
    peak = float(np.percentile(rows[ORIGINAL][0], 99.8))
    for column, (name, pictures) in zip(panels.T, rows.items(), strict=True):
        for axes, picture in zip(column, pictures, strict=True):
            axes.imshow(picture, cmap="gray", vmin=0, vmax=peak)
            axes.axis("off")
        column[0].set_title(name, fontsize=10)
        if view.mark:
            _circle(column[0], view.mark)
            _circle(column[1], view.mark, view.around)
    return png_of(figure, on_film=True)


def _circle(axes: object, mark: tuple[float, float, float], around: tuple[slice, slice] | None = None) -> None:
    row, column, radius = mark
    top, left = (part.start for part in around) if around else (0, 0)
    axes.add_patch(Circle((column - left, row - top), radius, fill=False, color="gold", linewidth=0.8))  # type: ignore[attr-defined]


def _view_of_vessel(true: NDArray, vessels: list[tuple[NDArray, NDArray]]) -> _View | None:
    """Through the middle of the longest stretch that the original shows, along the readout."""
    seen = [seen_points(true, centreline, radius) for centreline, radius in vessels]
    if not any(seen) or true.shape[0] < _THIN * true.shape[1]:
        return None
    best = max(range(len(seen)), key=lambda number: len(seen[number]))
    centreline, radius = vessels[best]
    points = seen[best]
    point = points[len(points) // 2]
    z, y, x = centreline[point]
    around = tuple(
        _around(round(middle), size, _AROUND_VESSEL) for middle, size in zip((z, y), true.shape[:2], strict=True)
    )
    return _View(
        2, round(x), (around[0], around[1]), centreline[points[0] : points[-1] + 1], (z, y, float(radius[point]) + 3)
    )


def _view_of_middle(true: NDArray) -> _View:
    first = 0 if true.shape[0] < _THIN * true.shape[1] else 2
    plane, *centre = (_middle(np.moveaxis(true, first, 0), axis) for axis in range(3))
    sizes = np.moveaxis(true, first, 0).shape[1:]
    around = tuple(_around(middle, size, _AROUND_MIDDLE) for middle, size in zip(centre, sizes, strict=True))
    return _View(first, plane, (around[0], around[1]))


def _middle(volume: NDArray, axis: int) -> int:
    """Where half of the signal lies to either side along an axis."""
    profile = np.abs(volume).sum(axis=tuple(other for other in range(3) if other != axis))
    return int(np.searchsorted(np.cumsum(profile), 0.5 * profile.sum()))


def _around(middle: int, size: int, share: float) -> slice:
    """A share of an axis around a place, within the volume."""
    length = round(size * share)
    start = min(max(0, middle - length // 2), size - length)
    return slice(start, start + length)
