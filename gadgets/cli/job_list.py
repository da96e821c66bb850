"""``malibu jobs``: what waits in the store of a server, and what became of it."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from gadgets.cli.options import out, print_table

jobs = typer.Typer(no_args_is_help=True, help="List, cancel and retry scans that a server reconstructs later.")

FolderOption = Annotated[
    Path, typer.Option("--jobs", envvar="MALIBU_JOBS", help="Folder given to malibu serve.", show_default=False)
]
KeyArgument = Annotated[str, typer.Argument(help="As malibu jobs list shows it.", show_default=False)]


@jobs.command("list")
def list_jobs(folder: FolderOption) -> None:
    """Show all jobs, the oldest first."""
    from gadgets.consoles.jobs.job_store import JobStore

    table = Table("job", "state", "gadget", "came", "tries", "error")
    for job in JobStore(folder).jobs():
        came = time.strftime("%Y-%m-%d %H:%M", time.localtime(job.made_s))
        table.add_row(job.key, job.state, job.target, came, str(job.tries), job.error)
    print_table(table)


@jobs.command()
def cancel(key: KeyArgument, folder: FolderOption) -> None:
    """Take a job out of the queue, or end it."""
    from gadgets.consoles.jobs.job_store import JobStore

    JobStore(folder).change(key, "cancelled", ("queued", "running"))
    out.print(f"job {key} is cancelled; malibu jobs retry {key} takes it up again")


@jobs.command()
def retry(key: KeyArgument, folder: FolderOption) -> None:
    """Queue a job again that failed, was cancelled, or is done."""
    from gadgets.consoles.jobs.job_store import JobStore

    JobStore(folder).change(key, "queued", ("failed", "cancelled", "done"))
    out.print(f"job {key} waits")
