"""``malibu serve``: the command that consoles connect to."""

import contextlib
import logging
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from gadgets import RESEARCH_LABEL, __version__
from gadgets.cli.options import SetOption, out, overrides_of
from gadgets.errors import ParameterError

log = logging.getLogger(__name__)


class ConsoleName(str, Enum):
    """Whose protocol is spoken."""

    fire = "fire"
    gadgetron = "gadgetron"


def serve(
    console: Annotated[ConsoleName, typer.Option(help="fire: FIRE and OpenRecon; gadgetron: <connect>.")] = (
        ConsoleName.fire
    ),
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 for other machines.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen at.")] = 9002,
    config: Annotated[
        str, typer.Option(help="Configuration where the console names none: a name, or an XML file.")
    ] = "multitasking",
    configs: Annotated[
        Path | None, typer.Option(help="Folder of further configurations NAME.xml.", show_default=False)
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Connections served side by side.")] = 1,
    jobs: Annotated[
        Path | None, typer.Option(help="Folder of scans that are reconstructed later.", show_default=False)
    ] = None,
    jobs_gb: Annotated[float, typer.Option(min=0, help="What that folder may hold, in GiB.")] = 50.0,
    jobs_days: Annotated[float, typer.Option(min=0.001, help="How long its results are kept.")] = 7.0,
    dicom: Annotated[Path | None, typer.Option(help="Folder for the images as DICOM too.", show_default=False)] = None,
    nifti: Annotated[Path | None, typer.Option(help="Folder for the images as NIfTI too.", show_default=False)] = None,
    view: Annotated[bool, typer.Option("--view", help="Show what is going on in a page.")] = False,
    view_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of that page; 0: any.")] = 0,
    set_: SetOption = None,
) -> None:
    """Reconstruct for consoles that connect: FIRE, OpenRecon, and Gadgetrons that say <connect>."""
    from gadgets.consoles.serving.port import listen

    listener = listen(host, port)  # before what takes long: consoles give up after seconds
    log.info("malibu %s (%s) listens at %s:%d for %s", __version__, RESEARCH_LABEL, host, port, console.value)

    from gadgets.consoles.serving.configurations import Configurations
    from gadgets.consoles.serving.copies import Copies
    from gadgets.consoles.serving.server import serve_forever
    from gadgets.consoles.serving.worker import JobSettings, Service

    if console is ConsoleName.gadgetron and (jobs or dicom or nifti):
        raise ParameterError("--jobs, --dicom and --nifti are for --console fire; a Gadgetron has writers of its own")
    copies = Copies(dicom, nifti)
    copies.check()
    configurations = Configurations(config, configs, overrides_of(set_))
    configurations.check()
    kept = JobSettings(jobs.resolve(), jobs_gb, jobs_days) if jobs else None
    service = Service(console.value, configurations, workers=workers, jobs=kept, copies=copies)
    with contextlib.ExitStack() as viewing:
        if view:
            from gadgets.viewer.live.live_server import live_server
            from gadgets.viewer.live.watch import Watch

            server = viewing.enter_context(live_server(view_port))
            out.print(f"watch at {server.address}", soft_wrap=True)
            service = replace(service, watch=Watch(server.folder))
        serve_forever(listener, service, plain_logging)


def plain_logging() -> None:
    """Log to standard error, line by line: a server's log is read in files."""
    form = "%(asctime)s %(process)d %(levelname)s %(message)s"
    logging.basicConfig(level=logging.INFO, format=form, force=True)
