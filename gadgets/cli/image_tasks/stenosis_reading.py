"""``malibu evaluate reading``: stenoses in restored coronaries, found by how deep they look."""

from typing import TYPE_CHECKING, Annotated

import typer

from gadgets.cli.machines.sharing import end_of, opened_work, shares_work
from gadgets.cli.options import (
    AccelerationOption,
    DeviceOption,
    FirstSeedOption,
    JsonOption,
    SetOption,
    check_outputs,
    numbers,
    out,
    overrides_of,
    print_figures,
    write_json,
)

if TYPE_CHECKING:
    from gadgets.cluster.crew import Place


@shares_work
def evaluate_reading(
    simulate: Annotated[int, typer.Option(min=1, help="Simulated hearts, of eight segments each.")] = 10,
    shape: Annotated[str, typer.Option(help="Matrix ZxYxX.")] = "96x112x112",
    seed: FirstSeedOption = 1,
    acceleration: AccelerationOption = "4x4",
    json_: JsonOption = None,
    set_: SetOption = None,
    device: DeviceOption = None,
    *,
    place: "Place",
) -> None:
    """Read simulated stenoses in restored coronaries: a stand-in for the reading study, tables like 5-2."""
    from gadgets.evaluation.image_tasks.reading_study import COLUMNS, LEGEND, PRINTED, read_hearts
    from gadgets.evaluation.restorations import ORIGINAL
    from gadgets.super_resolution.parameters import parse_super_resolution

    parameters = parse_super_resolution(None, overrides_of(set_, device))
    along_slice, along_phase = numbers(acceleration, 2, "--acceleration")
    z, y, x = (int(value) for value in numbers(shape, 3, "--shape"))
    check_outputs([], json_)
    with opened_work(place, "hearts", simulate) as work:
        study = read_hearts((z, y, x), range(seed, seed + simulate), (along_slice, along_phase), parameters, work)
    truth, printed = study.rows(), study.rows(ORIGINAL)
    areas = {method: f"{study.curve(method)[2]:.2f}" for method in truth}
    print_figures(("against the truth", *COLUMNS, "AUC"), ([name, *row, areas[name]] for name, row in truth.items()))
    table = [
        [name, *row, " ".join(f"{value:.2f}" for value in PRINTED[name]) if name in PRINTED else "-"]
        for name, row in printed.items()
        if name != ORIGINAL
    ]
    print_figures(("against the original", *COLUMNS, "printed"), table)
    for method in truth:
        rows = study.grades(method)
        out.print(f"{method}: grades found (columns 1-4) by true grade (rows): {rows.tolist()}")
    significant = sum(depth >= 0.5 for depth in study.true)
    out.print(f"{len(study.true)} segments, {significant} with a significant stenosis")
    out.print(LEGEND, style="dim")
    write_json(json_, study.to_json())
    end_of(work)
