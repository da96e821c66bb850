"""How many cores a worker has: told by variables that libraries read when they are imported."""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from recon.threads import available_cpus

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
"""What BLAS, FFTs, finufft, torch and Numba ask for their threads (:func:`recon.threads.available_cpus`)."""


def threads_of_each(workers: int) -> int:
    """A worker's share of the cores."""
    return max(1, available_cpus() // workers)


def thread_variables(threads: int) -> dict[str, str]:
    """Environment of a process that has so many threads."""
    return dict.fromkeys(THREAD_VARIABLES, str(threads))


def dask_setup(worker: object) -> None:
    """Let a worker pass over Ctrl-C, which a terminal sends to all its processes: who started the work ends it.

    Dask calls it in each worker that preloads this module.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def children_have(variables: Mapping[str, str]) -> Iterator[None]:
    """Let processes that start within the enclosed block have these variables; those that restart in it, too."""
    before = {name: os.environ[name] for name in variables if name in os.environ}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            os.environ.pop(name, None)
        os.environ.update(before)
