"""Where the work of a command is done: the options that all commands about many scans or subjects share."""

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gadgets.cli.options import console, progress_bar

if TYPE_CHECKING:
    from gadgets.cluster.crew import Place
    from gadgets.cluster.shared_work import SharedWork

_OPTIONS: dict[str, Any] = {
    "cluster": Annotated[
        str | None,
        typer.Option(metavar="local|slurm|ADDRESS", help="Where workers are: see docs/scaling.md.", show_default=False),
    ],
    "workers": Annotated[int | None, typer.Option(min=1, max=10_000, help="Processes that work.", show_default="1")],
    "threads": Annotated[int | None, typer.Option(min=1, help="Of each worker.", show_default="its share")],
    "memory_gb": Annotated[
        float | None,
        typer.Option(min=0.1, help="Memory of all workers here, or of a SLURM job.", show_default="most of it"),
    ],
    "listen": Annotated[
        str | None, typer.Option(help="Address at which workers reach this machine.", show_default="loopback")
    ],
}


def shares_work(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say where its work is done, behind its own.

    Parameters
    ----------
    command : callable
        With a parameter ``place``, a :class:`~gadgets.cluster.crew.Place`, which is made of the options.

    Returns
    -------
    callable
        For typer, which reads signatures.
    """
    signature = inspect.signature(command)
    own = [parameter for name, parameter in signature.parameters.items() if name != "place"]
    given = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)
        for name, option in _OPTIONS.items()
    ]

    @functools.wraps(command)
    def with_options(*arguments: Any, **values: Any) -> None:
        from gadgets.cluster.crew import Place

        place = Place(**{name: values.pop(name, None) for name in _OPTIONS})
        command(*arguments, **values, place=place)

    with_options.__signature__ = signature.replace(parameters=[*own, *given])  # type: ignore[attr-defined]
    with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *given)}
    return with_options


@contextmanager
def opened_work(place: "Place", what: str, total: int) -> Iterator["SharedWork"]:
    """Open a place, tell where its page is, and show a bar.

    Parameters
    ----------
    place : Place
    what : str
        Is counted, such as ``volumes``.
    total : int
        Tasks.

    Yields
    ------
    SharedWork
    """
    from gadgets.cluster.crew import opened_crew
    from gadgets.cluster.shared_work import SharedWork

    with opened_crew(place) as crew, progress_bar() as progress:
        tell_dashboard(crew.dashboard)
        task = progress.add_task(what, total=total)
        yield SharedWork(crew, lambda: progress.advance(task))


def whole_paths(weights: Iterable[str | Path]) -> tuple[str, ...]:
    """Weights as workers find them, who need not stand in the same folder: names of shipped ones stay as they are."""
    return tuple(str(Path(name).resolve()) if Path(name).is_file() else str(name) for name in weights)


def tell_dashboard(address: str | None) -> None:
    """Say where a page shows the work, if one does."""
    if address:
        console.print(f"the work is shown at {address}", highlight=False, soft_wrap=True)


def end_of(work: "SharedWork") -> None:
    """End the command: with exit code 1 if a task failed."""
    if work.failed:
        raise typer.Exit(1)
