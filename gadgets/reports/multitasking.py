"""A report for people: pictures of an image file as PNGs, and all of them in one self-contained HTML page."""

import html
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
from gadgets.pages.shell import figure_html, png_of, table_html, write_page
from gadgets.reports.foreign import foreign_pictures, is_foreign
from gadgets.reports.motion import animation, grey, motion_pictures
from gadgets.reports.super_resolution import is_super_resolved, volume_pictures
from gadgets.reports.trust_pictures import trust_html, trust_pictures

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
    parts = _remarks(series)
    title, pictures = _contents(series)
    for name, caption, picture in pictures:
        with complete_file(folder / name) as partial:
            partial.write_bytes(picture)
        parts.append(figure_html(picture, caption))
    firsts = [images[0] for images in series.values()]
    first = next((image for image in firsts if "MalibuStageSeconds" in image.meta), firsts[0])
    if not is_foreign(series):
        parts.insert(0, trust_html(first))
        parts += [_stage_table(first), _parameter_table(first)]
    return write_page(folder / "report.html", title, parts)


def _remarks(series: dict[int, list[ismrmrd.Image]]) -> list[str]:
    """What a user must know before looking at anything else."""
    said = (image.meta.get("MalibuRemarks") for images in series.values() for image in images)
    return [f"<p><strong>Beware:</strong> {html.escape(str(remark))}</p>" for remark in dict.fromkeys(said) if remark]


def _contents(series: dict[int, list[ismrmrd.Image]]) -> tuple[str, Iterator[tuple[str, str, bytes]]]:
    """Title and pictures."""
    if is_foreign(series):
        return "Images that malibu did not make", foreign_pictures(series)
    if is_super_resolved(series):
        return "malibu: super-resolution", volume_pictures(series)
    return "malibu: Multitasking reconstruction", _pictures(series)


def _pictures(series: dict[int, list[ismrmrd.Image]]) -> Iterator[tuple[str, str, bytes]]:
    for slice_index in sorted({image.slice for images in series.values() for image in images}):
        by_kind = {
            kind: [image for image in series.get(record.number, ()) if image.slice == slice_index]
            for kind, record in SERIES.items()
        }
        suffix = f"_slice{slice_index}" if slice_index else ""
        for name, caption, picture in _all_of(by_kind):
            stem, dot, kind = name.partition(".")
            yield f"{stem}{suffix}{dot}{kind}", caption, picture


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
    figure = Figure(figsize=(8.4, 3 * len(rows)))
    panels = figure.subplots(len(rows), 3, squeeze=False)
    names = "back-projection", str(after[0].meta["MalibuReconstruction"]), "difference × 4"
    for line, row in zip(panels, rows, strict=True):
        first, second = (np.abs(images[row].data[0, 0]) for images in (before, after))
        peak = float(np.percentile(second, 99.5))
        shown = first, second, 4 * np.abs(second - first)
        for axes, image, name in zip(line, shown, names, strict=True):
            axes.imshow(image, cmap="gray", vmin=0, vmax=peak)
            axes.set_title(f"{name}, cardiac phase {row + 1}" if is_cine else f"{name}, frame {row + 1}", fontsize=9)
            axes.axis("off")
    return png_of(figure)


def _still(image: ismrmrd.Image) -> bytes:
    buffer = io.BytesIO()
    PilImage.fromarray(grey(image)).save(buffer, format="PNG")
    return buffer.getvalue()


def _frame_strip(images: list[ismrmrd.Image], count: int = 6) -> bytes:
    chosen = [images[row] for row in np.unique(np.linspace(0, len(images) - 1, count).astype(int))]
    figure = Figure(figsize=(2.6 * len(chosen), 3))
    for axes, image in zip(np.atleast_1d(figure.subplots(1, len(chosen))), chosen, strict=True):
        axes.imshow(grey(image), cmap="gray", vmin=0, vmax=255)
        time = f"t = {float(image.meta['FrameTimeMs']) / 1000:.2f} s"
        inversion = image.meta.get("InversionTime")
        axes.set_title(time + (f"\nTI = {float(inversion):.0f} ms" if inversion else ""), fontsize=9)
        axes.axis("off")
    return png_of(figure)


def _map_grid(images: list[ismrmrd.Image]) -> bytes:
    shown = images[:_SHOWN_MAPS]
    columns = min(8, len(shown))
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(1.7 * columns, 1.9 * rows))
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for number, (axes, image) in enumerate(zip(grid.flat, shown, strict=False), start=1):
        axes.imshow(grey(image), cmap="gray", vmin=0, vmax=255)
        axes.set_title(str(number), fontsize=8)
    return png_of(figure)


def _singular_values(temporal: ismrmrd.Image) -> bytes:
    values = np.array(temporal.meta["SingularValues"].split(), dtype=float)
    rank = int(temporal.meta["MalibuRank"])
    figure = Figure(figsize=(7, 3.2))
    axes = figure.subplots()
    axes.semilogy(np.arange(1, len(values) + 1), values / values[0], ".-")
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
    figure = Figure(figsize=(9, 1.1 * len(shown) + 0.5))
    colors = mpl.colormaps["viridis"](np.linspace(0, 0.85, len(shown)))
    panels = np.atleast_1d(figure.subplots(len(shown), 1, sharex=True))
    for number, (axes, row, color) in enumerate(zip(panels, shown, colors, strict=True), start=1):
        axes.plot(times, row.real, color=color, linewidth=0.6)
        axes.set_ylabel(f"φ{number}", rotation=0, labelpad=12)
        axes.set_yticks([])
    panels[-1].set_xlabel(label)
    return png_of(figure)


def _stage_table(first: ismrmrd.Image) -> str:
    seconds = json.loads(first.meta.get("MalibuStageSeconds", "{}"))
    rows = [[name, f"{value:.2f}"] for name, value in seconds.items()]
    rows.append(["total", f"{sum(seconds.values()):.2f}"])
    return "<h2>Seconds per stage</h2>" + table_html(("stage", "seconds"), rows)


def _parameter_table(first: ismrmrd.Image) -> str:
    entries = {key: value for key, value in first.meta.items() if key.startswith("Malibu") and "{" not in str(value)}
    entries |= json.loads(first.meta.get("MalibuParameters", "{}"))
    rows = "".join(f"<tr><td>{html.escape(k)}</td><td>{html.escape(str(v))}</td></tr>" for k, v in entries.items())
    return f"<h2>How it was made</h2><table>{rows}</table>"
