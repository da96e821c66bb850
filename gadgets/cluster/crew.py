"""Who does the tasks: this process, or workers on Dask."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from gadgets import __version__
from gadgets.cluster.room_for import shifts
from gadgets.cluster.tasks import Ended, Need, Task, Value, carried_out
from gadgets.device import gpu_count, machine_memory_bytes
from gadgets.errors import ParameterError

LARGEST_SHARE = 0.8
"""Of a machine's memory that tasks may plan with; the rest is the system's, and the estimates' error."""


@dataclass(frozen=True)
class Place:
    """Where the work is done.

    Attributes
    ----------
    cluster : str or None
        ``local``, ``slurm``, or the address of a Dask scheduler; None: this machine, and this process for one worker.
    workers : int or None
        Processes that work; None: one for each core here, and whoever is there at an address.
    memory_gb : float or None
        GiB that all workers of this machine may take together, or a job of SLURM; None: four fifths of what there is.
    listen : str or None
        Address of this machine at which workers on others may reach it; None: loopback, for workers on this one.
    threads : int or None
        Of each worker; None: its share of the cores.
    """

    cluster: str | None = None
    workers: int | None = None
    memory_gb: float | None = None
    listen: str | None = None
    threads: int | None = None

    @property
    def is_here(self) -> bool:
        """Whether this process does all of it, for which Dask is not needed."""
        return self.cluster is None and self.workers in (None, 1)

    @property
    def memory_bytes(self) -> int:
        """Memory of this machine that tasks may plan with."""
        return int(LARGEST_SHARE * machine_memory_bytes() if self.memory_gb is None else self.memory_gb * 2**30)


HERE = Place()
"""This process."""


class Crew(ABC):
    """Does tasks."""

    dashboard: str | None = None
    """Address of a page that shows the work."""

    @property
    @abstractmethod
    def gpus(self) -> int:
        """Graphics cards that can be asked for."""

    def gpus_for(self, device: str) -> int:
        """Graphics cards that a task needs: one, where one is set, or taken by itself.

        Parameters
        ----------
        device : str
            ``auto``, ``cpu`` or ``cuda:N``.
        """
        return int(device.startswith("cuda") or (device == "auto" and self.gpus > 0))

    @abstractmethod
    def run(
        self,
        function: Callable[[Task], Value],
        tasks: Sequence[Task],
        need: Callable[[Task], Need] = lambda task: Need(),
    ) -> Iterator[Ended[Task, Value]]:
        """Do tasks, in any order; one that fails does not stop the others.

        Parameters
        ----------
        function : callable
            Found by its name where the work is done; may be a partial of such a one.
        tasks : sequence
        need : callable
            What a task needs.

        Yields
        ------
        Ended
            As soon as a task has ended.

        Raises
        ------
        RemoteError
            If nobody is left to do them.
        """


class Here(Crew):
    """One task after the other, in this process.

    Parameters
    ----------
    memory_bytes : int, optional
        That a task may take; by default four fifths of the machine's.
    """

    def __init__(self, memory_bytes: int | None = None) -> None:
        self._memory_bytes = HERE.memory_bytes if memory_bytes is None else memory_bytes

    @property
    def gpus(self) -> int:
        """Graphics cards of this machine."""
        return gpu_count()

    def run(
        self,
        function: Callable[[Task], Value],
        tasks: Sequence[Task],
        need: Callable[[Task], Need] = lambda task: Need(),
    ) -> Iterator[Ended[Task, Value]]:
        """Do tasks in their order."""
        sorted_out = shifts([(task, need(task)) for task in tasks], self._memory_bytes, self._memory_bytes)
        for task, refusal in sorted_out.refused:
            yield Ended(task, error=refusal)
        for task, _ in sorted_out.together:
            yield Ended(task, *_tried(function, task))


def _tried(function: Callable[[Any], Any], task: Any) -> tuple[Any, Exception | None]:
    try:
        return carried_out(function, task, __version__)
    except OSError as error:
        return None, error


@contextmanager
def opened_crew(place: Place) -> Iterator[Crew]:
    """Find, or start, who does the work.

    Parameters
    ----------
    place : Place

    Yields
    ------
    Crew
        Workers that it started end with the block, whatever they are at.

    Raises
    ------
    ParameterError
        If Dask is needed and not installed, or the place makes no sense.
    RemoteError
        If no scheduler answers there, or no worker comes.
    """
    if place.is_here:
        if place.threads or place.listen:
            raise ParameterError(
                "one worker is this process, which has its threads from OMP_NUM_THREADS and which nobody calls: leave "
                "--threads and --listen out, or say where the worker is (--cluster local)"
            )
        yield Here(place.memory_bytes)
        return
    from gadgets.cluster.dask_crew import dask_crew

    with dask_crew(place) as crew:
        yield crew
