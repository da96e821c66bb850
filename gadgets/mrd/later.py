"""Work that goes on after a measurement was answered, so that the next one does not wait for it."""

import logging
import threading
from collections import deque
from collections.abc import Callable

log = logging.getLogger(__name__)

Job = Callable[[Callable[[], None]], None]
"""Does its work; calls what it is given now and then, which raises :class:`CancelledError` when it is to end."""


class CancelledError(Exception):
    """The stream has ended before the work: nobody waits for its result."""


class LaterWork:
    """Runs jobs one after the other in a thread of their own; the thread exists only while there are any."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_cancelled = False
        self._failure: BaseException | None = None

    def add(self, job: Job) -> None:
        """Run a job after those that were added before."""
        with self._lock:
            self._jobs.append(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="malibu-later", daemon=True)
                self._thread.start()

    def finish(self) -> None:
        """Wait for all jobs.

        Raises
        ------
        Exception
            What stopped the first that failed; those after it were not begun.
        """
        self._wait()
        if self._failure is not None:
            raise self._failure

    def cancel(self) -> None:
        """Let no further job begin, end the running one at its next step, and wait for it."""
        self._is_cancelled = True
        self._wait()

    def _wait(self) -> None:
        with self._lock:
            thread = self._thread
        if thread is not None:
            log.debug("waiting for results that follow")
            thread.join()

    def _check(self) -> None:
        if self._is_cancelled:
            raise CancelledError

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._jobs or self._is_cancelled or self._failure is not None:
                    self._thread = None
                    return
                job = self._jobs.popleft()
            try:
                job(self._check)
            except CancelledError:
                log.info("a result that was to follow is given up: the stream has ended")
            except BaseException as error:
                self._failure = error
