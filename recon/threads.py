"""The one owner of thread counts: too many threads hurt."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

Task = TypeVar("Task")
Result = TypeVar("Result")
Other = TypeVar("Other")


def available_cpus() -> int:
    """Count the cores that this process may use: those of the machine, or fewer if ``OMP_NUM_THREADS`` says so."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(wanted)) if wanted.isdecimal() and int(wanted) > 0 else cores


@contextmanager
def few_blas_threads() -> Iterator[None]:
    """Let BLAS use a quarter of the cores, and at least one, within the enclosed block.

    Threads of OpenBLAS wait for each other by spinning. Where another process has one of their cores, an eigenvalue
    decomposition of 1 s took 60 s, while on idle cores one thread takes 0.4 s more than two in all.
    """
    _BLAS.enter()
    try:
        yield
    finally:
        _BLAS.leave()


class _Blas:
    """OpenBLAS's threads: the first block that wants few of them sets the limit, and the last one lifts it."""

    def __init__(self) -> None:
        self._lock, self._blocks = threading.Lock(), 0
        self._limit: Any = None

    def enter(self) -> None:
        with self._lock:
            if not self._blocks:
                allowed = max(1, available_cpus() // 4)
                self._limit = ThreadpoolController().select(internal_api="openblas").limit(limits=allowed)
            self._blocks += 1

    def leave(self) -> None:
        with self._lock:
            self._blocks -= 1
            if not self._blocks:
                self._limit.restore_original_limits()


_BLAS = _Blas()


def in_parallel(function: Callable[[Task], Result], tasks: Iterable[Task]) -> list[Result]:
    """Compute tasks that do not need each other, on as many cores as there are.

    Each task is computed by one thread, so that its result is the same however many there are. Tasks must not call BLAS
    with matrices so large that it starts threads: they would wait for each other, on busy cores for minutes.

    Parameters
    ----------
    function : callable
        Spends its time without Python's lock.
    tasks : iterable

    Returns
    -------
    list
        Results in the order of the tasks.
    """
    waiting = list(tasks)
    threads = min(available_cpus(), len(waiting))
    if threads < 2:
        return [function(task) for task in waiting]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, waiting))


def at_once(first: Callable[[], Result], second: Callable[[], Other]) -> tuple[Result, Other]:
    """Compute two things that do not need each other.

    Parameters
    ----------
    first, second : callable

    Returns
    -------
    tuple
        Their results.
    """
    if available_cpus() < 2:
        return first(), second()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(second)
        return first(), waiting.result()


def one_ahead(function: Callable[[Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
    """Compute tasks one by one, the next while the caller uses the last.

    Parameters
    ----------
    function : callable
    tasks : iterable

    Yields
    ------
    object
        Results in the order of the tasks; an error is raised in the place of its result.
    """
    with ThreadPoolExecutor(1) as pool:
        waiting: Future[Result] | None = None
        for task in tasks:
            following = pool.submit(function, task)
            if waiting is not None:
                yield waiting.result()
            waiting = following
        if waiting is not None:
            yield waiting.result()
