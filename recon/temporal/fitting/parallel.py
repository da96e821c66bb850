"""Tasks that do not need each other, on as many cores as there are."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from recon.threads import available_cpus

Task = TypeVar("Task")
Result = TypeVar("Result")


def in_parallel(function: Callable[[Task], Result], tasks: Iterable[Task]) -> list[Result]:
    """Results of a function that spends its time without Python's lock, in the order of the tasks.

    Each task is computed by one thread, so that its result is the same however many there are. Tasks must not call BLAS
    with matrices so large that it starts threads: they would wait for each other, on busy cores for minutes.

    Parameters
    ----------
    function : callable
    tasks : iterable

    Returns
    -------
    list
    """
    waiting = list(tasks)
    threads = min(available_cpus(), len(waiting))
    if threads < 2:
        return [function(task) for task in waiting]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, waiting))
