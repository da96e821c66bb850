"""What the commands of ``malibu`` share: options, consoles, and how values are read."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from gadgets.errors import ParameterError

console = Console(stderr=True)
out = Console()

ScanArgument = Annotated[Path, typer.Argument(help="ISMRMRD raw-data file (.h5).", show_default=False)]
GroupOption = Annotated[str, typer.Option(help="HDF5 group of the measurement.")]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        help="Gadgetron XML configuration; default: the multitasking.xml that malibu ships.",
        show_default=False,
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Replace a parameter; may be given several times."),
]

DeviceOption = Annotated[
    str | None, typer.Option("--device", help="auto, cpu or cuda:N.", show_default="configuration's")
]
WeightsOption = Annotated[
    Path | None,
    typer.Option("--weights", help="Weights of the network (.safetensors).", show_default="configuration's"),
]


class Preset(str, Enum):
    """Ready-made simulations."""

    tiny = "tiny"
    standard = "standard"


def progress_bar() -> Progress:
    """A bar with counts and the time taken."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=console)


def configuration_text(path: Path | None) -> str:
    """Read a configuration; None: the one that malibu ships."""
    if path is None:
        from importlib.resources import files

        return (files("gadgets") / "configs" / "xml" / "multitasking.xml").read_text(encoding="utf-8")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"the configuration {path} cannot be read: {error}") from error


def overrides_of(settings: list[str] | None, device: str | None = None, weights: Path | None = None) -> dict[str, str]:
    """Read ``--set``, ``--device`` and ``--weights``."""
    overrides: dict[str, str] = {}
    for setting in settings or ():
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise ParameterError(f"--set {setting!r} is not of the form NAME=VALUE")
        overrides[name.strip()] = value.strip()
    given = {"device": device, "weights": str(weights.resolve()) if weights else None}
    return overrides | {name: value for name, value in given.items() if value}
