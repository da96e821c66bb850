"""The commands of ``malibu`` that are about perfusion: simulated scans, training slices, and evaluation."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gadgets import RESEARCH_LABEL
from gadgets.cli.machines.sharing import end_of, opened_work, shares_work, whole_paths
from gadgets.cli.options import (
    DeviceOption,
    FirstSeedOption,
    JsonOption,
    NewScanArgument,
    SeedOption,
    check_outputs,
    numbers,
    out,
    print_figures,
    write_json,
)
from gadgets.errors import ParameterError

if TYPE_CHECKING:
    from gadgets.cluster.crew import Place


def simulate_asl(
    scan: NewScanArgument,
    pairs: Annotated[int, typer.Option(min=2, max=1000, help="Of control and label images.")] = 40,
    shape: Annotated[str, typer.Option(help="Matrix as ZxYxX; voxels of 6x3.4x3.4 mm.")] = "20x64x64",
    tsnr: Annotated[float, typer.Option(min=0, help="Signal over thermal noise; 0: no noise.")] = 120.0,
    lesions: Annotated[int, typer.Option(min=0, max=20, help="Small ones, of 2x2 voxels.")] = 2,
    outliers: Annotated[int, typer.Option(min=0, help="Pairs with a jerk of the head, or lost slices.")] = 4,
    m0: Annotated[bool, typer.Option("--m0", help="Add a proton density as a series of its own.")] = False,
    seed: SeedOption = 0,
) -> None:
    """Simulate perfusion: control and label images of a brain whose blood flow is known, and its truth beside it."""
    from gadgets.simulated.perfusion import PerfusionScan, write_perfusion_scan
    from gadgets.simulated.radial import truth_path
    from recon.simulation.perfusion import AslProtocol

    z, y, x = (int(value) for value in numbers(shape, 3, "--shape"))
    if min(y, x) < 32:
        raise ParameterError(f"--shape is {shape}; brains of 3.4 mm voxels need 32 rows and columns at least")
    check_outputs([], scan, truth_path(scan))
    protocol = AslProtocol(pairs=pairs, tsnr=tsnr, outliers=outliers)
    write_perfusion_scan(PerfusionScan((z, y, x), protocol, lesions, m0), seed, scan)
    out.print(f"wrote {scan} ({pairs} pairs of images) and {truth_path(scan)}")


@shares_work
def prepare_perfusion(
    folder: Annotated[Path, typer.Argument(help="Folder for the slices.", show_default=False)],
    count: Annotated[int, typer.Option(min=1, help="Simulated subjects.")] = 60,
    shape: Annotated[str, typer.Option(help="Matrix as ZxYxX; voxels of 6x3.4x3.4 mm.")] = "12x64x64",
    seed: FirstSeedOption = 3000,
    guided: Annotated[
        bool, typer.Option("--guided", help="For guided networks: with control images, errors, many lesions, truth.")
    ] = False,
    *,
    place: "Place",
) -> None:
    """Make training slices of blood flow, simulated, split by subject; run again, it goes on where it was."""
    from gadgets.datasets.perfusion import prepare_guided, prepare_perfusion as prepare_plain

    z, y, x = (int(value) for value in numbers(shape, 3, "--shape"))
    prepare = prepare_guided if guided else prepare_plain
    with opened_work(place, "subjects", count) as work:
        prepare(folder, (z, y, x), seed, count, work)
    out.print(f"slices of {count - len(work.failed)} subjects are in {folder}")
    end_of(work)


@shares_work
def evaluate_asl(
    simulate: Annotated[int, typer.Option(min=1, help="Simulated held-out subjects.")] = 3,
    weights: Annotated[list[str] | None, typer.Option(help="Networks to compare; default: the shipped one.")] = None,
    shape: Annotated[str, typer.Option(help="Matrix as ZxYxX.")] = "12x64x64",
    seed: FirstSeedOption = 1,
    keep_beyond: Annotated[
        list[float] | None,
        typer.Option(min=0, help="Of guided networks, as the gadget's parameter; several are compared."),
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="PNG of the last subject by each method.")] = None,
    json_: JsonOption = None,
    device: DeviceOption = None,
    *,
    place: "Place",
) -> None:
    """Denoise blood flow of ten pairs, and compare with truth and with all pairs: the figures of Xie 2020, and more."""
    from gadgets.evaluation.image_tasks.perfusion import COLUMNS, LEGEND, evaluate_perfusion, loaded_denoisers
    from gadgets.reports.image_tasks.perfusion import write_perfusion_picture

    z, y, x = (int(value) for value in numbers(shape, 3, "--shape"))
    check_outputs([], json_, picture)
    chosen = device or "auto"
    denoisers = partial(loaded_denoisers, whole_paths(weights or ["shipped"]), chosen, tuple(keep_beyond or ()))
    denoisers()  # what is wrong with weights is told before the work begins
    with opened_work(place, "subjects", simulate) as work:
        result = evaluate_perfusion((z, y, x), seed, simulate, denoisers, work, work.crew.gpus_for(chosen))
    summary = result.summary().items()
    print_figures(("", *COLUMNS), ([method, *(figures[name] for name in COLUMNS)] for method, figures in summary))
    out.print(LEGEND, style="dim")
    write_json(json_, result.figures)
    if picture:
        out.print(f"wrote {write_perfusion_picture(result, picture)} ({RESEARCH_LABEL})")
    end_of(work)
