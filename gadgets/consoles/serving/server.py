"""The process that listens: it keeps its workers alive, and ends them."""

import contextlib
import logging
import multiprocessing
import multiprocessing.connection
import os
import socket
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path

from gadgets.consoles.jobs.runner import JobRunner
from gadgets.consoles.serving.turns import free_bytes
from gadgets.consoles.serving.worker import Service, run
from gadgets.errors import Stopped, signals_as_errors
from recon.threads import available_cpus

log = logging.getLogger(__name__)

_END_S = 20.0
"""A worker that was told to end may rescue its scan for that long."""

_BYTES_PER_WORKER = 3 * 2**30

_AGAIN_AFTER_S = 1.0
"""A worker that died at once is not started again faster than that."""


def serve_forever(listener: socket.socket, service: Service, set_up_logging: Callable[[], None]) -> None:
    """Serve until a signal comes.

    Parameters
    ----------
    listener : socket.socket
        Of :func:`gadgets.consoles.serving.port.listen`: consoles can connect already, and wait for the first worker.
    service : Service
    set_up_logging : callable
        Called in each worker; can be pickled.
    """
    _check_memory(service.workers)
    with tempfile.TemporaryDirectory(prefix="malibu-turns-") as folder:
        serving = replace(service, turns=Path(folder))
        workers: list[BaseProcess] = []
        runner = JobRunner(service.jobs.store()) if service.jobs else None
        try:
            if runner is not None:
                runner.start()
            with contextlib.suppress(Stopped), signals_as_errors():
                while True:
                    _replenish(workers, listener, serving, set_up_logging)
                    multiprocessing.connection.wait([one.sentinel for one in workers])
                    time.sleep(_AGAIN_AFTER_S)
        finally:
            if runner is not None:
                runner.stop()
            _end(workers)
            listener.close()


def _check_memory(workers: int) -> None:
    free = free_bytes()
    if free is not None and workers > 1 and free < workers * _BYTES_PER_WORKER:
        log.warning(
            "%d workers may take %d GB, but only %.1f GB are free: reconstructions will wait for each other",
            workers,
            workers * _BYTES_PER_WORKER // 2**30,
            free / 2**30,
        )


def _replenish(
    workers: list[BaseProcess], listener: socket.socket, service: Service, set_up_logging: Callable[[], None]
) -> None:
    """Start workers in the place of those that died."""
    for dead in [one for one in workers if not one.is_alive()]:
        log.error("a worker ended with exit code %s; another takes its place", dead.exitcode)
        workers.remove(dead)
    # Spawned: a fork would take over threads of numba and torch in states of which nobody knows.
    context = multiprocessing.get_context("spawn")
    threads = str(max(1, available_cpus() // service.workers))
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = threads
    try:
        while len(workers) < service.workers:
            worker = context.Process(
                target=_work, args=(listener, service, os.getpid(), set_up_logging), name="malibu-worker"
            )
            worker.start()
            workers.append(worker)
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


def _work(listener: socket.socket, service: Service, server_pid: int, set_up_logging: Callable[[], None]) -> None:
    set_up_logging()
    listener.setblocking(False)
    run(listener, service, server_pid)


def _end(workers: list[BaseProcess]) -> None:
    for worker in workers:
        worker.terminate()
    until_s = time.monotonic() + _END_S
    for worker in workers:
        worker.join(max(0.0, until_s - time.monotonic()))
        if worker.is_alive():
            worker.kill()
            worker.join()
