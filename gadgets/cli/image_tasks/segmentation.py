"""The commands of ``malibu`` that are about organs: simulated scans, training volumes, and evaluation."""

from enum import Enum
from functools import partial
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gadgets import RESEARCH_LABEL
from gadgets.cli.machines.sharing import end_of, opened_work, shares_work
from gadgets.cli.options import (
    FirstSeedOption,
    JsonOption,
    NewScanArgument,
    SeedOption,
    check_outputs,
    numbers,
    out,
    print_figures,
    progress_bar,
    write_json,
)
from gadgets.errors import ParameterError

if TYPE_CHECKING:
    from gadgets.cluster.crew import Place
    from gadgets.datasets.labelled.labelled_subjects import LabelledKind

_NAMED = 8
"""Nearly empty slices that are listed; of more, the first ones."""
_SHAPE, _SPACING = "64x80x112", "3x3x3"
_ShapeOption = Annotated[str, typer.Option("--shape", help="Matrix ZxYxX; z runs to the head, y back, x left.")]
_SpacingOption = Annotated[str, typer.Option("--spacing", help="Voxel ZxYxX in mm; 1.2x1.2x1.2 is the paper's.")]


def _grid(shape: str, spacing: str) -> tuple[tuple[int, int, int], tuple[float, float, float]]:
    z, y, x = (int(value) for value in numbers(shape, 3, "--shape"))
    dz, dy, dx = numbers(spacing, 3, "--spacing")
    return (z, y, x), (dz, dy, dx)


class OrientationName(str, Enum):
    """Planes of simulated slices."""

    axial = "axial"
    coronal = "coronal"
    sagittal = "sagittal"


def simulate_abdomen(
    scan: NewScanArgument,
    shape: _ShapeOption = _SHAPE,
    spacing: _SpacingOption = _SPACING,
    orientation: Annotated[OrientationName, typer.Option(help="Of the slices.")] = OrientationName.axial,
    seed: SeedOption = 0,
) -> None:
    """Simulate an abdomen: a T1-weighted volume as images, and its organs beside it."""
    from gadgets.simulated.labelled_volumes import write_abdomen_scan
    from gadgets.simulated.radial import truth_path

    size, spacing_mm = _grid(shape, spacing)
    check_outputs([], scan, truth_path(scan))
    write_abdomen_scan(size, spacing_mm, seed, scan, orientation.value)
    out.print(f"wrote {scan} ({orientation.value} slices) and {truth_path(scan)}")


@shares_work
def prepare_abdomens(
    folder: Annotated[Path, typer.Argument(help="Folder for the volumes.", show_default=False)],
    count: Annotated[int, typer.Option(min=1, help="Simulated subjects.")] = 80,
    shape: _ShapeOption = _SHAPE,
    spacing: _SpacingOption = _SPACING,
    seed: FirstSeedOption = 1000,
    *,
    place: "Place",
) -> None:
    """Make abdomens with labelled organs to train on, simulated, split by subject; run again, it goes on."""
    from gadgets.datasets.labelled.labelled_subjects import abdomens

    size, spacing_mm = _grid(shape, spacing)
    _prepare(folder, abdomens(spacing_mm), size, seed, count, "abdomens", place)


@shares_work
def prepare_brains(
    folder: Annotated[Path, typer.Argument(help="Folder for the volumes.", show_default=False)],
    count: Annotated[int, typer.Option(min=1, help="Simulated subjects.")] = 70,
    shape: Annotated[str, typer.Option(help="Matrix ZxYxX, 180 mm from front to back.")] = "56x72x56",
    seed: FirstSeedOption = 1000,
    *,
    place: "Place",
) -> None:
    """Make heads with labelled parts to train on, simulated, split by subject; run again, it goes on."""
    from gadgets.datasets.labelled.labelled_subjects import HEADS

    z, y, x = (int(value) for value in numbers(shape, 3, "--shape"))
    _prepare(folder, HEADS, (z, y, x), seed, count, "heads", place)


def _prepare(
    folder: Path, kind: "LabelledKind", shape: tuple[int, int, int], seed: int, count: int, what: str, place: "Place"
) -> None:
    from gadgets.datasets.labelled.labelled_subjects import prepare_labelled

    with opened_work(place, what, count) as work:
        prepare_labelled(folder, kind, shape, seed, count, work)
    out.print(f"{count - len(work.failed)} {what} are in {folder}")
    end_of(work)


