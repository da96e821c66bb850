"""Workers on Dask: tasks are sent to them, and done again elsewhere where one is lost."""

import functools
import importlib.util
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gadgets import __version__
from gadgets.cluster.crew import Crew, Place
from gadgets.cluster.room_for import shifts
from gadgets.cluster.tasks import Ended, Need, Task, Value, carried_out
from gadgets.errors import ParameterError, RemoteError

if TYPE_CHECKING:
    from distributed import Client, Future

log = logging.getLogger(__name__)

GPU = "GPU"
"""The resource of Dask that workers with a graphics card offer: ``dask worker --resources GPU=1``."""

_TRIES_AGAIN = 2
"""After an error of a file or connection: a share that hangs once is common, one that fails thrice is gone."""

_UNLIMITED_BYTES = 2**62
"""Of workers that were started with ``--memory-limit 0``."""

_COMING_BACK_S = 120.0
"""As long as for the first worker: those that come back import everything anew."""

_NOBODY = (
    "no worker is left that can do what remains; what is finished is kept: start some, and run the same command again"
)

_GONE = "the scheduler is gone; what is finished is kept: start it again, and run the same command again"


@contextmanager
def dask_crew(place: Place) -> Iterator["DaskCrew"]:
    """Open a cluster (:func:`gadgets.cluster.crew.opened_crew` has the parameters and errors)."""
    require_dask()
    from distributed.comm import CommClosedError

    from gadgets.cluster.clusters import opened_cluster

    try:
        with opened_cluster(place) as (client, is_own):
            yield DaskCrew(client, place.memory_bytes if is_own else None)
    except CommClosedError as error:
        raise RemoteError(_GONE) from error


def require_dask() -> None:
    """Refuse to go on without Dask.

    Raises
    ------
    ParameterError
        Naming what to install.
    """
    if not importlib.util.find_spec("distributed"):
        missing = 'several workers need Dask, which is not installed: pip install "malibu[cluster]"; or use one worker'
        raise ParameterError(missing)


class DaskCrew(Crew):
    """The workers of a scheduler.

    Parameters
    ----------
    client : distributed.Client
    memory_bytes : int or None
        What all workers may take together, who are on this machine; None: each has a machine, or a limit, of its own.
    """

    def __init__(self, client: "Client", memory_bytes: int | None) -> None:
        self._client, self._memory_bytes = client, memory_bytes
        self.dashboard = client.dashboard_link if "dashboard" in client.scheduler_info()["services"] else None
        self._gpus = sum(int(one["resources"].get(GPU, 0)) for one in self._workers().values())

    @property
    def gpus(self) -> int:
        """Graphics cards that the workers offered when they came."""
        return self._gpus

    def _workers(self) -> dict[str, Any]:
        return dict(self._client.scheduler_info(n_workers=-1)["workers"])

    def _somebody(self) -> dict[str, Any]:
        """Workers, of which there may be none for a moment, while those that were killed are started anew."""
        from distributed import TimeoutError as TooLate

        try:
            self._client.wait_for_workers(1, timeout=_COMING_BACK_S)
        except TooLate as error:
            raise RemoteError(_NOBODY) from error
        return self._workers()

    def run(
        self,
        function: Callable[[Task], Value],
        tasks: Sequence[Task],
        need: Callable[[Task], Need] = lambda task: Need(),
    ) -> Iterator[Ended[Task, Value]]:
        """Do tasks: those that fit beside each other first, then each that needs a machine for itself."""
        if not tasks:
            return
        limits = {address: one["memory_limit"] for address, one in self._somebody().items()}
        if self._memory_bytes is not None:
            share, whole = self._memory_bytes // max(1, len(limits)), self._memory_bytes
        else:
            limits = {address: limit or _UNLIMITED_BYTES for address, limit in limits.items()}
            share, whole = min(limits.values()), max(limits.values())
        sorted_out = shifts([(task, need(task)) for task in tasks], share, whole)
        for task, refusal in sorted_out.refused:
            yield Ended(task, error=refusal)
        for gpus in (0, 1):
            yield from self._shift(function, [task for task, one in sorted_out.together if one.gpus == gpus], gpus)
        for task, one in sorted_out.alone:
            large = [address for address, limit in limits.items() if limit >= one.memory_bytes]
            yield from self._shift(function, [task], one.gpus, None if self._memory_bytes else large)

    def _shift(
        self,
        function: Callable[[Task], Value],
        tasks: Sequence[Task],
        gpus: int,
        workers: list[str] | None = None,
    ) -> Iterator[Ended[Task, Value]]:
        from distributed import as_completed

        if not tasks:
            return
        if gpus and not self.gpus:
            raise ParameterError(
                "no worker offers a graphics card: start workers with --resources GPU=1, or set device=cpu"
            )
        futures = self._client.map(
            functools.partial(_on_worker, function, __version__),
            tasks,
            pure=False,
            key="malibu",
            retries=_TRIES_AGAIN,
            resources={GPU: gpus} if gpus else None,
            workers=workers,
        )
        waiting: dict[str, tuple[Future, Task]] = {
            future.key: (future, task) for future, task in zip(futures, tasks, strict=True)
        }
        coming = as_completed(futures)
        del futures
        try:
            for future in coming:
                _, task = waiting.pop(future.key)
                yield self._ended(task, future)
        finally:
            if waiting and self._client.status == "running":
                self._client.cancel([future for future, _ in waiting.values()], force=True)

    def _ended(self, task: Task, future: "Future") -> Ended[Task, Any]:
        from distributed.scheduler import KilledWorker, NoValidWorkerError, NoWorkerError

        try:
            return Ended(task, *future.result())
        except CancelledError as error:
            raise RemoteError(_GONE) from error
        except KilledWorker as error:
            times = error.allowed_failures + 1
            lost = f"its worker died, {times} times in all; most often memory is short: let fewer work, with more each"
            return Ended(task, error=RemoteError(lost))
        except (NoValidWorkerError, NoWorkerError) as error:
            raise RemoteError(_NOBODY) from error
        except Exception as error:  # an OSError that stayed, or what could not travel
            return Ended(task, error=error)


def _on_worker(function: Callable[[Any], Any], version: str, task: Any) -> tuple[Any, Exception | None]:
    for package in ("gadgets", "recon", "nets"):  # else warnings of all scans mix on the terminal, none with its name
        logging.getLogger(package).addHandler(_SILENT)
    return carried_out(function, task, version)


_SILENT = logging.NullHandler()
