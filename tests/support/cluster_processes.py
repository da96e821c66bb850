"""A scheduler, workers and clients as processes that can be killed; they fork from one that has imported all."""

import asyncio
import multiprocessing
import os
import sys
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import distributed

from gadgets.batch import batch_page, scan_work  # noqa: F401 - imported before the fork, since it takes seconds
from gadgets.cli.main import main
from gadgets.cluster.cores import children_have, thread_variables
from tests.support.batches import QUICK

LOOPBACK = "127.0.0.1"

_LONGEST_S = 600.0

_CONTEXT = multiprocessing.get_context("forkserver")


def _started(target, *arguments) -> ForkServerProcess:
    _CONTEXT.set_forkserver_preload([__name__])
    process = _CONTEXT.Process(target=target, args=arguments, daemon=True)
    with children_have(thread_variables(1) | {"DASK_LOGGING__DISTRIBUTED": "error", "COLUMNS": "300"}):
        process.start()
    return process


def _schedule(told: Connection, host: str) -> None:
    async def run() -> None:
        async with distributed.Scheduler(host=host, port=0, dashboard=False) as scheduler:
            told.send(scheduler.address)
            await scheduler.finished()

    asyncio.run(run())


def _work(address: str, folder: str) -> None:
    async def run() -> None:
        options = {"host": LOOPBACK, "nthreads": 1, "dashboard": False, "local_directory": folder}
        async with distributed.Worker(address, **options) as worker:
            await worker.finished()

    asyncio.run(run())


def _command(said: str, *words: str) -> None:
    file = os.open(said, os.O_WRONLY | os.O_CREAT)
    for stream in (1, 2):
        os.dup2(file, stream)
    sys.argv = ["malibu", *words]
    main()


class Client:
    """``malibu batch`` on short scans, as a process.

    Parameters
    ----------
    scans, folder : Path
        Of the scans, and of the results.
    address : str
        Of the scheduler.
    """

    def __init__(self, scans: Path, folder: Path, address: str) -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        self._said = folder.with_name(f"{folder.name}-{os.urandom(4).hex()}.txt")
        settings = [word for setting in QUICK for word in ("--set", setting)]
        words = ("batch", f"{scans}/**/*.h5", "-o", str(folder), "--cluster", address, *settings)
        self.process = _started(_command, str(self._said), *words)

    def ended(self) -> tuple[int, str]:
        """Wait for its end; give its exit code, negative for a signal, and what it said."""
        self.process.join(_LONGEST_S)
        said = self._said.read_text() if self._said.exists() else ""
        assert self.process.exitcode is not None, f"the client does not end; it said: {said}"
        return self.process.exitcode, said


class LoopbackCluster:
    """A scheduler and workers, each a process of its own.

    Parameters
    ----------
    folder : Path
        For the workers' files.
    workers : int
    """

    def __init__(self, folder: Path, workers: int = 2) -> None:
        self._folder, self._count = folder, workers
        self.scheduler: ForkServerProcess | None = None
        self.workers: list[ForkServerProcess] = []
        self.address = ""

    def start(self) -> None:
        """Start what does not run."""
        if self.scheduler is None or not self.scheduler.is_alive():
            for worker in self.workers:
                kill(worker)
            here, there = _CONTEXT.Pipe()
            self.scheduler = _started(_schedule, there, LOOPBACK)
            assert here.poll(_LONGEST_S), "the scheduler does not start"
            self.address = here.recv()
        self.workers = [worker for worker in self.workers if worker.is_alive()]
        while len(self.workers) < self._count:
            self.workers.append(_started(_work, self.address, str(self._folder)))

    def __enter__(self) -> "LoopbackCluster":
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        for process in (*self.workers, self.scheduler):
            if process is not None:
                kill(process)


def kill(process: ForkServerProcess) -> None:
    """Kill a process that cannot do anything about it."""
    process.kill()
    process.join()
