"""``malibu batch``: many scans, on this machine or on a cluster."""

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gadgets import RESEARCH_LABEL
from gadgets.cli.machines.sharing import shares_work, tell_dashboard
from gadgets.cli.options import (
    BasisOption,
    ConfigOption,
    DeviceOption,
    GroupOption,
    SetOption,
    WeightsOption,
    configuration_text,
    out,
    overrides_of,
    progress_bar,
)

if TYPE_CHECKING:
    from gadgets.cluster.crew import Place


@shares_work
def batch(
    scans: Annotated[list[Path], typer.Argument(help="ISMRMRD files, or patterns such as 'scans/**/*.h5'.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.", show_default=False)],
    config: ConfigOption = None,
    set_: SetOption = None,
    device: DeviceOption = None,
    weights: WeightsOption = None,
    basis: BasisOption = None,
    group: GroupOption = "dataset",
    *,
    place: "Place",
) -> None:
    """Reconstruct many scans, each once; run again, it does what is missing. Exit 1 if a scan failed."""
    from gadgets.batch.batch_page import said_of, write_batch_page
    from gadgets.batch.batch_run import Watch, names, run_batch
    from gadgets.batch.found import scan_paths
    from gadgets.batch.order import order_of
    from gadgets.batch.results import opened_results, write_names
    from gadgets.cluster.crew import opened_crew

    for package in ("gadgets", "recon", "nets"):  # their lines about each scan do not say about which
        if logging.getLogger(package).level != logging.DEBUG:
            logging.getLogger(package).setLevel(logging.ERROR)
    order = order_of(configuration_text(config), overrides_of(set_, device, weights, basis), group)
    paths = scan_paths(scans, output)
    began_s = time.monotonic()
    with opened_results(output) as results, opened_crew(place) as crew, progress_bar() as progress:
        tell_dashboard(crew.dashboard)
        looking = progress.add_task("looking at files", total=len(paths))
        doing = progress.add_task("reconstructing", total=None)
        watch = Watch(
            lambda: progress.advance(looking),
            lambda count: progress.update(doing, total=count),
            lambda: progress.advance(doing),
        )
        ended = run_batch(paths, order, results, crew, watch)
        write_names(results, dict(names(ended)))
        page = write_batch_page(ended, results)
    out.print(f"{said_of(ended)} {time.monotonic() - began_s:.1f} s", highlight=False)
    out.print(f"wrote {page} ({RESEARCH_LABEL})", soft_wrap=True)
    out.print(f"which file is which stands in {output / '.names.json'}, for its owner alone", soft_wrap=True)
    if ended.failed:
        raise typer.Exit(1)
