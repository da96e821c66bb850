"""The commands of ``malibu`` that are about volumes: simulated scans, training volumes, and evaluation."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gadgets import RESEARCH_LABEL
from gadgets.cli.machines.sharing import end_of, opened_work, shares_work
from gadgets.cli.options import (
    AccelerationOption,
    DeviceOption,
    DomainName,
    DomainOption,
    FirstSeedOption,
    JsonOption,
    NewScanArgument,
    SeedOption,
    SetOption,
    ShapeOption,
    check_outputs,
    numbers,
    out,
    overrides_of,
    print_figures,
    write_json,
)
from gadgets.errors import ParameterError

if TYPE_CHECKING:
    from gadgets.cluster.crew import Place

evaluate = typer.Typer(name="evaluate", no_args_is_help=True, help="Measure image quality against references.")


def simulate_volume(
    scan: NewScanArgument,
    domain: DomainOption = DomainName.coronary,
    shape: ShapeOption = "48x96x96",
    acceleration: AccelerationOption = "4x4",
    coils: Annotated[int, typer.Option(min=1, max=64, help="Receive coils.")] = 4,
    snr: Annotated[float, typer.Option(min=0.1, help="Of blood in the full image.")] = 50.0,
    seed: SeedOption = 0,
    images: Annotated[bool, typer.Option("--images", help="Low-resolution images instead of raw data.")] = False,
) -> None:
    """Simulate a volume: a 3-D Cartesian angiogram of which few lines were measured, and its truth beside it."""
    from gadgets.simulated.cartesian import VolumeProtocol, write_volume_scan
    from gadgets.simulated.radial import truth_path

    z, y, x = (int(value) for value in numbers(shape, 3, "--shape"))
    along_slice, along_phase = numbers(acceleration, 2, "--acceleration")
    check_outputs([], scan, truth_path(scan))
    protocol = VolumeProtocol(domain.value, (z, y, x), (along_slice, along_phase), coils, snr)
    write_volume_scan(protocol, seed, scan, images)
    out.print(f"wrote {scan} ({'images' if images else 'raw data'}) and {truth_path(scan)}")


@shares_work
def prepare_volumes(
    folder: Annotated[Path, typer.Argument(help="Folder for the volumes.", show_default=False)],
    domain: DomainOption = DomainName.coronary,
    count: Annotated[int, typer.Option(min=1, help="Simulated subjects.")] = 70,
    shape: ShapeOption = "96x112x112",
    seed: FirstSeedOption = 1000,
    *,
    place: "Place",
) -> None:
    """Make training volumes for super-resolution, simulated, split by subject; run again, it goes on where it was."""
    from gadgets.datasets.volumes import prepare_volumes as prepare

    z, y, x = (int(value) for value in numbers(shape, 3, "--shape"))
    with opened_work(place, "volumes", count) as work:
        prepare(folder, domain.value, (z, y, x), seed, count, work)
    out.print(f"{count - len(work.failed)} volumes are in {folder}")
    end_of(work)


@evaluate.callback()
def _measures() -> None:
    """Measure image quality against references."""


@evaluate.command("sr")
@shares_work
def evaluate_sr(
    volumes: Annotated[list[Path] | None, typer.Argument(help="NIfTI, HDF5 or DICOM volumes.")] = None,
    simulate: Annotated[int, typer.Option(min=0, help="Simulated held-out subjects instead.")] = 0,
    domain: DomainOption = DomainName.coronary,
    shape: ShapeOption = "64x112x112",
    seed: FirstSeedOption = 1,
    acceleration: AccelerationOption = "4x4",
    anatomy: Annotated[
        str | None, typer.Option(help="Of heads: weights of highres3dnet, for anatomical fidelity.", show_default=False)
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="PNG like figure 5.2 of the dissertation.")] = None,
    page: Annotated[Path | None, typer.Option("--output", "-o", help="HTML page with tables and picture.")] = None,
    json_: JsonOption = None,
    set_: SetOption = None,
    device: DeviceOption = None,
    *,
    place: "Place",
) -> None:
    """Degrade volumes in k-space, restore them, and compare with the originals: a table like 5-1."""
    from gadgets.cluster.needs import voxels_of_file
    from gadgets.evaluation.super_resolution import (
        evaluate_volumes,
        loaded_anatomy,
        loaded_subjects,
        simulated_subjects,
    )
    from gadgets.evaluation.volume_figures import COLUMN_GROUPS, LEGEND
    from gadgets.reports.evaluation import write_evaluation_page, write_picture
    from gadgets.super_resolution.parameters import parse_super_resolution

    parameters = parse_super_resolution(None, overrides_of(set_, device))
    factors = numbers(acceleration, 2, "--acceleration")
    z, y, x = (int(value) for value in numbers(shape, 3, "--shape"))
    if bool(volumes) == bool(simulate):
        raise ParameterError("give volumes, or --simulate COUNT")
    check_outputs(volumes or [], json_, picture, page)
    subjects = loaded_subjects(volumes) if volumes else simulated_subjects(domain.value, (z, y, x), seed, simulate)
    voxels = [voxels_of_file(path) for path in volumes] if volumes else [z * y * x] * simulate
    seen = partial(loaded_anatomy, anatomy) if anatomy else None
    with opened_work(place, "volumes", len(subjects)) as work:
        result = evaluate_volumes(subjects, (factors[0], factors[1]), parameters, work, seen, voxels)
    summary = result.summary()
    for group in COLUMN_GROUPS:
        print_figures(("", *group), ([method, *(f[name] for name in group)] for method, f in summary.items()))
    out.print(LEGEND, style="dim")
    write_json(json_, result.to_json())
    if picture:
        out.print(f"wrote {write_picture(result, picture)} ({RESEARCH_LABEL})")
    if page:
        out.print(f"wrote {write_evaluation_page(result, page)} ({RESEARCH_LABEL})")
    end_of(work)
