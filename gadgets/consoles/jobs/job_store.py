"""Scans and their results on disk: a folder for each, named by a hash, bounded in size and age."""

import contextlib
import fcntl
import hashlib
import json
import logging
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

import ismrmrd

from gadgets.errors import ParameterError, ScanFileError, shortened
from gadgets.files import check_folder, complete_file
from gadgets.mrd.files import ImageFile, write_scan
from gadgets.mrd.headers.identifiers import anonymous, anonymous_xml
from gadgets.mrd.intake.measurement import Measurement

log = logging.getLogger(__name__)

State = Literal["queued", "running", "done", "failed", "cancelled", "kept"]

WAITING: tuple[State, ...] = ("queued", "running")
"""States of jobs that nobody may remove but the operator."""

_KEPT_META = ("DataRole", "ImageType", "RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth", "EchoTime")
"""Of the Meta of images that came."""

_KEY_LENGTH = 20
"""Hexadecimal digits of a hash: 80 bits, from which no identifier can be read."""


@dataclass(frozen=True)
class Job:
    """A scan that waits, is being reconstructed, or was.

    Attributes
    ----------
    key : str
        Hash of the measurement's ID: name of the folder.
    state : str
        ``kept`` is a measurement that others need, such as a noise scan.
    target : str
        Of the gadget.
    made_s : float
        Seconds since 1970.
    tries : int
        How often it was begun.
    error : str
        Why it failed.
    """

    key: str
    state: State = "queued"
    target: str = ""
    made_s: float = field(default_factory=time.time)
    tries: int = 0
    error: str = ""


def key_of(measurement_id: str) -> str:
    """Hash a measurement's ID, which holds numbers of scanner and patient."""
    return hashlib.sha256(b"malibu job " + measurement_id.strip().encode()).hexdigest()[:_KEY_LENGTH]


