"""``malibu benchmark``: methods side by side, and how long a console waits."""

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gadgets import RESEARCH_LABEL
from gadgets.cli.machines.sharing import end_of, opened_work, shares_work
from gadgets.cli.options import (
    ConfigOption,
    DeviceOption,
    GroupOption,
    JsonOption,
    SetOption,
    WeightsOption,
    check_outputs,
    configuration_text,
    out,
    overrides_of,
    print_figures,
    write_json,
)
from gadgets.errors import ParameterError

if TYPE_CHECKING:
    from gadgets.cluster.crew import Place


@shares_work
def benchmark(
    scans: Annotated[
        list[Path] | None,
        typer.Argument(metavar="SCANS...", help="ISMRMRD files (.h5), or patterns.", show_default=False),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML page to write.")] = Path("benchmark.html"),
    methods: Annotated[
        str, typer.Option(help="exact, backprojection, mdcn, mdcn+data, unrolled, admm; separated by commas.")
    ] = "backprojection,mdcn,unrolled,admm",
    repeat: Annotated[int, typer.Option(min=1, help="Runs of each method; seconds are medians.")] = 1,
    latency: Annotated[
        bool, typer.Option("--latency", help="Send the scan through the wire, to a fresh process and to a warm one.")
    ] = False,
    speed: Annotated[float, typer.Option(min=0.01, max=1e6, help="With --latency: times the console's rate.")] = 1.0,
    operators: Annotated[
        bool, typer.Option("--operators", help="No scan: time the operators on random data, beside other libraries.")
    ] = False,
    size: Annotated[int, typer.Option(min=16, max=512, help="With --operators: pixels along an axis.")] = 160,
    rank: Annotated[int, typer.Option(min=1, max=64, help="With --operators: basis functions.")] = 32,
    coils: Annotated[int, typer.Option(min=1, max=64, help="With --operators.")] = 8,
    spokes: Annotated[int, typer.Option(min=16, max=100_000, help="With --operators.")] = 8000,
    iterations: Annotated[int, typer.Option(min=1, max=50, help="With --operators: of ADMM, outer and inner.")] = 2,
    json_: JsonOption = None,
    config: ConfigOption = None,
    set_: SetOption = None,
    device: DeviceOption = None,
    weights: WeightsOption = None,
    group: GroupOption = "dataset",
    *,
    place: "Place",
) -> None:
    """Compare methods on scans, and with the truth if there is one; see how long one waits; or time the operators."""
    from gadgets.cluster.crew import Place

    alone = place in (Place(), Place(workers=1))
    if (operators or latency) and not alone:
        raise ParameterError("--operators and --latency measure this process: leave --cluster, --workers and such out")
    if operators:
        if scans or latency or config or set_ or weights:
            raise ParameterError(
                "--operators measures random data: leave scan, --latency, --config, --set and --weights out"
            )
        check_outputs([], output, json_)
        _operators(output, json_, (size, rank, coils, spokes), device or "auto", repeat, iterations)
        return
    if not scans:
        raise ParameterError("give a scan to compare methods on (malibu benchmark scan.h5), or --operators")
    from gadgets.batch.found import scan_paths

    paths = scan_paths(scans)
    check_outputs([*paths, *([config] if config else [])], output, json_)
    overrides = overrides_of(set_, device, weights)
    document, wanted = configuration_text(config), methods.replace(",", " ").split()
    if latency:
        if len(paths) > 1:
            raise ParameterError(f"--latency is of one scan, and {len(paths)} are named")
        _latency(paths[0], group, output, json_, document, overrides, speed, repeat)
    elif len(paths) == 1 and alone:
        _methods(paths[0], group, output, json_, document, overrides, wanted, repeat)
    else:
        _several(paths, group, output, json_, document, overrides, wanted, repeat, place)


def _several(
    paths: list[Path],
    group: str,
    output: Path,
    json_: Path | None,
    document: str,
    overrides: dict[str, str],
    methods: list[str],
    repeat: int,
    place: "Place",
) -> None:
    from gadgets.configuration import configuration_of
    from gadgets.evaluation.several_scans import benchmark_scans, pooled, to_json
    from gadgets.multitasking.parameters import parse_parameters
    from gadgets.reports.benchmark import COLUMN_GROUPS, HEADER, cells, pooled_cells, write_several_page

    parameters = parse_parameters(configuration_of(document, "MultitaskingGadget"), overrides)
    with opened_work(place, "scans", len(paths)) as work:
        results = benchmark_scans(paths, group, parameters, methods, repeat, work)
    tables = {result.scan: [cells(row) for row in result.rows] for result in results}
    tables[f"all {len(results)} scans"] = [pooled_cells(row) for row in pooled(results)]
    for number, path in enumerate(paths, start=1):
        out.print(f"scan {number}: {path}", highlight=False, soft_wrap=True)
    for title, rows in tables.items():
        for columns in COLUMN_GROUPS:
            shown = [HEADER[column] for column in columns]
            print_figures(shown, [[row[column] for column in columns] for row in rows], title)
    write_json(json_, to_json(results))
    out.print(f"wrote {write_several_page(results, output)} ({RESEARCH_LABEL})")
    end_of(work)


def _methods(
    scan: Path,
    group: str,
    output: Path,
    json_: Path | None,
    document: str,
    overrides: dict[str, str],
    methods: list[str],
    repeat: int,
) -> None:
    from gadgets.configuration import configuration_of
    from gadgets.evaluation.multitasking import run_benchmark
    from gadgets.mrd.files import ScanFile
    from gadgets.multitasking.parameters import parse_parameters
    from gadgets.reports.benchmark import COLUMN_GROUPS, HEADER, cells, write_benchmark_page

    element = configuration_of(document, "MultitaskingGadget")
    with ScanFile(scan, group) as file:
        result = run_benchmark(file, parse_parameters(element, overrides), methods, repeat)
    for columns in COLUMN_GROUPS:
        print_figures(
            [HEADER[column] for column in columns], [[cells(row)[column] for column in columns] for row in result.rows]
        )
    write_json(json_, result.to_json())
    out.print(f"wrote {write_benchmark_page(result, output)} ({RESEARCH_LABEL})")


def _latency(
    scan: Path,
    group: str,
    output: Path,
    json_: Path | None,
    document: str,
    overrides: dict[str, str],
    speed: float,
    repeat: int,
) -> None:
    from dataclasses import asdict

    from gadgets.configuration import configuration_of
    from gadgets.evaluation.latency import measure_latency
    from gadgets.mrd.files import ScanFile
    from gadgets.mrd.replay import configuration_message
    from gadgets.multitasking.parameters import parse_parameters
    from gadgets.reports.latency_page import HEADER, cells, stage_rows, write_latency_page
    from recon.threads import available_cpus

    element = configuration_of(document, "MultitaskingGadget")
    wanted = parse_parameters(element, overrides)
    if wanted.fast_first:
        raise ParameterError("the latency of fast_first=true is that of its first result: leave it out")
    devices = [wanted.device] if wanted.device != "auto" else _devices()
    runs = []
    with ScanFile(scan, group) as file:
        for device in devices:
            message = configuration_message(element, overrides | {"device": device})
            runs += measure_latency(file, message, speed, repeat)
    machine = f"{platform.machine()}, {available_cpus()} CPU cores"
    print_figures(HEADER, [cells(run) for run in runs])
    print_figures(("stage", *(f"{run.name} {run.device}" for run in runs)), stage_rows(runs))
    write_json(json_, {"machine": machine, "speed": speed, "runs": [asdict(run) for run in runs]})
    out.print(f"wrote {write_latency_page(runs, scan.name, machine, output)} ({RESEARCH_LABEL})")


def _operators(
    output: Path, json_: Path | None, sizes: tuple[int, int, int, int], device: str, repeat: int, iterations: int
) -> None:
    from gadgets.evaluation.operator_figures import Sizes
    from gadgets.evaluation.operators import measure_operators
    from gadgets.multitasking.parameters import parse_parameters
    from gadgets.reports.operators_page import HEADER, description, table_rows, write_operators_page

    wanted = parse_parameters(None, {"device": device}).device
    table = measure_operators(Sizes(*sizes), wanted, repeat, iterations)
    for line in description(table):
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    print_figures(HEADER, table_rows(table))
    write_json(json_, table.to_json())
    out.print(f"wrote {write_operators_page(table, output)} ({RESEARCH_LABEL})")


def _devices() -> list[str]:
    """The CPU, and the first GPU if there is one."""
    from gadgets.device import choose_device, device_name

    found = choose_device("auto")
    return ["cpu"] if found.id < 0 else ["cpu", device_name(found)]
