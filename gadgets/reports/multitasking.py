"""A report for people: pictures of an image file as PNGs, and all of them in one self-contained HTML page."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import ismrmrd
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from PIL import Image as PilImage

from gadgets.files import complete_file
from gadgets.mrd.files import read_images
from gadgets.mrd.foreign_files import DEFAULT_GROUP
from gadgets.multitasking.series import SERIES
from gadgets.pages.page_parts import bars_html, folded_html, grid_html, pairs_html, section_html
from gadgets.pages.shell import figure_html, png_of, write_page
from gadgets.reports.foreign import foreign_facts_html, foreign_pictures, is_foreign
from gadgets.reports.image_tasks.task_page import is_of_task, task_facts_html, task_pictures
from gadgets.reports.motion import animation, grey, motion_pictures
from gadgets.reports.scan_summary import first_of, remarks_html, summary_html
from gadgets.reports.super_resolution import is_super_resolved, volume_facts_html, volume_pictures
from gadgets.reports.trust_pictures import trust_html, trust_pictures

SeriesByNumber = dict[int, list[ismrmrd.Image]]

EXPLORER = "explorer.html"
"""The page beside the report that shows every frame."""

_GROUPS = {
    "Images": (
        "time_average",
        "cine_bright",
        "cine_dark",
        "t1_recovery",
        "respiratory",
        "realtime",
    ),
    "Before and after": ("comparison", "super_resolution"),
    "T1 and B1": ("t1_map", "b1_map"),
    "Motion": ("gating", "wall_motion"),
    "Where not to trust it": ("uncertainty", "data_misfit"),
    "Temporal model": ("singular_values", "temporal_basis", "basis_maps"),
}
"""Headings, and the pictures below them by the stems of their names."""

_NARROW = (
    "time_average.png",
    "cine_bright.gif",
    "cine_dark.gif",
    "t1_recovery.gif",
    "respiratory.gif",
    "realtime.gif",
)
"""Pictures that stand beside each other."""

_BESIDE = "volume_"
"""Beginning of the names of foreign volumes' pictures, which do, too."""

# Basis maps that the report shows.
_SHOWN_MAPS = 16
# Temporal basis functions that the report shows.
_SHOWN_FUNCTIONS = 6


def write_report(images: Path, folder: Path, group: str = DEFAULT_GROUP) -> Path:
    """Write ``report.html`` and its pictures.

    Parameters
    ----------
    images : Path
        Image file that a replay wrote.
    folder : Path
        Made if it is not there; files of the same names are replaced.
    group : str
        HDF5 group of the images.

    Returns
    -------
    Path
        Path of the page.

    Raises
    ------
    ScanFileError
        If there are no images.
    """
    series = read_images(images, group)
    folder.mkdir(parents=True, exist_ok=True)
    if is_foreign(series):
        title = "Images that malibu did not make"
        pictures = _pictures_of(foreign_pictures(series), folder)
        parts = [section_html("Summary", foreign_facts_html(series)), section_html("Pictures", pictures)]
    elif is_super_resolved(series):
        title = "malibu: super-resolution"
        parts = _volume_parts(series, folder, volume_facts_html(series), volume_pictures(series))
    elif is_of_task(series):
        title, parts = "malibu: volumes", _volume_parts(series, folder, task_facts_html(series), task_pictures(series))
    else:
        title, parts = "malibu: Multitasking reconstruction", _multitasking_parts(series, folder)
    return write_page(folder / "report.html", title, ["<main>", *parts, "</main>"])


def _multitasking_parts(series: SeriesByNumber, folder: Path) -> list[str]:
    """Summary, pictures, stages and parameters; slice by slice where there are several."""
    slices = sorted({image.slice for images in series.values() for image in images})
    summaries, pictures = [], []
    for number in slices:
        by_kind = {
            kind: [image for image in series.get(record.number, ()) if image.slice == number]
            for kind, record in SERIES.items()
        }
        if not any(by_kind.values()):
            continue
        name = f" of slice {number}" if len(slices) > 1 else ""
        summaries.append(section_html(f"Summary{name}", summary_html(by_kind), trust_html(first_of(by_kind))))
        found = _all_of(by_kind)
        pictures.append(
            section_html(f"Pictures{name}", _pictures_of(found, folder, f"_slice{number}" if number else ""))
        )
    remarks = remarks_html(series)
    return [remarks, *summaries, _further(series) + _onward(folder), *pictures, *_how_it_was_made(series)]


