"""The command of ``malibu`` that sets up a Gadgetron."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from gadgets.cli.options import out


def install_gadgetron(
    prefix: Annotated[
        Path | None,
        typer.Argument(
            help="Folder in which Gadgetron is installed; default: the conda environment, or that of gadgetron on "
            "the PATH.",
            show_default=False,
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Install nothing; check that this Gadgetron can run malibu.")
    ] = False,
) -> None:
    """Put malibu's configurations where a Gadgetron finds them, or check that all is well; exit 1 if it is not."""
    from gadgets.consoles.installation import checks, gadgetron_prefix, install_configurations

    place = gadgetron_prefix(prefix)
    if not check:
        for path in install_configurations(place):
            out.print(f"wrote {path}", soft_wrap=True, highlight=False)
        return
    all_passed = True
    for item in checks(place):
        all_passed &= item.passed
        mark = "[green]ok[/green]   " if item.passed else "[red]wrong[/red]"
        out.print(f"{mark} {item.what}: {escape(item.text)}", soft_wrap=True, highlight=False)
    if not all_passed:
        raise typer.Exit(1)
