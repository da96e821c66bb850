"""What is shared out: tasks, what they need, and how each ended."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from gadgets import __version__
from gadgets.errors import OPERATOR_ERRORS, ParameterError

Task = TypeVar("Task")
Value = TypeVar("Value")


@dataclass(frozen=True)
class Need:
    """What a task needs, known before it is begun.

    Attributes
    ----------
    memory_bytes : int
        Of the machine that computes it; 0: not worth counting.
    gpus : int
        0 or 1.
    """

    memory_bytes: int = 0
    gpus: int = 0


@dataclass(frozen=True)
class Ended(Generic[Task, Value]):
    """How a task ended.

    Attributes
    ----------
    task : object
    value : object or None
        What the function gave.
    error : Exception or None
        What it raised, or why nobody could compute it.
    """

    task: Task
    value: Value | None = None
    error: Exception | None = None

    @property
    def reason(self) -> str:
        """Why it failed, in one line; empty if it did not."""
        if self.error is None:
            return ""
        expected = isinstance(self.error, (*OPERATOR_ERRORS, OSError, MemoryError)) and str(self.error)
        text = str(self.error) if expected else f"{type(self.error).__name__}: {self.error} (a defect of malibu)"
        return " ".join(text.split())


def carried_out(function: Callable[[Any], Any], task: Any, version: str) -> tuple[Any, Exception | None]:
    """Do a task where it was sent.

    Parameters
    ----------
    function : callable
    task : object
    version : str
        Of the malibu that sent it: results of two versions need not be equal.

    Returns
    -------
    tuple of object and Exception or None
        What the function gave, or what it raised. Doing the same again would raise the same.

    Raises
    ------
    OSError
        If a file or a connection failed, which may be better at another try, on another machine.
    """
    if version != __version__:
        return None, ParameterError(f"a worker has malibu {__version__}, but {version} sent it work: install one")
    try:
        return function(task), None
    except OSError:
        raise
    except Exception as error:  # told apart by whoever asked for the work
        return None, error
