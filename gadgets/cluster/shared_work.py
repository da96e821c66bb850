"""Tasks of one command: values in the order of the tasks, and each failure in one line."""

import functools
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from gadgets.cluster.crew import Crew, Here
from gadgets.cluster.tasks import Ended, Need, Task, Value

log = logging.getLogger(__name__)


@dataclass
class SharedWork:
    """Who does the tasks of a command, and what became of them.

    Attributes
    ----------
    crew : Crew
        By default this process.
    done : callable
        Called after each task.
    failed : dict of str to str
        Why a task has no value, in one line, by what it is called.
    """

    crew: Crew = field(default_factory=Here)
    done: Callable[[], None] = lambda: None
    failed: dict[str, str] = field(default_factory=dict)

    def values(
        self,
        function: Callable[[Task], Value],
        tasks: Sequence[Task],
        called: Callable[[Task], str],
        need: Callable[[Task], Need] = lambda task: Need(),
    ) -> Iterator[Value]:
        """Do tasks; one that fails is logged in one line and does not stop the others.

        Parameters
        ----------
        function : callable
            Found by its name where the work is done; may be a partial of such a one.
        tasks : sequence
        called : callable
            What the log calls a task: nothing that names a patient.
        need : callable
            What a task needs.

        Yields
        ------
        object
            What the function gave, in the order of the tasks, whoever did them: those that failed have none.

        Raises
        ------
        Exception
            The first error, if there is no value at all.
        RemoteError
            If nobody is left to do them.
        """
        early: dict[int, Ended[Any, Value]] = {}
        errors: dict[int, Exception] = {}
        following = 0
        one_of = functools.partial(_numbered, function)
        for ended in self.crew.run(one_of, list(enumerate(tasks)), lambda one: need(one[1])):
            number, task = ended.task
            early[number] = ended
            if ended.error is not None:
                errors[number] = ended.error
                self._note(called(task), ended, alone=len(tasks) == 1)
            self.done()
            while following in early:
                next_one = early.pop(following)
                following += 1
                if next_one.error is None:
                    yield next_one.value  # type: ignore[misc]  # without an error, it is what the function gave
        if errors and len(errors) == len(tasks):
            raise errors[min(errors)]

    def do(
        self,
        function: Callable[[Task], object],
        tasks: Sequence[Task],
        called: Callable[[Task], str],
        need: Callable[[Task], Need] = lambda task: Need(),
    ) -> None:
        """Do tasks of which no value is wanted (:meth:`values` has the parameters and errors)."""
        for _ in self.values(function, tasks, called, need):
            pass

    def _note(self, name: str, ended: Ended, alone: bool) -> None:
        self.failed[name] = ended.reason
        if not alone:  # whose error is raised
            log.error("%s was left out: %s", name, ended.reason)
        log.debug("%s", name, exc_info=ended.error)


def _numbered(function: Callable[[Any], Any], one: tuple[int, Any]) -> Any:
    return function(one[1])
