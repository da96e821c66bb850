"""The commands of ``malibu`` that are about perivascular spaces: training pairs, and evaluation."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from gadgets.cli.options import (
    DeviceOption,
    FirstSeedOption,
    JsonOption,
    ShapeOption,
    check_outputs,
    numbers,
    out,
    print_table,
    progress_bar,
)


def prepare_perivascular(
    folder: Annotated[Path, typer.Argument(help="Folder for the pairs.", show_default=False)],
    count: Annotated[int, typer.Option(min=1, help="Simulated subjects.")] = 30,
    shape: ShapeOption = "64x96x96",
    seed: FirstSeedOption = 1000,
) -> None:
    """Make training pairs for perivascular spaces, simulated, split by subject; run again, it goes on where it was."""
    from gadgets.datasets.perivascular import prepare_perivascular as prepare

    z, y, x = (int(value) for value in numbers(shape, 3, "--shape"))
    with progress_bar() as progress:
        task = progress.add_task("pairs", total=count)
        prepare(folder, (z, y, x), seed, count, lambda: progress.advance(task))
    out.print(f"{count} pairs are in {folder}")


def evaluate_pvs(
    weights: Annotated[
        list[Path] | None, typer.Argument(help="Weights of networks; the first is tested against all others.")
    ] = None,
    simulate: Annotated[int, typer.Option(min=1, help="Simulated held-out subjects.")] = 10,
    shape: ShapeOption = "64x96x96",
    seed: FirstSeedOption = 5000,
    json_: JsonOption = None,
    device: DeviceOption = None,
) -> None:
    """Enhance simulated brains with and without perivascular spaces, and compare with truth and recipe."""
    from gadgets.device import choose_device, ready_torch
    from gadgets.evaluation.image_tasks.perivascular import (
        LABELS,
        LEGEND,
        METRICS,
        REGIONS,
        SPACES_COLUMNS,
        evaluate_perivascular,
        loaded_enhancers,
    )
    from gadgets.files import complete_file

    z, y, x = (int(value) for value in numbers(shape, 3, "--shape"))
    check_outputs(weights or [], json_)
    networks = loaded_enhancers(weights or [], ready_torch(choose_device(device or "auto")))
    with progress_bar() as progress:
        task = progress.add_task("subjects", total=simulate)
        result = evaluate_perivascular(networks, (z, y, x), seed, simulate, lambda: progress.advance(task))
    columns = [f"{region} {metric}" for region in REGIONS for metric in METRICS]
    for label in LABELS:
        _print(f"against the {label}", columns, result.quality_rows(label))
    _print("spaces", SPACES_COLUMNS, result.spaces_rows())
    out.print(LEGEND, style="dim")
    if json_:
        with complete_file(json_) as partial:
            partial.write_text(json.dumps(result.to_json(), indent=2))


def _print(title: str, columns: tuple[str, ...] | list[str], rows: list[list[str]]) -> None:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in ("", *columns):
        table.add_column(name, no_wrap=True, justify="right" if name else "left")
    for row in rows:
        table.add_row(*row)
    print_table(table)
