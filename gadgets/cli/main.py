"""The ``malibu`` command."""

import contextlib
import logging
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.logging import RichHandler
from rich.markup import escape
from rich.table import Table

from gadgets import RESEARCH_LABEL, __version__
from gadgets.cli.benchmarks import benchmark
from gadgets.cli.ending import one_line_errors
from gadgets.cli.exchange import check_exchange, dicom, nifti, restore, write_exchange
from gadgets.cli.image_tasks.perfusion import evaluate_asl, prepare_perfusion, simulate_asl
from gadgets.cli.image_tasks.perivascular import evaluate_pvs, prepare_perivascular, simulate_perivascular
from gadgets.cli.image_tasks.segmentation import (
    evaluate_segmentation,
    import_labels,
    prepare_abdomens,
    prepare_brains,
    simulate_abdomen,
    synthesise,
)
from gadgets.cli.image_tasks.stenosis_reading import evaluate_reading
from gadgets.cli.job_list import jobs
from gadgets.cli.machines.batch import batch
from gadgets.cli.machines.federate import federate
from gadgets.cli.networks import calibrate, nets, prepare_courses, prepare_pairs
from gadgets.cli.options import (
    LOOK,
    MEASURE,
    SCAN,
    SET_UP,
    TRAIN,
    BasisOption,
    ConfigOption,
    DeviceOption,
    GroupOption,
    NewScanArgument,
    Preset,
    ReportFolder,
    ScanArgument,
    SeedOption,
    SetOption,
    WeightsOption,
    check_outputs,
    check_report,
    check_seconds,
    configuration_text,
    console,
    out,
    overrides_of,
    print_table,
    progress_bar,
)
from gadgets.cli.packaging import install_gadgetron, package, parameters
from gadgets.cli.pipes import convert, stream
from gadgets.cli.serve import serve
from gadgets.cli.view import report, view, write_explorer_beside_report
from gadgets.cli.volumes import evaluate, prepare_volumes, simulate_volume
from gadgets.errors import ParameterError

if TYPE_CHECKING:
    from gadgets.mrd.files import Source

log = logging.getLogger(__name__)

app = typer.Typer(
    name="malibu",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help=f"Scanner-side Multitasking MRI and super-resolution, ISMRMRD in and out ({RESEARCH_LABEL}).\n\n"
    "Try it: malibu simulate-scan scan.h5 --preset tiny, then malibu replay scan.h5 -o images.h5 --report report.",
)


class _State:
    debug = False


