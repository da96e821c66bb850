"""Whether tasks fit into the memory of who is to do them: beside each other, alone, or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic

from gadgets.cluster.tasks import Need, Task
from gadgets.errors import ParameterError


@dataclass
class Shifts(Generic[Task]):
    """Tasks by how they can be done.

    Attributes
    ----------
    together : list of task
        They fit into a worker's share of its machine.
    alone : list of task
        They need more than a share: nothing else runs meanwhile.
    refused : list of (task, error)
        They need more than the machine has.
    """

    together: list[tuple[Task, Need]] = field(default_factory=list)
    alone: list[tuple[Task, Need]] = field(default_factory=list)
    refused: list[tuple[Task, ParameterError]] = field(default_factory=list)


def shifts(tasks: Sequence[tuple[Task, Need]], share_bytes: int, whole_bytes: int) -> Shifts[Task]:
    """Sort tasks by the memory that they need.

    Parameters
    ----------
    tasks : sequence of (task, Need)
    share_bytes : int
        Of a worker while all work.
    whole_bytes : int
        Of the machine, or of the largest of several.

    Returns
    -------
    Shifts
    """
    sorted_out: Shifts[Task] = Shifts()
    for task, need in tasks:
        if need.memory_bytes <= share_bytes:
            sorted_out.together.append((task, need))
        elif need.memory_bytes <= whole_bytes:
            sorted_out.alone.append((task, need))
        else:
            needed, there = (value / 2**30 for value in (need.memory_bytes, whole_bytes))
            sorted_out.refused.append((task, ParameterError(_too_large(needed, there))))
    return sorted_out


def _too_large(needed_gb: float, there_gb: float) -> str:
    return (
        f"it needs about {needed_gb:.1f} GiB of memory, and a worker may take {there_gb:.1f} GiB at most; "
        "use a machine with more, a smaller matrix, or raise --memory-gb if the estimate is wrong"
    )
