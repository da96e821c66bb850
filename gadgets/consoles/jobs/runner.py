"""Reconstructs what waits in the store, one job at a time, each in a process of its own."""

import contextlib
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

from gadgets.consoles.jobs.job_store import Job, JobStore
from gadgets.errors import ParameterError, shortened

log = logging.getLogger(__name__)

_LOOKED_EVERY_S = 0.5
_AGAIN_AFTER_S = 5.0
_MOST_TRIES = 3
"""A job during which the server died that often may be what it died of; an orderly end does not count."""

_MALIBU = (sys.executable, "-c", "from gadgets.cli import main; main()")
"""The command, whether or not it is on the PATH."""

_NICENESS = 10
"""Jobs wait for nobody: what a console waits for comes first."""

_END_S = 10.0


class JobRunner(threading.Thread):
    """Works on a store until it is told to stop; a job that is cut by that waits again.

    Parameters
    ----------
    store : JobStore
    """

    def __init__(self, store: JobStore) -> None:
        super().__init__(name="malibu-jobs", daemon=True)
        self._store, self._stopping = store, threading.Event()

    def run(self) -> None:
        """Take job after job."""
        with self._store.only_runner() as is_alone:
            if not is_alone:
                log.error("another server works on %s: this one keeps scans there, but runs none", self._store.folder)
                return
            self._store.requeue_running()
            while not self._stopping.is_set():
                try:
                    self._next()
                except Exception:  # a full disk, for example: the next look may find it mended
                    log.exception("the jobs in %s cannot be worked on now", self._store.folder)
                    self._stopping.wait(_AGAIN_AFTER_S)

    def _next(self) -> None:
        self._store.tidy()
        job = self._store.begin_next()
        if job is None:
            self._stopping.wait(_LOOKED_EVERY_S)
        elif job.tries > _MOST_TRIES:
            self._close(job, "failed", f"it was begun {_MOST_TRIES} times, and the server died each time")
        else:
            try:
                self._work(job)
            except Exception as error:
                self._close(job, "failed", shortened(error, 400))
                raise

    def stop(self) -> None:
        """End the process of a running job, and the thread."""
        self._stopping.set()
        self.join(2 * _END_S)

    def _work(self, job: Job) -> None:
        log.info("job %s (%s) begins", job.key, job.target)
        scan, images = self._store.scan(job), self._store.images(job)
        command = [*_MALIBU, "replay", str(scan), "-o", str(images)]
        command += ["--config", str(self._store.configuration(job)), "--timeout-s", "86400"]
        said = images.with_name("log")
        with said.open("w") as file:
            process = subprocess.Popen(  # noqa: S603 - this interpreter, and files of our own
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, umask=0o077
            )
        with contextlib.suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICENESS)
        while process.poll() is None:
            if self._stopping.wait(_LOOKED_EVERY_S):
                _end(process)
                self._close(job, "queued")
                return
            now = self._store.find(job.key)
            if now is None or now.state != "running":
                _end(process)
                log.info("job %s was cancelled", job.key)
                return
        if process.returncode == 0:
            self._close(job, "done")
        else:
            self._close(job, "failed", _last_words(said))

    def _close(self, job: Job, state: str, error: str = "") -> None:
        try:
            self._store.change(job.key, state, ("running",), error)  # type: ignore[arg-type]
        except ParameterError as problem:  # cancelled at this very moment
            log.info("%s", problem)
        else:
            log.info("job %s is %s%s", job.key, state, f": {error}" if error else "")


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_words(said: Path) -> str:
    """What the command said of its error, which it does last."""
    text = " ".join(said.read_text(errors="replace").split())
    return shortened(text[text.rfind("error:") :] if "error:" in text else text[-300:], 400)
