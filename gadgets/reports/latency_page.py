"""The page of a latency measurement: a table, and what happens between the last readout and the last image."""

import html
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from gadgets.evaluation.latency import Run
from gadgets.pages.page_parts import section_html
from gadgets.pages.shell import figure_html, png_of, table_html, write_page

HEADER = ("scan", "device", "accepted", "taken", "sending", "first image", "last image", "images")
"""Seconds: from the start of the process to its connection and to the first readouts taken; of the sending; and from
the last readout to images."""

BEFORE_LAST_READOUT = ("receive",)
"""Stages that end with the last readout."""

_AT_ONCE = ("coil maps", "temporal basis")
"""Stages that run beside each other, which the picture shows one above the other."""


def cells(run: Run) -> list[str]:
    """One line of the table, in the order of :data:`HEADER`."""
    seconds = (run.accepted_s, run.taken_s, run.sending_s, run.first_image_s, run.last_image_s)
    return [run.name, run.device, *("-" if value is None else f"{value:.2f}" for value in seconds), str(run.images)]


def stage_rows(runs: Sequence[Run]) -> list[list[str]]:
    """One line for each stage: its seconds in each run."""
    names = list(dict.fromkeys(name for run in runs for name in run.stages))
    return [[name, *(f"{run.stages.get(name, 0):.2f}" for run in runs)] for name in names]


def write_latency_page(runs: Sequence[Run], scan: str, machine: str, path: Path) -> Path:
    """Write the page.

    Parameters
    ----------
    runs : sequence of Run
    scan, machine : str
        What was sent, and on what it was reconstructed.
    path : Path

    Returns
    -------
    Path
    """
    labels = [f"{run.name}, {run.device}" for run in runs]
    said = "; ".join(
        f"{label}: {run.first_image_s:.1f} s to the first image, {run.last_image_s:.1f} s to the last"
        for label, run in zip(labels, runs, strict=True)
    )
    what = f"{scan}, sent through the wire; {machine}. Seconds."
    caption = "From the last readout (0) over the gadget's stages to the images"
    parts = [
        section_html(
            "Summary",
            f'<p class="lead">After the last readout, {html.escape(said)}.</p><p>{html.escape(what)}</p>',
            table_html(HEADER, [cells(run) for run in runs]),
        ),
        section_html("Picture", figure_html(png_of(_picture(runs, labels)), caption)),
        section_html("Seconds per stage", table_html(("stage", *labels), stage_rows(runs))),
    ]
    return write_page(path, "malibu: from the last readout to the images", ["<main>", *parts, "</main>"])


def _picture(runs: Sequence[Run], labels: Sequence[str]) -> Figure:
    figure = Figure(figsize=(11.4, 1.2 + 0.7 * len(runs)))
    axes = figure.subplots()
    names = list(dict.fromkeys(name for run in runs for name in run.stages))
    colors = {name: f"C{number % 10}" for number, name in enumerate(names)}
    for row, run in enumerate(runs):
        left = 0.0
        for name, seconds in run.stages.items():
            if name in BEFORE_LAST_READOUT:
                continue
            label = name if row == next(i for i, one in enumerate(runs) if name in one.stages) else None
            beside = name in _AT_ONCE
            middle = row + (0.125 if name == _AT_ONCE[0] else -0.125) * beside
            axes.barh(middle, seconds, left=left, color=colors[name], height=0.25 if beside else 0.5, label=label)
            if name != _AT_ONCE[0]:
                left += seconds
        axes.plot([run.first_image_s, run.last_image_s], [row, row], "k|", markersize=18)
    axes.set_yticks(range(len(runs)), labels)
    axes.invert_yaxis()
    axes.set_xlabel("seconds after the last readout; marks: first and last image")
    axes.legend(frameon=False, fontsize=9, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.35))
    return figure
