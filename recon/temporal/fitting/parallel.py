"""Tasks that do not need each other, on as many cores as there are."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from recon.threads import available_cpus

Task = TypeVar("Task")
Result = TypeVar("Result")
Other = TypeVar("Other")


def in_parallel(function: Callable[[Task], Result], tasks: Iterable[Task]) -> list[Result]:
    """Results of a function that spends its time without Python's lock, in the order of the tasks.

    Each task is computed by one thread, so that its result is the same however many there are.

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


def at_once(first: Callable[[], Result], second: Callable[[], Other]) -> tuple[Result, Other]:
    """Results of two functions that do not need each other.

    Parameters
    ----------
    first, second : callable

    Returns
    -------
    tuple
    """
    if available_cpus() < 2:
        return first(), second()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(second)
        return first(), waiting.result()
