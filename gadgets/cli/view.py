"""To look at an image file: ``malibu view``, the explorer, and ``malibu report``."""

from pathlib import Path
from typing import Annotated

import typer

from gadgets import RESEARCH_LABEL
from gadgets.cli.exchange import ImagesArgument
from gadgets.cli.options import GroupOption, ReportFolder, check_outputs, check_report, out


def view(
    images: ImagesArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML page to write.")] = Path("explorer.html"),
    beside: Annotated[
        list[Path] | None,
        typer.Option(help="Image file of the same scan by another method, to compare; may be given several times."),
    ] = None,
    group: GroupOption = "dataset",
) -> None:
    """Make a page with every frame of an image file to play with: open it in a browser; it needs no server."""
    from gadgets.viewer.explorer import write_explorer

    others = beside or []
    check_outputs([images, *others], output)
    path = write_explorer(images, output, group, others)
    size_mb = path.stat().st_size / 1e6
    out.print(f"wrote {path} ({size_mb:.1f} MB, {RESEARCH_LABEL})", soft_wrap=True, highlight=False)


def write_explorer_beside_report(images: Path, folder: Path, group: str = "dataset") -> None:
    """Write the explorer into a report's folder, where the images allow for one."""
    from gadgets.viewer.explorer import write_explorer_if_possible

    path = write_explorer_if_possible(images, folder, group)
    if path:
        out.print(f"wrote {path}", soft_wrap=True, highlight=False)


def report(
    images: Annotated[Path, typer.Argument(help="Image file that malibu replay wrote.", show_default=False)],
    folder: Annotated[Path, typer.Argument(help=ReportFolder, show_default=False)],
    group: GroupOption = "dataset",
) -> None:
    """Make a report with pictures of an image file."""
    from gadgets.reports.multitasking import write_report

    check_report(folder)
    if images.is_file():  # else the report says what is wrong
        write_explorer_beside_report(images, folder, group)
    out.print(f"wrote {write_report(images, folder, group)}")