def _volume_parts(
    series: SeriesByNumber, folder: Path, facts: str, pictures: Iterator[tuple[str, str, bytes]]
) -> list[str]:
    """Summary, pictures, stages and parameters of what a gadget of image tasks made."""
    return [
        remarks_html(series),
        section_html("Summary", facts),
        _onward(folder),
        section_html("Pictures", _pictures_of(pictures, folder)),
        *_how_it_was_made(series),
    ]


def _further(series: SeriesByNumber) -> str:
    """What the page does not show."""
    known = {record.number for record in SERIES.values()}
    numbers = ", ".join(str(number) for number in sorted(series) if number not in known)
    if not numbers:
        return ""
    return f'<p class="quiet">The file also holds series {numbers}, which this page does not show.</p>'


def _onward(folder: Path) -> str:
    """The way to the explorer where it lies beside the page."""
    is_there = (folder / EXPLORER).exists()
    return f'<p><a class="onward" href="{EXPLORER}">Explore every frame and every voxel</a></p>' if is_there else ""


def _pictures_of(pictures: Iterator[tuple[str, str, bytes]], folder: Path, suffix: str = "") -> str:
    """Write pictures beside the page, and group them in grids by what they are about."""
    groups: dict[str, list[tuple[bool, str]]] = {}
    for name, caption, picture in pictures:
        stem, dot, kind = name.partition(".")
        with complete_file(folder / f"{stem}{suffix}{dot}{kind}") as partial:
            partial.write_bytes(picture)
        group = next((title for title, stems in _GROUPS.items() if stem in stems), "")
        is_wide = name not in _NARROW and not name.startswith(_BESIDE)
        groups.setdefault(group, []).append((is_wide, figure_html(picture, caption, wide=is_wide)))
    ordered = [title for title in _GROUPS if title in groups] + [title for title in groups if title not in _GROUPS]
    narrow_first = {title: [shown for _, shown in sorted(groups[title], key=lambda one: one[0])] for title in ordered}
    return "".join(grid_html(narrow_first[title], title) for title in ordered)


def _all_of(by_kind: dict[str, list[ismrmrd.Image]]) -> Iterator[tuple[str, str, bytes]]:
    for some in (_overview, motion_pictures, trust_pictures, _subspace):
        yield from some(by_kind)


def _overview(by_kind: dict[str, list[ismrmrd.Image]]) -> Iterator[tuple[str, str, bytes]]:
    if by_kind["time_average"]:
        yield "time_average.png", "Time average (magnitude)", _still(by_kind["time_average"][0])
    if by_kind["back_projection"]:
        yield "comparison.png", "What was measured, and what was made of it", _comparison(by_kind)
    if by_kind["realtime"]:
        yield "realtime.gif", f"Real-time series, {len(by_kind['realtime'])} frames", animation(by_kind["realtime"])
        yield "realtime.png", "Real-time frames, evenly chosen", _frame_strip(by_kind["realtime"])


def _subspace(by_kind: dict[str, list[ismrmrd.Image]]) -> Iterator[tuple[str, str, bytes]]:
    if by_kind["basis_maps"]:
        yield "basis_maps.png", "Basis maps (magnitude), by singular value", _map_grid(by_kind["basis_maps"])
    if by_kind["temporal_basis"]:
        temporal = by_kind["temporal_basis"][0]
        yield "singular_values.png", "Singular values of the navigator", _singular_values(temporal)
        caption = "Temporal basis functions at the imaging spokes (real part)"
        yield "temporal_basis.png", caption, _basis_functions(temporal, by_kind["realtime"])


