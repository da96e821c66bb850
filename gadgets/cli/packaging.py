"""What a scanner or a server beside it installs, and what can be set there: ``malibu package``, ``parameters``, …."""

import datetime
import os
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from gadgets.cli.options import out, print_table
from gadgets.errors import ParameterError

package = typer.Typer(
    name="package",
    no_args_is_help=True,
    help="Write what is installed at a scanner: an OpenRecon application, or containers for FIRE and Gadgetron.",
)

FolderOption = Annotated[Path, typer.Option("--output", "-o", help="Folder to write.", show_default=False)]
WheelOption = Annotated[
    Path | None, typer.Option(help="malibu's wheel; default: built of the checkout.", show_default=False)
]
ConstraintsOption = Annotated[
    Path | None, typer.Option(help="Pinned versions; default: the checkout's.", show_default=False)
]


class Target(str, Enum):
    """Formats of OpenRecon packages."""

    va60 = "va60"
    va70 = "va70"


@package.command()
def openrecon(
    folder: FolderOption,
    target: Annotated[
        Target, typer.Option(help="va60: VA60 and VA61; va70: VA70A, VA80A, VB10A and later.", show_default=False)
    ],
    config: Annotated[
        str, typer.Option(help="Configuration that the application runs: a name from configs/xml.")
    ] = "multitasking",
    vendor: Annotated[str, typer.Option(help="Who makes the package: letters and digits.")] = "malibu",
    parameters: Annotated[
        str | None,
        typer.Option(help="Parameters on the page, 13 at most, as 'images matrix tr_ms'.", show_default="malibu's"),
    ] = None,
    memory_mb: Annotated[
        int | None, typer.Option(min=1024, help="Memory of the container.", show_default="by method")
    ] = None,
    cpu_cores: Annotated[
        int | None, typer.Option(min=1, help="Cores of the container.", show_default="by method")
    ] = None,
    gpu: Annotated[bool, typer.Option("--gpu", help="For an image that is built with a GPU's torch.")] = False,
    wheel: WheelOption = None,
    constraints: ConstraintsOption = None,
) -> None:
    """Write an OpenRecon application: specification, parameter page, manual, and the build of its container."""
    from gadgets.consoles.openrecon.application import application_of
    from gadgets.consoles.openrecon.package import Sources, write_openrecon
    from gadgets.consoles.openrecon.specification import Choices

    names = None if parameters is None else parameters.replace(",", " ").split()
    choices = Choices(vendor, _today(), names, memory_mb, cpu_cores, gpu)
    script = write_openrecon(folder, application_of(config), target.value, choices, Sources(wheel, constraints))
    _say(f"wrote {folder}; {script} builds and packs it", folder)


@package.command()
def fire(folder: FolderOption, wheel: WheelOption = None, constraints: ConstraintsOption = None) -> None:
    """Write a container for FIRE: on a computer beside the scanner, or as an image for its chroot."""
    from gadgets.consoles.openrecon.package import Sources, write_fire

    compose = write_fire(folder, Sources(wheel, constraints))
    _say(f"wrote {folder}; docker compose -f {compose} up --build", folder)


@package.command()
def gadgetron(folder: FolderOption, wheel: WheelOption = None, constraints: ConstraintsOption = None) -> None:
    """Write a container of a Gadgetron with malibu inside."""
    from gadgets.consoles.openrecon.package import Sources, write_gadgetron

    compose = write_gadgetron(folder, Sources(wheel, constraints))
    _say(f"wrote {folder}; docker compose -f {compose} up --build", folder)


def _say(text: str, folder: Path) -> None:
    out.print(text, soft_wrap=True, highlight=False, markup=False)
    out.print(f"{folder / 'README.md'} says what to do next", soft_wrap=True, highlight=False, markup=False)


def _today() -> str:
    """Date of the package; SOURCE_DATE_EPOCH for builds that are to be equal."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is None:
        return datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    try:
        return datetime.datetime.fromtimestamp(int(epoch), datetime.timezone.utc).date().isoformat()
    except (ValueError, OverflowError, OSError) as error:
        raise ParameterError(f"SOURCE_DATE_EPOCH must be seconds since 1970: {error}") from error


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


def parameters(
    gadget: Annotated[
        str,
        typer.Argument(
            help="MultitaskingGadget, SuperResolutionGadget, AslGadget, PerivascularGadget or SegmentationGadget."
        ),
    ] = "MultitaskingGadget",
) -> None:
    """List the parameters of a gadget with their defaults."""
    from gadgets.configuration import parameter_names
    from gadgets.registry import gadget_entry

    table = Table("parameter", "default", "meaning")
    model = type(gadget_entry(gadget).parse(None, {}))
    for name in parameter_names(model):
        field = model.model_fields[name]
        default = " ".join(map(str, field.default)) if isinstance(field.default, tuple) else field.default
        table.add_row(name, "none" if default is None else str(default), field.description)
    print_table(table)
