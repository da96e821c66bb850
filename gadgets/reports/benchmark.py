"""The page of a benchmark: its table, and the images of all methods at one window."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from gadgets.evaluation.multitasking import Benchmark, Row
from gadgets.pages.shell import figure_html, png_of, table_html, write_page
from recon.quality.metrics import Quality, agreement

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

# Differences are shown this many times brighter than the frames.
_DIFFERENCE_GAIN = 4


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
        "-" if row.t1 is None else f"{100 * row.t1.bias:+.1f}",
        "-" if row.t1 is None else f"±{100 * row.t1.half_width:.1f}",
        "-" if row.t1 is None else f"{row.t1.correlation:.3f}",
    ]


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
    stages = [[name, f"{value:.2f}"] for name, value in benchmark.shared_seconds.items()]
    for row in benchmark.rows:
        stages += [[f"{row.method}: {name}", f"{value:.2f}"] for name, value in row.seconds.items()]
    size = ", ".join(f"{name} {value}" for name, value in benchmark.shape.items())
    parts = [
        f"<p>{benchmark.scan} on {benchmark.device}: {size}. Frames are magnitudes at the scale that they have; "
        "nothing is fitted. Seconds are the method's own; the stages that all share are below.</p>",
        table_html(HEADER, [cells(row) for row in benchmark.rows]),
        figure_html(png_of(_pictures(benchmark)), f"Frames at one window, and differences times {_DIFFERENCE_GAIN}"),
        *_t1_parts(benchmark),
        "<h2>Seconds per stage</h2>",
        table_html(("stage", "seconds"), stages),
    ]
    return write_page(path, "malibu: methods side by side", parts)


def _pictures(benchmark: Benchmark) -> Figure:
    names = sorted(benchmark.series, key=lambda name: name != "truth")
    reference = "truth" if "truth" in benchmark.series else names[-1]
    base = benchmark.series[reference]
    chosen = [len(base) - 2, len(base) // 2]
    figure = Figure(figsize=(2.7 * len(names), 2.8 * 2 * len(chosen)))
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
    figure = Figure(figsize=(4.6 * len(benchmark.t1), 3.8))
    panels = np.atleast_1d(figure.subplots(1, len(benchmark.t1), sharey=True))
    for axes, (method, (tissues, pairs)) in zip(panels, benchmark.t1.items(), strict=True):
        _bland_altman(axes, tissues, pairs)
        axes.set_title(method, fontsize=10)
    panels[0].set_ylabel(f"T1 − {benchmark.t1_reference} (%)")
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
    axes.legend(frameon=False, fontsize=8)


def _show(axes: Axes, image: NDArray, peak: float, title: str) -> None:
    axes.imshow(image, cmap="gray", vmin=0, vmax=peak)
    axes.set_title(title, fontsize=9)
    axes.axis("off")