def _comparison(by_kind: dict[str, list[ismrmrd.Image]]) -> bytes:
    """Back-projection beside the result, at one window, and what was changed."""
    before = by_kind["back_projection"]
    is_cine = "CardiacBin" in before[0].meta
    after = by_kind["cine_bright" if is_cine else "realtime"] or before
    rows = [0, len(before) // 3]
    figure = Figure(figsize=(11.4, 4 * len(rows)), layout="constrained")
    panels = figure.subplots(len(rows), 3, squeeze=False)
    names = "back-projection", str(after[0].meta["MalibuReconstruction"]), "difference × 4"
    for line, row in zip(panels, rows, strict=True):
        first, second = (np.abs(images[row].data[0, 0]) for images in (before, after))
        peak = float(np.percentile(second, 99.5))
        shown = first, second, 4 * np.abs(second - first)
        for axes, image, name in zip(line, shown, names, strict=True):
            axes.imshow(image, cmap="gray", vmin=0, vmax=peak)
            axes.set_title(f"{name}, cardiac phase {row + 1}" if is_cine else f"{name}, frame {row + 1}", fontsize=10)
            axes.axis("off")
    return png_of(figure, on_film=True)


def _still(image: ismrmrd.Image) -> bytes:
    buffer = io.BytesIO()
    PilImage.fromarray(grey(image)).save(buffer, format="PNG")
    return buffer.getvalue()


def _frame_strip(images: list[ismrmrd.Image], count: int = 6) -> bytes:
    chosen = [images[row] for row in np.unique(np.linspace(0, len(images) - 1, count).astype(int))]
    columns = min(3, len(chosen))
    figure = Figure(figsize=(11.4, 4.2 * -(-len(chosen) // columns)), layout="constrained")
    panels = figure.subplots(-(-len(chosen) // columns), columns, squeeze=False)
    for axes in panels.flat:
        axes.axis("off")
    for axes, image in zip(panels.flat, chosen, strict=False):
        axes.imshow(grey(image), cmap="gray", vmin=0, vmax=255)
        time = f"t = {float(image.meta['FrameTimeMs']) / 1000:.2f} s"
        inversion = image.meta.get("InversionTime")
        axes.set_title(time + (f", TI = {float(inversion):.0f} ms" if inversion else ""), fontsize=10)
    return png_of(figure, on_film=True)


def _map_grid(images: list[ismrmrd.Image]) -> bytes:
    shown = images[:_SHOWN_MAPS]
    columns = min(4, len(shown))
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(11.4, 11.4 / columns * 1.15 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for number, (axes, image) in enumerate(zip(grid.flat, shown, strict=False), start=1):
        axes.imshow(grey(image), cmap="gray", vmin=0, vmax=255)
        axes.set_title(str(number), fontsize=10)
    return png_of(figure, on_film=True)


def _singular_values(temporal: ismrmrd.Image) -> bytes:
    values = np.array(temporal.meta["SingularValues"].split(), dtype=float)
    rank = int(temporal.meta["MalibuRank"])
    figure = Figure(figsize=(11.4, 3.8), layout="constrained")
    axes = figure.subplots()
    axes.semilogy(np.arange(1, len(values) + 1), values / values[0], ".-")
    axes.yaxis.set_major_formatter("{x:g}")  # powers of ten would have small exponents
    axes.axvline(rank + 0.5, color="0.6", linestyle="--", label=f"rank {rank}")
    axes.set(xlabel="component", ylabel="relative singular value")
    axes.legend(frameon=False)
    return png_of(figure)


def _basis_functions(temporal: ismrmrd.Image, realtime: list[ismrmrd.Image]) -> bytes:
    basis = temporal.data[0, 0]
    spokes = np.arange(basis.shape[1])
    times, label = spokes.astype(float), "imaging spoke"
    if len(realtime) > 1:
        known = [int(image.meta["FrameSpoke"]) for image in realtime]
        seconds = [float(image.meta["FrameTimeMs"]) / 1000 for image in realtime]
        slope, offset = np.polyfit(known, seconds, 1)
        times, label = slope * spokes + offset, "time (s)"
    shown = basis[:_SHOWN_FUNCTIONS]
    figure = Figure(figsize=(11.4, 0.9 * len(shown) + 0.5), layout="constrained")
    colors = mpl.colormaps["viridis"](np.linspace(0, 0.85, len(shown)))
    panels = np.atleast_1d(figure.subplots(len(shown), 1, sharex=True))
    for number, (axes, row, color) in enumerate(zip(panels, shown, colors, strict=True), start=1):
        axes.plot(times, row.real, color=color, linewidth=0.6)
        axes.set_ylabel(f"φ{number}", rotation=0, labelpad=12)
        axes.set_yticks([])
    panels[-1].set_xlabel(label)
    return png_of(figure)


def _how_it_was_made(series: SeriesByNumber) -> list[str]:
    """Stages and parameters, the latter folded away."""
    firsts = [images[0] for images in series.values()]
    first = next((image for image in firsts if "MalibuStageSeconds" in image.meta), firsts[0])
    seconds = json.loads(first.meta.get("MalibuStageSeconds", "{}"))
    metas = [first.meta, *(image.meta for image in firsts)]
    entries = {key: value for meta in reversed(metas) for key, value in meta.items() if key.startswith("Malibu")}
    entries = {key: value for key, value in entries.items() if "{" not in str(value)}
    entries |= json.loads(first.meta.get("MalibuParameters", "{}"))
    named = {str(key): str(value) for key, value in entries.items()}
    return [
        section_html("Seconds per stage", bars_html(("stage", "seconds"), seconds)),
        section_html("How it was made", folded_html("Parameters, network and provenance", pairs_html(named))),
    ]
