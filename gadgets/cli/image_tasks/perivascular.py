"""The commands of ``malibu`` that are about perivascular spaces: simulated scans, training pairs, and evaluation."""

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
    ShapeOption,
    check_outputs,
    numbers,
    out,
    print_figures,
    write_json,
)

if TYPE_CHECKING:
    from gadgets.cluster.crew import Place


def simulate_perivascular(
    scan: NewScanArgument,
    shape: ShapeOption = "64x96x96",
    spaces: Annotated[bool, typer.Option(help="Whether the brain has perivascular spaces.")] = True,
    mask: Annotated[bool, typer.Option("--mask", help="Send white matter as a series of its own.")] = False,
    snr: Annotated[float | None, typer.Option(min=1, help="Of white matter.", show_default="10 to 25")] = None,
    seed: SeedOption = 0,
) -> None:
    """Simulate perivascular spaces: a T2-weighted brain at 7 T as images, and its truth beside it."""
    from gadgets.simulated.labelled_volumes import write_perivascular_scan
    from gadgets.simulated.radial import truth_path

    z, y, x = (int(value) for value in numbers(shape, 3, "--shape"))
    check_outputs([], scan, truth_path(scan))
    write_perivascular_scan((z, y, x), seed, scan, spaces, mask, snr)
    out.print(f"wrote {scan} ({z} slices{' and a mask' if mask else ''}) and {truth_path(scan)}")


@shares_work
def prepare_perivascular(
    folder: Annotated[Path, typer.Argument(help="Folder for the pairs.", show_default=False)],
    count: Annotated[int, typer.Option(min=1, help="Simulated subjects.")] = 30,
    shape: ShapeOption = "64x96x96",
    seed: FirstSeedOption = 1000,
    *,
    place: "Place",
) -> None:
    """Make training pairs for perivascular spaces, simulated, split by subject; run again, it goes on where it was."""
    from gadgets.datasets.perivascular import prepare_perivascular as prepare

    z, y, x = (int(value) for value in numbers(shape, 3, "--shape"))
    with opened_work(place, "pairs", count) as work:
        prepare(folder, (z, y, x), seed, count, work)
    out.print(f"{count - len(work.failed)} pairs are in {folder}")
    end_of(work)


@shares_work
def evaluate_pvs(
    weights: Annotated[
        list[Path] | None, typer.Argument(help="Weights of networks; the first is tested against all others.")
    ] = None,
    simulate: Annotated[int, typer.Option(min=1, help="Simulated held-out subjects.")] = 10,
    shape: ShapeOption = "64x96x96",
    seed: FirstSeedOption = 5000,
    picture: Annotated[Path | None, typer.Option(help="PNG of the last subject by each method.")] = None,
    json_: JsonOption = None,
    device: DeviceOption = None,
    *,
    place: "Place",
) -> None:
    """Enhance simulated brains with and without perivascular spaces, and compare with truth and recipe."""
    from gadgets.evaluation.image_tasks.perivascular import (
        LABELS,
        LEGEND,
        METRICS,
        REGIONS,
        SPACES_COLUMNS,
        evaluate_perivascular,
        loaded_enhancers,
    )
    from gadgets.reports.image_tasks.perivascular import write_perivascular_picture

    z, y, x = (int(value) for value in numbers(shape, 3, "--shape"))
    check_outputs(weights or [], json_, picture)
    chosen = device or "auto"
    networks = partial(loaded_enhancers, whole_paths(weights or []), chosen)
    networks()  # what is wrong with weights is told before the work begins
    with opened_work(place, "subjects", simulate) as work:
        result = evaluate_perivascular(networks, (z, y, x), seed, simulate, work, work.crew.gpus_for(chosen))
    columns = [f"{region} {metric}" for region in REGIONS for metric in METRICS]
    for label in LABELS:
        print_figures(["", *columns], result.quality_rows(label), f"against the {label}")
    print_figures(["", *SPACES_COLUMNS], result.spaces_rows(), "spaces")
    out.print(LEGEND, style="dim")
    write_json(json_, result.to_json())
    if picture:
        out.print(f"wrote {write_perivascular_picture(result, picture)} ({RESEARCH_LABEL})")
    end_of(work)
