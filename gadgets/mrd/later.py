"""Work that goes on after a measurement was answered, so that the next one does not wait for it."""

import logging
import threading
from collections import deque
from collections.abc import Callable

log = logging.getLogger(__name__)

Job = Callable[[Callable[[], None]], None]
"""Does its work; calls what it is given at its start and now and then, which raises :class:`CancelledError` when it is
to end. So a job that never got to work can still rescue what it holds."""


class CancelledError(Exception):
    """The stream has ended before the work: nobody waits for its result."""


class LaterWork:
    """Runs jobs one after the other in a thread of their own; the thread exists only while there are any."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()
        self._lock = threading.Lock()
        # An event, since a signal that comes while a thread is joined leaves Python 3.11 thinking that it has ended.
        self._idle = threading.Event()
        self._idle.set()
        self._is_cancelled = False
        self._failure: BaseException | None = None

    def add(self, job: Job) -> None:
        """Run a job after those that were added before."""
        with self._lock:
            self._jobs.append(job)
            if self._idle.is_set():
                self._idle.clear()
                threading.Thread(target=self._run, name="malibu-later", daemon=True).start()

    def finish(self) -> None:
        """Wait for all jobs.

        Raises
        ------
        Exception
            What stopped the first that failed.
        """
        self._idle.wait()
        if self._failure is not None:
            raise self._failure

    def cancel(self) -> None:
        """End the running job at its next step and all others at their first, and wait for them."""
        self._is_cancelled = True
        self._idle.wait()

    def _check(self) -> None:
        if self._is_cancelled or self._failure is not None:
            raise CancelledError

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._jobs:
                    self._idle.set()
                    return
                job = self._jobs.popleft()
            try:
                job(self._check)
            except CancelledError:
                log.info("a result that was to follow is given up: the stream has ended")
            except BaseException as error:
                self._failure = self._failure or error