def import_labels(
    image: Annotated[Path, typer.Argument(help="Magnitude volume (NIfTI).", show_default=False)],
    labels: Annotated[Path, typer.Argument(help="Its labels (NIfTI), on the same voxels.", show_default=False)],
    output: Annotated[Path, typer.Argument(help="Labelled volume (.h5) to write.", show_default=False)],
    spacing: _SpacingOption = _SPACING,
) -> None:
    """Bring an own volume and its outlined organs to a network's grid, to train on or to evaluate with."""
    from gadgets.datasets.labelled.labelled_nifti import import_labelled

    check_outputs([image, labels], output)
    z, y, x = numbers(spacing, 3, "--spacing")
    grid = import_labelled(image, labels, output, (z, y, x))
    out.print(f"wrote {output}: {'x'.join(map(str, grid.shape))} voxels (z, y, x)")


def synthesise(
    labels: Annotated[list[Path], typer.Argument(help="Labelled volumes, or labels alone (.h5).", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the volumes.", show_default=False)],
    weights: Annotated[str, typer.Option(help="Weights of a SPADE (.safetensors).")] = "spade",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda:N.")] = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Of the first volume's style.")] = 0,
) -> None:
    """Make images of label maps, to train on: synthetic, and marked so."""
    from gadgets.datasets.organs.synthetic_volumes import INVENTED, synthesise as make
    from gadgets.device import choose_device, ready_torch
    from nets.inference.organs.synthesis import SliceSynthesis
    from nets.weights import weights_path

    network = SliceSynthesis(weights_path(weights), ready_torch(choose_device(device)))
    with progress_bar() as progress:
        task = progress.add_task("volumes", total=len(labels))
        made = make(labels, output, network, seed, lambda: progress.advance(task))
    for path, few in made.items():
        out.print(f"wrote {path}")
        if few:
            slices = ", ".join(map(str, few[:_NAMED])) + (" and others" if len(few) > _NAMED else "")
            out.print(
                f"{len(few)} of its slices ({slices}) are nearly empty of labels, below {network.least_share:.2%} of "
                "their pixels: what is seen there comes from nothing",
                style="yellow",
            )
    out.print(f"synthetic: {INVENTED}", style="dim")


@shares_work
def evaluate_segmentation(
    volumes: Annotated[list[Path] | None, typer.Argument(help="Labelled volumes (.h5) of prepare-abdomens.")] = None,
    weights: Annotated[str, typer.Option(help="Weights (.safetensors), or the name of shipped ones.")] = "alamo",
    simulate: Annotated[int, typer.Option(min=0, help="Simulated held-out subjects instead.")] = 0,
    shape: _ShapeOption = _SHAPE,
    spacing: _SpacingOption = _SPACING,
    seed: FirstSeedOption = 1,
    picture: Annotated[Path | None, typer.Option(help="PNG of the last volume by each method.")] = None,
    json_: JsonOption = None,
    *,
    place: "Place",
) -> None:
    """Outline organs in one view and by the vote of three, and compare with the truth: a table like 7-5."""
    from gadgets.cluster.needs import voxels_of_file
    from gadgets.evaluation.image_tasks.segmentation import (
        COLUMNS,
        LEGEND,
        evaluate_organs,
        loaded_networks,
        loaded_subjects,
        simulated_subjects,
    )
    from gadgets.reports.image_tasks.segmentation import write_segmentation_picture
    from nets.weights import weights_path

    if bool(volumes) == bool(simulate):
        raise ParameterError("give volumes, or --simulate COUNT")
    check_outputs(volumes or [], json_, picture)
    networks = partial(loaded_networks, weights_path(weights).resolve())
    networks()  # what is wrong with weights is told before the work begins
    size, spacing_mm = _grid(shape, spacing)
    subjects = loaded_subjects(volumes) if volumes else simulated_subjects(size, spacing_mm, seed, simulate)
    voxels = [voxels_of_file(path) for path in volumes] if volumes else [prod(size)] * simulate
    with opened_work(place, "volumes", len(subjects)) as work:
        result = evaluate_organs(subjects, networks, work, voxels)
    for method in result.figures:
        columns, rows = (*COLUMNS, "missed"), result.rows(method).items()
        print_figures((method, *columns), ([organ, *(figures[name] for name in columns)] for organ, figures in rows))
        out.print(f"{method}: {sum(result.seconds[method]) / len(result.seconds[method]):.1f} s per volume")
    p = result.significance("one view", "three views")
    out.print("one view against three: " + ("too few volumes for a test" if p is None else f"p = {p:.2g} (Wilcoxon)"))
    out.print(LEGEND, style="dim")
    write_json(json_, result.to_json())
    if picture:
        out.print(f"wrote {write_segmentation_picture(result, picture)} ({RESEARCH_LABEL})")
    end_of(work)