class JobStore:
    """A folder of jobs that several processes share.

    Parameters
    ----------
    folder : Path
        Made if it is missing, for its owner alone.
    limit_gb : float
        What it may hold; the oldest results go first, and what waits never.
    longest_days : float
        How long results are kept.

    Raises
    ------
    ScanFileError
        If the folder cannot be written.
    """

    def __init__(self, folder: Path, limit_gb: float = 50.0, longest_days: float = 7.0) -> None:
        check_folder(folder, private=True)
        self.folder, self._limit_bytes, self._longest_s = folder, limit_gb * 2**30, longest_days * 86400

    def scan(self, job: Job) -> Path:
        """File of the scan."""
        return self.folder / job.key / "scan.h5"

    def configuration(self, job: Job) -> Path:
        """File of the configuration."""
        return self.folder / job.key / "configuration.xml"

    def images(self, job: Job) -> Path:
        """File of the result."""
        return self.folder / job.key / "images.h5"

    def jobs(self) -> list[Job]:
        """All jobs, the oldest first."""
        found = [job for path in self.folder.glob("*/job.json") if (job := _read(path)) is not None]
        return sorted(found, key=lambda job: (job.made_s, job.key))

    def find(self, key: str) -> Job | None:
        """Give a job by its key."""
        return _read(self.folder / key / "job.json") if key.isalnum() else None

    def add(
        self,
        key: str,
        measurement: Measurement,
        header: ismrmrd.xsd.ismrmrdHeader,
        target: str,
        configuration: bytes,
        state: State = "queued",
    ) -> Job:
        """Keep a measurement; an earlier one of the same key is replaced.

        Raises
        ------
        ScanFileError
            If the store is full of what still waits, or that measurement is being reconstructed now.
        OSError
            If the disk takes no more.
        """
        with self._locked():
            before = self.find(key)
            if before is not None and before.state in (("running",) if state == "queued" else WAITING):
                raise ScanFileError(f"this measurement is {before.state} as job {key}; fetch it later, or cancel it")
            shutil.rmtree(self.folder / key, ignore_errors=True)
            self._make_room(measurement)
            job = Job(key, state, target)
            try:
                self._write(job, measurement, header, configuration)
            except BaseException:
                shutil.rmtree(self.folder / key, ignore_errors=True)
                raise
            return job

    def _write(
        self, job: Job, measurement: Measurement, header: ismrmrd.xsd.ismrmrdHeader, configuration: bytes
    ) -> None:
        (self.folder / job.key).mkdir(mode=0o700)
        if measurement.images:
            with ImageFile(self.scan(job), anonymous_xml(header), private=True) as file:
                for image in measurement.images:
                    file.append(_of_nobody(image))
        else:
            readouts, waveforms = measurement.acquisitions, measurement.waveforms
            write_scan(self.scan(job), anonymous(header), readouts, waveforms, private=True)
        self.configuration(job).write_bytes(configuration)
        self.note(job)

    def note(self, job: Job) -> None:
        """Write a job's state; readers see the old or the new one."""
        with complete_file(self.folder / job.key / "job.json", private=True) as path:
            path.write_text(json.dumps(asdict(job)))

    def begin_next(self) -> Job | None:
        """Take the oldest job that waits, and mark it as running."""
        with self._locked():
            for job in self.jobs():
                if job.state == "queued":
                    begun = replace(job, state="running", tries=job.tries + 1, error="")
                    self.note(begun)
                    return begun
        return None

    def change(self, key: str, state: State, allowed: tuple[State, ...], error: str = "") -> Job:
        """Move a job to another state.

        Raises
        ------
        ParameterError
            If there is no such job, or it is in none of the states from which it may go there.
        """
        with self._locked():
            job = self.find(key)
            if job is None:
                raise ParameterError(f"there is no job {shortened(key)!r}; malibu jobs lists them")
            if job.state not in allowed:
                raise ParameterError(f"job {key} is {job.state}; only {' and '.join(allowed)} ones can be {state}")
            tries = 0 if state == "queued" else job.tries  # an operator, or an orderly end, begins anew
            changed = replace(job, state=state, error=error, tries=tries)
            self.note(changed)
            return changed

    def requeue_running(self) -> None:
        """Let jobs wait again that were running when the server died; for who alone runs any."""
        with self._locked():
            for job in self.jobs():
                if job.state == "running":
                    self.note(replace(job, state="queued"))

    @contextlib.contextmanager
    def only_runner(self) -> Iterator[bool]:
        """Tell whether no other process runs the jobs of this store, and keep others from it for the block."""
        with (self.folder / ".runner").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
            else:
                yield True

    def tidy(self) -> None:
        """Remove what a process left that died, results that are too old, and the oldest while there are too many."""
        with self._locked():
            for folder in self.folder.iterdir():
                if folder.is_dir() and _read(folder / "job.json") is None:
                    shutil.rmtree(folder, ignore_errors=True)
            for job in self.jobs():
                if job.state not in WAITING and time.time() - job.made_s > self._longest_s:
                    self._remove(job)
            self._shrink_to(self._limit_bytes)

    def _make_room(self, measurement: Measurement) -> None:
        size = sum(one.data.nbytes for one in (measurement.images or measurement.acquisitions))
        self._shrink_to(self._limit_bytes - size)
        if self._held_bytes() + size > self._limit_bytes:
            raise ScanFileError(
                f"the store of jobs is full ({self._held_bytes() / 2**30:.1f} GB); wait for it, or cancel some"
            )

    def _shrink_to(self, limit_bytes: float) -> None:
        for job in self.jobs():
            if self._held_bytes() <= limit_bytes:
                return
            if job.state not in WAITING:
                self._remove(job)

    def _remove(self, job: Job) -> None:
        log.info("job %s is removed: the store is bounded in size and age", job.key)
        shutil.rmtree(self.folder / job.key, ignore_errors=True)

    def _held_bytes(self) -> int:
        return sum(map(_size, self.folder.glob("*/*")))

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes out; the lock goes with the process."""
        with (self.folder / ".lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # renamed or removed meanwhile
        return 0


def _of_nobody(image: ismrmrd.Image) -> ismrmrd.Image:
    """An image with those of its Meta that a reconstruction may need; others may name the patient."""
    kept = ismrmrd.Image(image.getHead(), "")
    kept.data[:] = image.data
    kept.meta = ismrmrd.Meta({name: value for name, value in image.meta.items() if name in _KEPT_META})
    return kept


def _read(path: Path) -> Job | None:
    """Read a state; None where a job is just being made or removed."""
    try:
        return Job(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
