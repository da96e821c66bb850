"""The page of a benchmark: its table, and the images of all methods at one window."""

import html
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from gadgets.evaluation.multitasking import Benchmark, Row
from gadgets.evaluation.several_scans import PooledRow, pooled
from gadgets.pages.page_parts import section_html, stages_html
from gadgets.pages.shell import figure_html, png_of, table_html, write_page
from recon.quality.metrics import Agreement, Quality, agreement

HEADER = (
    "method",
    "seconds",
    "peak GB",
    "U NRMSE",
    "SSIM",
    "PSNR dB",
    "NRMSE",
    "bright SSIM",
    "PSNR",
    "dark SSIM",
    "PSNR",
    "ADMM SSIM",
    "ADMM PSNR",
    "ADMM NRMSE",
    "T1 bias %",
    "T1 limits %",
    "T1 R",
)
"""U, frames and the bright- and dark-blood cardiac cycle against the truth; frames against ADMM; T1 against the truth
where there is one."""

COLUMN_GROUPS = (tuple(range(7)), (0, *range(7, 11)), (0, *range(11, len(HEADER))))
"""Columns of the tables for a terminal: resources and the truth; the cardiac cycle; ADMM and T1."""

_POOLED = {
    "seconds": ".2f",
    "peak_memory_gb": ".2f",
    "spatial_factor_nrmse": ".3f",
    "truth.ssim": ".3f",
    "truth.psnr_db": ".1f",
    "truth.nrmse": ".3f",
    "bright.ssim": ".3f",
    "bright.psnr_db": ".1f",
    "dark.ssim": ".3f",
    "dark.psnr_db": ".1f",
    "admm.ssim": ".3f",
    "admm.psnr_db": ".1f",
    "admm.nrmse": ".3f",
}
"""Figures of several scans in the order of :data:`HEADER`, and how they are written."""

_GROUP_TITLES = ("Resources, and frames against the truth", "The cardiac cycle against the truth", "Against ADMM; T1")

# Differences are shown this many times brighter than the frames.
_DIFFERENCE_GAIN = 4

# Width of a panel in inches below which a pixel of the images cannot be told from its neighbour.
_NARROWEST_PANEL = 2.2


def cells(row: Row) -> list[str]:
    """One line of the table, in the order of :data:`HEADER`."""
    factor = "-" if row.spatial_factor_nrmse is None else f"{row.spatial_factor_nrmse:.3f}"
    return [
        row.method,
        f"{row.total_s:.2f}",
        f"{row.peak_memory_gb:.2f}",
        factor,
        *_cells(row.truth),
        *_cells(row.bright)[:2],
        *_cells(row.dark)[:2],
        *_cells(row.admm),
        *_t1_cells(row.t1),
    ]


def pooled_cells(row: PooledRow) -> list[str]:
    """One line of the table of several scans, in the order of :data:`HEADER`: mean±standard deviation."""
    figures = []
    for name, digits in _POOLED.items():
        mean, deviation = row.figures.get(name, (None, None))
        figures.append("-" if mean is None else f"{mean:{digits}}±{deviation:{digits}}")
    return [row.method, *figures, *_t1_cells(row.t1)]


def _t1_cells(found: Agreement | None) -> list[str]:
    if found is None:
        return ["-", "-", "-"]
    return [f"{100 * found.bias:+.1f}", f"±{100 * found.half_width:.1f}", f"{found.correlation:.3f}"]


def _cells(quality: Quality | None) -> list[str]:
    if quality is None:
        return ["-", "-", "-"]
    return [f"{quality.ssim:.3f}", f"{quality.psnr_db:.1f}", f"{quality.nrmse:.3f}"]


def write_benchmark_page(benchmark: Benchmark, path: Path) -> Path:
    """Write the page.

    Parameters
    ----------
    benchmark : Benchmark
    path : Path

    Returns
    -------
    Path
    """
    size = ", ".join(f"{name} {value}" for name, value in benchmark.shape.items())
    what = f"{benchmark.scan} on {benchmark.device}: {size}. Frames are magnitudes at the scale that they have; "
    what += "nothing is fitted. Seconds are the method's own; the stages that all share are below."
    caption = f"Frames at one window, and differences times {_DIFFERENCE_GAIN}"
    stages = {"all methods": benchmark.shared_seconds} | {row.method: row.seconds for row in benchmark.rows}
    parts = [
        section_html("Summary", f'<p class="lead">{html.escape(_said(benchmark))}</p>', f"<p>{html.escape(what)}</p>"),
        section_html("Figures", *_tables([cells(row) for row in benchmark.rows])),
        section_html("Pictures", figure_html(png_of(_pictures(benchmark), on_film=True), caption)),
        section_html(f"T1 against {benchmark.t1_reference}", *_t1_parts(benchmark)),
        section_html("Seconds per stage", stages_html(stages)),
    ]
    return write_page(path, "malibu: methods side by side", ["<main>", *parts, "</main>"])


