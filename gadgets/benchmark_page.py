"""The page of a benchmark: its table, and the images of all methods at one window."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from gadgets.benchmark import Benchmark, Row
from gadgets.page import figure_html, png_of, table_html, write_page
from recon.metrics import Quality

HEADER = (
    "method",
    "seconds",
    "peak GB",
    "U NRMSE",
    "SSIM",
    "PSNR dB",
    "NRMSE",
    "ADMM SSIM",
    "ADMM PSNR",
    "ADMM NRMSE",
)
"""U and the next three against the truth; the last three against ADMM."""

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
        *_cells(row.admm),
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


def _show(axes: Axes, image: NDArray, peak: float, title: str) -> None:
    axes.imshow(image, cmap="gray", vmin=0, vmax=peak)
    axes.set_title(title, fontsize=9)
    axes.axis("off")
