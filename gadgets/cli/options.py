"""What the commands of ``malibu`` share: panels, options, consoles, and how values are read."""

import json
from collections.abc import Iterable, Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from gadgets.errors import ParameterError, ScanFileError, shortened
from gadgets.files import check_output, complete_file

console = Console(stderr=True)
out = Console()

_WIDEST = 1000
"""Columns of a table of figures, at most."""


SCAN, LOOK, MEASURE, TRAIN, SET_UP = "scan", "look", "measure", "train", "set up"
"""Panels of the help, in the order of a user's work."""

ScanArgument = Annotated[Path, typer.Argument(help="ISMRMRD raw-data file (.h5).", show_default=False)]
GroupOption = Annotated[str, typer.Option(help="HDF5 group of the data; the only one is found.")]
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
BasisOption = Annotated[
    Path | None,
    typer.Option("--basis", help="Temporal basis: .npy of (rank, spokes), or malibu's images.", show_default="none"),
]


NewScanArgument = Annotated[
    Path, typer.Argument(help="File to write; the truth goes to NAME.truth.h5.", show_default=False)
]
SeedOption = Annotated[int, typer.Option(min=0, help="Subject; equal seeds give equal scans.")]
FirstSeedOption = Annotated[int, typer.Option(min=0, help="Seed of the first simulated subject.")]
JsonOption = Annotated[Path | None, typer.Option("--json", help="Figures for scripts.", show_default=False)]
ReportFolder = "Folder for report.html and PNGs."


LONGEST_WAIT_S = 604_800.0
"""A week, which the slowest reconstruction does not take."""


class Preset(str, Enum):
    """Ready-made simulations."""

    tiny = "tiny"
    standard = "standard"
    anatomy = "anatomy"
    plain = "plain"


class DomainName(str, Enum):
    """What simulated volumes look like."""

    coronary = "coronary"
    brain = "brain"
    heart = "heart"
    head = "head"
    head_slices = "head_slices"
    head_vessels = "head_vessels"
    abdomen = "abdomen"
    shapes = "shapes"
    limb = "limb"
    fruit = "fruit"
    head_parts = "head_parts"


DomainOption = Annotated[DomainName, typer.Option(help="What the volumes look like.")]
ShapeOption = Annotated[str, typer.Option(help="Full matrix as ZxYxX; x is the readout.")]
AccelerationOption = Annotated[str, typer.Option(help="Fewer lines along slice x phase direction: 4x4 is 16x.")]


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


def configuration_text(path: Path | None, shipped: str = "multitasking.xml") -> str:
    """Read a configuration; None: one that malibu ships."""
    if path is None:
        from importlib.resources import files

        return (files("gadgets") / "configs" / "xml" / shipped).read_text(encoding="utf-8")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(
            f"the configuration {shortened(path, 200)} cannot be read: {shortened(error, 300)}"
        ) from error


def overrides_of(
    settings: list[str] | None, device: str | None = None, weights: Path | None = None, basis: Path | None = None
) -> dict[str, str]:
    """Read ``--set``, ``--device``, ``--weights`` and ``--basis``."""
    overrides: dict[str, str] = {}
    for setting in settings or ():
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise ParameterError(f"--set {shortened(setting)!r} is not of the form NAME=VALUE")
        overrides[name.strip()] = value.strip()
    given = {
        "device": device,
        "weights": str(weights.resolve()) if weights else None,
        "basis": str(basis.resolve()) if basis else None,
    }
    return overrides | {name: value for name, value in given.items() if value}


def check_outputs(inputs: Sequence[Path], *outputs: Path | None) -> None:
    """Refuse files that could not be written, or would take the place of what is read, before any work is done."""
    for output in outputs:
        if output is not None:
            check_output(output, *inputs)


def check_report(folder: Path | None) -> None:
    """Refuse a folder for a report that is a file."""
    if folder is not None and folder.exists() and not folder.is_dir():
        raise ScanFileError(f"the report {shortened(folder, 200)} is a file; name a folder")


def check_seconds(seconds: float) -> None:
    """Refuse a wait that a socket does not take."""
    if not 0 < seconds <= LONGEST_WAIT_S:
        raise ParameterError(f"--timeout-s {seconds:g} must be at most {LONGEST_WAIT_S:g} seconds")


def numbers(text: str, count: int, name: str) -> tuple[float, ...]:
    """Read ``4x4`` or ``48x96x96``."""
    try:
        values = tuple(float(value) for value in text.split("x"))
    except ValueError:
        values = ()
    if len(values) != count or min(values) < 1:
        raise ParameterError(f"{name} {text!r} must be {count} numbers of at least 1 with an x between them")
    return values


def print_table(table: Table) -> None:
    """Print a table without cutting a value: figures at the width that they need, long texts over several lines.

    rich takes a pipe for a terminal of 80 columns.
    """
    for column in table.columns:
        column.overflow = "fold"
    plain = any(column.no_wrap for column in table.columns)
    needed = Measurement.get(out, out.options.update(max_width=_WIDEST), table).maximum if plain else 0
    Console(file=out.file, width=max(out.width, needed)).print(table)


def print_figures(header: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None) -> None:
    """Print a table of figures: the first column is text, the others are numbers."""
    style: dict[str, Any] = {"box": box.SIMPLE_HEAD, "padding": (0, 1, 0, 0), "pad_edge": False}
    table = Table(title=title, title_justify="left", **style)
    for column, name in enumerate(header):
        table.add_column(name, no_wrap=True, justify="right" if column else "left")
    for row in rows:
        table.add_row(*row)
    print_table(table)


def write_json(path: Path | None, values: object) -> None:
    """Write figures, where a file was named for them."""
    if path:
        with complete_file(path) as partial:
            partial.write_text(json.dumps(values, indent=2))