def write_several_page(results: Sequence[Benchmark], path: Path) -> Path:
    """Write the page of several scans: what all together say, then the tables and pictures of each.

    Parameters
    ----------
    results : sequence of Benchmark
    path : Path

    Returns
    -------
    Path
    """
    rows = [pooled_cells(row) for row in pooled(results)]
    lead = f"{len(results)} scans: mean±standard deviation over those of which a figure is known; T1 over all regions."
    parts = [section_html("All scans", f'<p class="lead">{html.escape(lead)}</p>', *_tables(rows))]
    for result in results:
        caption = f"{result.scan}: frames at one window, and differences times {_DIFFERENCE_GAIN}"
        said = f"<p>{html.escape(_said(result))}</p>"
        picture = figure_html(png_of(_pictures(result), on_film=True), caption)
        parts.append(section_html(result.scan, said, *_tables([cells(row) for row in result.rows]), picture))
    return write_page(path, "malibu: methods side by side", ["<main>", *parts, "</main>"])


def _said(benchmark: Benchmark) -> str:
    """Who came closest to the truth, else to ADMM, and who was fastest."""
    fastest = min(benchmark.rows, key=lambda row: row.total_s)
    said = f"Fastest: {fastest.method}, {fastest.total_s:.2f} s."
    reference = "the truth" if any(row.truth for row in benchmark.rows) else "ADMM"
    of_frames = [
        (quality.nrmse, row)
        for row in benchmark.rows
        if (quality := row.truth if reference == "the truth" else row.admm) is not None
    ]
    if not of_frames:
        return said
    error, closest = min(of_frames, key=lambda one: one[0])
    return f"Closest to {reference}: {closest.method}, NRMSE of frames {error:.3f}, in {closest.total_s:.2f} s. {said}"


def _tables(rows: Sequence[Sequence[str]]) -> list[str]:
    """The columns in groups that fit a page; those of which nothing is known are left out."""
    tables = []
    for title, columns in zip(_GROUP_TITLES, COLUMN_GROUPS, strict=True):
        known = [column for column in columns if any(row[column] != "-" for row in rows)]
        if len(known) > 1:
            table = table_html(
                [HEADER[column] for column in known], [[row[column] for column in known] for row in rows]
            )
            tables.append(f"<h3>{title}</h3>{table}")
    return tables


def _pictures(benchmark: Benchmark) -> Figure:
    names = sorted(benchmark.series, key=lambda name: name != "truth")
    reference = "truth" if "truth" in benchmark.series else names[-1]
    base = benchmark.series[reference]
    chosen = [len(base) - 2, len(base) // 2]
    rows, columns = base[0].shape
    width = max(11.2 / len(names), _NARROWEST_PANEL)
    size = (width * len(names), (width * rows / columns + 0.3) * 2 * len(chosen))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(2 * len(chosen), len(names), squeeze=False)
    for number, frame in enumerate(chosen):
        peak = float(np.percentile(base[frame], 99.5))
        for column, name in enumerate(names):
            image = benchmark.series[name][frame]
            _show(panels[2 * number, column], image, peak, name)
            gain = _DIFFERENCE_GAIN * np.abs(image - base[frame])
            _show(panels[2 * number + 1, column], gain, peak, "" if name == reference else f"− {reference}")
    return figure


def _t1_parts(benchmark: Benchmark) -> list[str]:
    if not benchmark.t1:
        return []
    columns = min(3, len(benchmark.t1))
    rows = -(-len(benchmark.t1) // columns)
    figure = Figure(figsize=(3.8 * columns, 3.6 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for unused in panels.flat[len(benchmark.t1) :]:
        unused.axis("off")
    for axes, (method, (tissues, pairs)) in zip(panels.flat, benchmark.t1.items(), strict=False):
        _bland_altman(axes, tissues, pairs)
        axes.set_title(method, fontsize=10)
    for axes in panels[:, 0]:
        axes.set_ylabel(f"T1 − {benchmark.t1_reference} (%)")
    caption = f"Bland-Altman plots of T1 over regions against {benchmark.t1_reference}: bias and limits of agreement"
    return [figure_html(png_of(figure), caption)]


def _bland_altman(axes: Axes, tissues: list[str], pairs: NDArray) -> None:
    relative = 100 * (pairs[:, 0] / pairs[:, 1] - 1)
    for tissue in sorted(set(tissues)):
        of_tissue = np.array(tissues) == tissue
        axes.plot(pairs[of_tissue].mean(axis=1), relative[of_tissue], ".", label=tissue)
    limits = agreement(pairs[:, 0], pairs[:, 1])
    for level, style in ((0.0, "-"), (limits.half_width, "--"), (-limits.half_width, "--")):
        axes.axhline(100 * (limits.bias + level), color="0.4", linestyle=style, linewidth=1)
    axes.set_xlabel("mean of both (ms)")
    axes.legend(frameon=False, fontsize=9)


def _show(axes: Axes, image: NDArray, peak: float, title: str) -> None:
    axes.imshow(image, cmap="gray", vmin=0, vmax=peak)
    axes.set_title(title, fontsize=10)
    axes.axis("off")
