"""The commands of ``malibu`` that are about volumes: simulated scans, training volumes, and evaluation."""

import json
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from gadgets import RESEARCH_LABEL
from gadgets.cli.options import DeviceOption, SetOption, out, overrides_of, progress_bar
from gadgets.errors import ParameterError

evaluate = typer.Typer(name="evaluate", no_args_is_help=True, help="Measure image quality against references.")


class DomainName(str, Enum):
    """What simulated volumes look like."""

    coronary = "coronary"
    brain = "brain"


DomainOption = Annotated[DomainName, typer.Option(help="What the volumes look like.")]
ShapeOption = Annotated[str, typer.Option(help="Full matrix as ZxYxX; x is the readout.")]
AccelerationOption = Annotated[str, typer.Option(help="Fewer lines along slice x phase direction: 4x4 is 16x.")]


def _numbers(text: str, count: int, name: str) -> tuple[float, ...]:
    try:
        values = tuple(float(value) for value in text.split("x"))
    except ValueError:
        values = ()
    if len(values) != count or min(values) < 1:
        raise ParameterError(f"{name} {text!r} must be {count} numbers of at least 1 with an x between them")
    return values


def simulate_volume(
    scan: Annotated[Path, typer.Argument(help="File to write; the truth goes to NAME.truth.h5.", show_default=False)],
    domain: DomainOption = DomainName.coronary,
    shape: ShapeOption = "48x96x96",
    acceleration: AccelerationOption = "4x4",
    coils: Annotated[int, typer.Option(min=1, max=64, help="Receive coils.")] = 4,
    snr: Annotated[float, typer.Option(min=0.1, help="Of blood in the full image.")] = 50.0,
    seed: Annotated[int, typer.Option(min=0, help="Subject; equal seeds give equal scans.")] = 0,
    images: Annotated[bool, typer.Option("--images", help="Low-resolution images instead of raw data.")] = False,
) -> None:
    """Simulate a 3-D Cartesian angiogram whose phase-encoding directions were cut, and its truth beside it."""
    from gadgets.simulated.cartesian import VolumeProtocol, write_volume_scan
    from gadgets.simulated.radial import truth_path

    z, y, x = (int(value) for value in _numbers(shape, 3, "--shape"))
    along_slice, along_phase = _numbers(acceleration, 2, "--acceleration")
    protocol = VolumeProtocol(domain.value, (z, y, x), (along_slice, along_phase), coils, snr)
    write_volume_scan(protocol, seed, scan, images)
    out.print(f"wrote {scan} ({'images' if images else 'raw data'}) and {truth_path(scan)}")


def prepare_volumes(
    folder: Annotated[Path, typer.Argument(help="Folder for the volumes.", show_default=False)],
    domain: DomainOption = DomainName.coronary,
    count: Annotated[int, typer.Option(min=1, help="Simulated subjects.")] = 70,
    shape: ShapeOption = "96x112x112",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first subject.")] = 1000,
) -> None:
    """Simulate volumes to train super-resolution on, split by subject; run again, it goes on where it was."""
    from gadgets.datasets.volumes import prepare_volumes as prepare

    z, y, x = (int(value) for value in _numbers(shape, 3, "--shape"))
    with progress_bar() as progress:
        task = progress.add_task("volumes", total=count)
        prepare(folder, domain.value, (z, y, x), seed, count, lambda: progress.advance(task))
    out.print(f"{count} volumes are in {folder}")


@evaluate.callback()
def _measures() -> None:
    """Measure image quality against references."""


@evaluate.command("sr")
def evaluate_sr(
    volumes: Annotated[list[Path] | None, typer.Argument(help="NIfTI, HDF5 or DICOM volumes.")] = None,
    simulate: Annotated[int, typer.Option(min=0, help="Simulated held-out subjects instead.")] = 0,
    domain: DomainOption = DomainName.coronary,
    shape: ShapeOption = "64x112x112",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first simulated subject.")] = 1,
    acceleration: AccelerationOption = "4x4",
    picture: Annotated[Path | None, typer.Option(help="PNG like figure 5.2 of the dissertation.")] = None,
    json_: Annotated[Path | None, typer.Option("--json", help="Figures for scripts.", show_default=False)] = None,
    set_: SetOption = None,
    device: DeviceOption = None,
) -> None:
    """Degrade volumes in k-space, restore them, and compare with the originals: a table like 5-1."""
    from gadgets.evaluation.super_resolution import (
        COLUMNS,
        evaluate_volumes,
        loaded_subjects,
        simulated_subjects,
        write_picture,
    )
    from gadgets.mrd.files import complete_file
    from gadgets.super_resolution.parameters import parse_super_resolution

    parameters = parse_super_resolution(None, overrides_of(set_, device))
    factors = _numbers(acceleration, 2, "--acceleration")
    z, y, x = (int(value) for value in _numbers(shape, 3, "--shape"))
    if bool(volumes) == bool(simulate):
        raise ParameterError("give volumes, or --simulate COUNT")
    subjects: Any = loaded_subjects(volumes) if volumes else simulated_subjects(domain.value, (z, y, x), seed, simulate)
    with progress_bar() as progress:
        task = progress.add_task("volumes", total=len(volumes or ()) or simulate)
        result = evaluate_volumes(subjects, (factors[0], factors[1]), parameters, lambda: progress.advance(task))
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in ("", *COLUMNS):
        table.add_column(name, no_wrap=True, justify="right" if name else "left")
    for method, figures in result.summary().items():
        table.add_row(method, *(figures[name] for name in COLUMNS))
    out.print(table)
    if json_:
        with complete_file(json_) as partial:
            partial.write_text(json.dumps(result.to_json(), indent=2))
    if picture:
        out.print(f"wrote {write_picture(result, picture)} ({RESEARCH_LABEL})")