@app.callback(invoke_without_command=True)
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and debug messages.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Set up logging."""
    _State.debug = debug
    handler = RichHandler(console=console, show_path=debug, rich_tracebacks=debug, log_time_format="[%X]")
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[handler], force=True)
    if debug:
        for package in ("gadgets", "recon", "nets"):
            logging.getLogger(package).setLevel(logging.DEBUG)
    if version:
        out.print(f"malibu {__version__}, {RESEARCH_LABEL}")
        raise typer.Exit


def simulate_scan(
    scan: NewScanArgument,
    preset: Annotated[
        Preset,
        typer.Option(help="tiny: 64x64, 12 s; standard: 160x160, 60 s, 8 coils; anatomy: rich; plain: no inversions."),
    ] = Preset.tiny,
    seed: SeedOption = 0,
    duration_s: Annotated[float | None, typer.Option(help="Length of the scan.", show_default="preset's")] = None,
    coils: Annotated[int | None, typer.Option(min=1, max=128, help="Receive coils.", show_default="preset's")] = None,
    snr: Annotated[float | None, typer.Option(help="Signal to noise.", show_default="preset's")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE: ectopic_share=0.05, infarct=true, breathing=0, ...")
    ] = None,
) -> None:
    """Simulate a scan: radial Multitasking of a beating, breathing heart, and its truth beside it."""
    from gadgets.simulated.radial import protocol_with, truth_path, write_simulation
    from recon.simulation.chest import simulate_scan as simulated

    given: dict[str, Any] = {"duration_s": duration_s, "coils": coils, "snr": snr}
    settings = {name: value for name, value in given.items() if value is not None} | overrides_of(set_)
    protocol = protocol_with(preset.value, settings)
    check_outputs([], scan, truth_path(scan))
    with progress_bar() as progress:
        task = progress.add_task("simulating readouts", total=protocol.readouts)
        write_simulation(simulated(protocol, seed), scan, lambda count: progress.advance(task, count))
    out.print(f"wrote {scan} ({protocol.readouts} readouts) and {truth_path(scan)}")


def replay(
    scan: ScanArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="ISMRMRD image file to write.", show_default=False)],
    config: ConfigOption = None,
    set_: SetOption = None,
    device: DeviceOption = None,
    weights: WeightsOption = None,
    basis: BasisOption = None,
    report: Annotated[Path | None, typer.Option(help=ReportFolder, show_default=False)] = None,
    host: Annotated[str | None, typer.Option(help="Send to a Gadgetron or malibu serve.", show_default=False)] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Its port.")] = 9002,
    timeout_s: Annotated[float, typer.Option(min=1, help="Longest wait for an answer.")] = 3600.0,
    group: GroupOption = "dataset",
    dicom: Annotated[Path | None, typer.Option(help="Folder for the images as DICOM too.", show_default=False)] = None,
    nifti: Annotated[Path | None, typer.Option(help="Folder for the images as NIfTI too.", show_default=False)] = None,
    view: Annotated[bool, typer.Option("--view", help="Show the images in a page as they come.")] = False,
) -> None:
    """Run a file through the gadget that the configuration names, over the protocol that a scanner speaks."""
    from gadgets.configuration import configuration_of, executed_gadget
    from gadgets.mrd.files import open_source
    from gadgets.mrd.replay import configuration_message, connect, hosted
    from gadgets.registry import gadget_entry

    document = configuration_text(config)
    target = executed_gadget(document) or "MultitaskingGadget"
    gadget, overrides = gadget_entry(target), overrides_of(set_, device, weights, basis)
    if view and not host and target == "MultitaskingGadget":
        overrides = {"preview": "true"} | overrides
    if host and overrides:
        raise ParameterError(
            "--set, --device, --weights and --basis change the gadget here; with --host, edit the configuration file"
        )
    element = configuration_of(document, target)
    gadget.parse(element, overrides)
    check_seconds(timeout_s)
    check_outputs([scan, *([config] if config else [])], output, output.with_name(f"{output.stem}.incomplete.h5"))
    check_report(report)
    check_exchange(dicom, nifti)
    with open_source(scan, group) as file, contextlib.ExitStack() as viewing:
        show = None
        if view:
            from gadgets.viewer.live.watch import watched_here

            show = viewing.enter_context(watched_here(file.header, lambda text: out.print(text, soft_wrap=True)))
        if host:
            with connect(host, port) as sock:
                _run(file, output, document.encode(), sock, timeout_s, show)
        else:
            with hosted(gadget.make()) as sock:
                _run(file, output, configuration_message(element, overrides), sock, timeout_s, show)
        write_exchange(output, dicom, nifti)
        if report:
            from gadgets.reports.multitasking import write_report

            write_explorer_beside_report(output, report)  # before the report, which links to it
            out.print(f"wrote {write_report(output, report)}")


def _run(
    file: "Source",
    output: Path,
    configuration: bytes,
    sock: socket.socket,
    timeout_s: float,
    show: Callable[[Any], None] | None,
) -> None:
    from gadgets.mrd.replay import Progress as Callbacks, replay as run_replay

    with progress_bar() as progress:
        sending = progress.add_task("sending", total=file.item_count)
        receiving = progress.add_task("receiving images", total=None)

        def received(image: Any) -> None:
            progress.advance(receiving)
            if show is not None:
                show(image)

        callbacks = Callbacks(sent=lambda count: progress.update(sending, completed=count), image=received)
        count = run_replay(file, output, configuration, sock, timeout_s, callbacks)
        progress.update(receiving, total=count)
    out.print(f"wrote {output} ({count} images, {RESEARCH_LABEL})")


def info(
    scan: ScanArgument, config: ConfigOption = None, set_: SetOption = None, group: GroupOption = "dataset"
) -> None:
    """Show what a scan file holds and what malibu would do with it; exit 1 if it would be refused."""
    from gadgets.configuration import configuration_of
    from gadgets.mrd.files import open_source
    from gadgets.registry import gadget_entry, gadget_for

    document = configuration_text(config) if config else None
    with open_source(scan, group) as file:
        file.check()
        target = gadget_for(document, file)
        gadget = gadget_entry(target)
        element = configuration_of(document, target) if document else None
        result = gadget.inspect(file, gadget.parse(element, overrides_of(set_)))
    table = Table(title=str(scan), show_header=False, title_justify="left")
    for name, value in result.properties.items():
        table.add_row(name, value)
    table.add_row(f"{target} would", result.plan)
    print_table(table)
    for problem in result.problems:
        console.print(f"[red]problem:[/red] {escape(problem)}", highlight=False)
    if result.problems:
        raise typer.Exit(1)


for _panel, _commands in {
    SCAN: (
        simulate_scan,
        simulate_volume,
        simulate_asl,
        simulate_perivascular,
        simulate_abdomen,
        replay,
        batch,
        serve,
        stream,
        convert,
        restore,
        info,
    ),
    LOOK: (
        view,
        report,
        dicom,
        nifti,
    ),
    MEASURE: (benchmark,),
    TRAIN: (
        prepare_pairs,
        prepare_courses,
        prepare_volumes,
        prepare_perfusion,
        prepare_abdomens,
        prepare_brains,
        synthesise,
        prepare_perivascular,
        import_labels,
        calibrate,
        nets,
    ),
    SET_UP: (install_gadgetron, parameters),
}.items():
    for _command in _commands:
        app.command(rich_help_panel=_panel)(_command)
app.add_typer(jobs, name="jobs", rich_help_panel=SCAN)
evaluate.command("asl")(evaluate_asl)
evaluate.command("segmentation")(evaluate_segmentation)
evaluate.command("reading")(evaluate_reading)
evaluate.command("pvs")(evaluate_pvs)
app.add_typer(evaluate, rich_help_panel=MEASURE)
app.add_typer(package, rich_help_panel=SET_UP)
app.add_typer(federate, name="federate", rich_help_panel=TRAIN)
app.command("simulate", hidden=True)(simulate_scan)
app.command("prepare", hidden=True)(prepare_pairs)


def main() -> None:
    """Run the command; an error is one line and exit 1, with its traceback under ``--debug``."""
    with one_line_errors(lambda: _State.debug):
        app()
