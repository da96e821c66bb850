"""The commands of ``malibu`` about networks: ``nets``, ``prepare-pairs``, ``prepare-courses`` and ``calibrate``."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from gadgets import RESEARCH_LABEL
from gadgets.cli.machines.sharing import end_of, opened_work, shares_work
from gadgets.cli.options import (
    ConfigOption,
    DeviceOption,
    FirstSeedOption,
    GroupOption,
    Preset,
    SetOption,
    configuration_text,
    out,
    overrides_of,
    print_table,
    progress_bar,
)
from gadgets.errors import ParameterError

if TYPE_CHECKING:
    from gadgets.cluster.crew import Place


def nets(
    weights: Annotated[Path | None, typer.Option(help="Show the model card of this file.", show_default=False)] = None,
    json_: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
    add_digest: Annotated[
        bool, typer.Option("--add-digest", help="Write the file of --weights anew with a digest of its tensors.")
    ] = False,
) -> None:
    """List the network architectures, who trains and who runs them, and the weights that malibu ships."""
    from gadgets.network_uses import with_uses
    from nets.catalogue import network_rows, weight_rows
    from nets.weights import WeightsError, add_digest as write_anew

    if add_digest and weights is None:
        raise ParameterError("--add-digest needs a file: give --weights FILE")
    try:
        if add_digest and weights:
            write_anew(weights)
        files = weight_rows([weights] if weights else None)
    except WeightsError as error:
        raise ParameterError(str(error)) from error
    if json_:
        out.print_json(json.dumps({"architectures": with_uses(network_rows()), "weights": files}))
        return
    if weights is None:
        table = Table(
            "network", "parameters", "sees", "training", "shipped weights", "gadget", "licence", "for", "source"
        )
        for row in with_uses(network_rows()):
            sees = "everything" if row["receptive_field"] is None else f"{row['receptive_field']} px"
            shipped = row["shipped_weights"] or "-"
            training = ", ".join(row["recipes"]) or {"alike": "as others of its task"}.get(row["training"], "-")
            runs = ", ".join(gadget.removesuffix("Gadget") for gadget in row["gadgets"]) or "-"
            told = (row["licence"], row["task"], row["source"])
            table.add_row(row["name"], f"{row['parameters']:,}", sees, training, shipped, runs, *told)
        print_table(table)
    for row in files:
        table = Table(title=f"weights {row['file']} ({RESEARCH_LABEL})", show_header=False, title_justify="left")
        for name, value in row.items():
            table.add_row(name, value if isinstance(value, str) else json.dumps(value))
        print_table(table)


@shares_work
def prepare_pairs(
    folder: Annotated[Path, typer.Argument(help="Folder for the pairs.", show_default=False)],
    scans: Annotated[list[Path] | None, typer.Argument(help="ISMRMRD scans; ADMM makes the labels.")] = None,
    simulate: Annotated[int, typer.Option(min=0, help="Simulated subjects; the truth is the label.")] = 0,
    seed: FirstSeedOption = 1000,
    preset: Annotated[Preset, typer.Option(help="Protocol that the simulated scans vary.")] = Preset.standard,
    config: ConfigOption = None,
    set_: SetOption = None,
    device: DeviceOption = None,
    group: GroupOption = "dataset",
    *,
    place: "Place",
) -> None:
    """Make training pairs for Multitasking, from scans or simulated, split by subject; run again, it goes on."""
    from gadgets.configuration import configuration_of
    from gadgets.datasets.jobs import prepare_pairs as prepare, scan_jobs, simulation_jobs
    from gadgets.multitasking.parameters import parse_parameters
    from recon.simulation.chest import PRESETS

    element = configuration_of(configuration_text(config), "MultitaskingGadget")
    wanted = parse_parameters(element, overrides_of(set_, device))
    jobs = scan_jobs(scans or [], folder, group) + simulation_jobs(seed, simulate)
    with opened_work(place, "scans", len(jobs)) as work:
        prepare(jobs, folder, PRESETS[preset.value], wanted, group, work)
    out.print(f"{len(jobs) - len(work.failed)} of {len(jobs)} scans have their pairs in {folder}")
    end_of(work)


@shares_work
def prepare_courses(
    folder: Annotated[Path, typer.Argument(help="Folder for the courses.", show_default=False)],
    count: Annotated[int, typer.Option(min=2, help="Simulated scans; the last one is for validation.")] = 12,
    seed: FirstSeedOption = 5000,
    *,
    place: "Place",
) -> None:
    """Make courses of gated scans, of which pairs with any content are made while a network learns; resumes."""
    from gadgets.datasets.courses import prepare_courses as prepare

    with opened_work(place, "courses", count) as work:
        prepare(folder, seed, count, work)
    out.print(f"{count - len(work.failed)} courses lie in {folder}")
    end_of(work)


def calibrate(
    weights: Annotated[Path, typer.Argument(help="Weights of a Multitasking network.", show_default=False)],
    output: Annotated[Path, typer.Argument(help="Where to write them with the new model card.", show_default=False)],
    courses: Annotated[Path, typer.Option(help="Folder of gated courses (prepare-courses).", show_default=False)],
    each: Annotated[int, typer.Option(min=1, help="Pairs of each kind and course; the first gives error bars.")] = 2,
    samples: Annotated[int, typer.Option(min=1, max=8, help="Turned inputs of a pair.")] = 2,
    singles: Annotated[int, typer.Option(min=0, help="Made-up scans of one image; 0: the network knows none.")] = 8,
    seed: FirstSeedOption = 7000,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda:N.")] = "cpu",
) -> None:
    """Fit error bars and what a usual scan looks like to pairs with a known truth, into the weights' model card."""
    from gadgets.datasets.calibration import (
        calibration_rows,
        error_model_of,
        training_statistics_of,
        write_calibrated,
    )
    from gadgets.datasets.contents import HELD_OUT, TRAINED_ON
    from gadgets.datasets.courses import read_course, single_image_course
    from gadgets.datasets.judged_pairs import JudgedPair, judged_pairs
    from gadgets.device import choose_device
    from gadgets.multitasking.network import open_network

    gated = sorted(courses.glob("gated-*.h5"))
    if not (singles or gated):
        raise ParameterError(f"{courses} holds no courses; make some by malibu prepare-courses {courses}")
    chosen = choose_device(device)
    network = open_network(weights, chosen)
    made = [
        (f"single-{number}", lambda number=number: single_image_course(number))
        for number in range(seed, seed + singles)
    ]
    read = [(path.stem, lambda path=path: read_course(path)) for path in gated]
    pairs: list[JudgedPair] = []
    with progress_bar() as progress:
        task = progress.add_task("pairs", total=len(made + read) * each * len(TRAINED_ON + HELD_OUT))
        for name, course in made + read:
            for pair in judged_pairs(network, name, course(), TRAINED_ON + HELD_OUT, each, samples, seed, chosen):
                pairs.append(pair)
                progress.advance(task)
    known = [pair for pair in pairs if pair.kind in TRAINED_ON]
    model, statistics = error_model_of(known), training_statistics_of(known)
    write_calibrated(weights, output, model, statistics)
    table = Table("kind", "held out", "pairs", "frames: least, mean", "T1: least, mean", "unlike the training")
    for row in calibration_rows(pairs, model, statistics):
        shares = [
            f"{100 * row[name][0]:.1f} {100 * row[name][1]:.1f} %" if row[name] else "-" for name in ("frames", "t1")
        ]
        table.add_row(
            row["kind"], "yes" if row["held_out"] else "", str(row["pairs"]), *shares, f"{100 * row['strange']:.0f} %"
        )
    print_table(table)
    out.print(f"wrote {output}; the columns are coverages of ±1.96 standard deviations")
