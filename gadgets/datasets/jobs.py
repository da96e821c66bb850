"""A folder of training pairs: which jobs there are, who computes them, and what is there already."""

import hashlib
import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from gadgets.cluster.needs import need_of_scan
from gadgets.cluster.shared_work import SharedWork
from gadgets.errors import ParameterError
from gadgets.files import complete_file
from gadgets.mrd.files import ScanFile
from gadgets.multitasking.parameters import MultitaskingParameters
from gadgets.simulated.radial import is_truth
from nets.data import SPLITS
from nets.data.pair_files import pair_files, write_pair
from recon.simulation.chest import Protocol

log = logging.getLogger(__name__)

SHARES = (8, 1, 1)
"""Shares of training, validation and test subjects, as in the dissertation (6.3.1)."""


@dataclass(frozen=True)
class Job:
    """One scan to make pairs of.

    Attributes
    ----------
    name : str
        Name of the pair's file, less the slice; tells nothing about a patient.
    subject : str
        Pseudonym of the subject; tells nothing about a patient.
    scan : Path or None
        A file.
    seed : int
        Seed of a simulated subject, if there is no file.
    """

    name: str
    subject: str
    scan: Path | None = None
    seed: int = -1


def simulation_jobs(first_seed: int, count: int) -> list[Job]:
    """Simulated subjects, one seed each."""
    names = [f"simulated-{seed:06d}" for seed in range(first_seed, first_seed + count)]
    return [Job(name, name, seed=seed) for seed, name in enumerate(names, start=first_seed)]


def scan_jobs(scans: Sequence[Path], folder: Path, group: str) -> list[Job]:
    """Scans of subjects; equal patient IDs are one subject, and a file without an ID is a subject of its own.

    Truth files beside simulated scans are passed over, so that ``scans/*.h5`` may name them.

    Names are keyed hashes: the key stays in the hidden file ``.key`` of the pairs' folder, so that who is given
    pairs cannot try patient IDs against them.

    Parameters
    ----------
    scans : sequence of Path
    folder : Path
        Folder of the pairs.
    group : str
        HDF5 group of the measurements.

    Returns
    -------
    list of Job
    """
    key, jobs = _key(folder), []
    for path in scans:
        if is_truth(path):
            log.info("%s is no scan, but the truth of one", path.name)
            continue
        with ScanFile(path, group) as scan:
            information = scan.header.subjectInformation
        patient = getattr(information, "patientID", None) or getattr(information, "patientName", None)
        subject = _hash(key, patient or str(path.resolve()))
        jobs.append(Job(f"scan-{subject}-{_hash(key, str(path.resolve()))}", subject, path.resolve()))
    return jobs


def _key(folder: Path) -> bytes:
    path = folder / ".key"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(secrets.token_bytes(16))
    return path.read_bytes()


def _hash(key: bytes, text: str) -> str:
    return hashlib.blake2b(text.encode(), key=key, digest_size=5).hexdigest()


def assign_splits(jobs: Sequence[Job], folder: Path) -> dict[str, str]:
    """Give each subject a split: one that has pairs keeps its split, the others go where most are missing.

    Parameters
    ----------
    jobs : sequence of Job
    folder : Path

    Returns
    -------
    dict of str to str
        Split by subject.
    """
    by_name = {path.name.rsplit("-", 1)[0]: split for split in SPLITS for path in pair_files(folder, split)}
    taken = {_subject_of(name): split for name, split in by_name.items()}
    for job in jobs:
        if job.subject not in taken:
            counts = [sum(split == other for other in taken.values()) for split in SPLITS]
            wanted = [share / sum(SHARES) * (len(taken) + 1) for share in SHARES]
            lacking = np.subtract(wanted, counts)
            taken[job.subject] = SPLITS[int(np.argmax(lacking))]
    return taken


def _subject_of(name: str) -> str:
    return name.split("-")[1] if name.startswith("scan-") else name


def prepare_pairs(
    jobs: Sequence[Job],
    folder: Path,
    protocol: Protocol,
    parameters: MultitaskingParameters,
    group: str = "dataset",
    work: SharedWork | None = None,
) -> None:
    """Make the pairs that are not there yet.

    Parameters
    ----------
    jobs : sequence of Job
    folder : Path
        Gets ``train``, ``validation`` and ``test``; a subject lies in one of them.
    protocol : Protocol
        Protocol of simulated scans; every subject's differs a little from it.
    parameters : MultitaskingParameters
    group : str
        HDF5 group of the measurements.
    work : SharedWork, optional
        Who does it; by default this process. It knows what failed.

    Raises
    ------
    ParameterError
        If there is nothing to do.
    """
    if not jobs:
        raise ParameterError("there is nothing to prepare: name scan files, or give --simulate COUNT")
    work = work or SharedWork()
    folder = folder.resolve()  # workers need not stand in the same folder
    splits = assign_splits(jobs, folder)
    for split in SPLITS:
        (folder / split).mkdir(parents=True, exist_ok=True)
    missing = [job for job in jobs if not _first_pair(folder, splits, job).exists()]
    for _ in range(len(jobs) - len(missing)):
        work.done()
    gpus = work.crew.gpus_for(parameters.device)
    make = partial(_make, folder, splits, protocol, parameters, group)
    work.do(make, missing, lambda job: job.name, lambda job: need_of_scan(_scan_bytes(job, protocol), gpus))


def _scan_bytes(job: Job, protocol: Protocol) -> int:
    """Bytes of a scan: of its file, or of its samples, complex64."""
    from gadgets.datasets.pairs import varied_protocol

    if job.scan is not None:
        return job.scan.stat().st_size
    varied = varied_protocol(protocol, job.seed)
    return 8 * varied.readouts * varied.samples * varied.coils


def _first_pair(folder: Path, splits: Mapping[str, str], job: Job) -> Path:
    """File that says that all pairs of a job are there."""
    return folder / splits[job.subject] / f"{job.name}-0.h5"


def _make(
    pairs_folder: Path,
    splits: Mapping[str, str],
    protocol: Protocol,
    parameters: MultitaskingParameters,
    group: str,
    job: Job,
) -> None:
    from gadgets.datasets.pairs import scanned_pairs, simulated_pair, varied_parameters, varied_protocol

    if _first_pair(pairs_folder, splits, job).exists():  # by a worker that was lost after it had written
        return
    folder = pairs_folder / splits[job.subject]
    if job.scan is None:
        varied = varied_parameters(parameters, job.seed)
        pairs = [simulated_pair(varied_protocol(protocol, job.seed), job.seed, varied)]
    else:
        with ScanFile(job.scan, group) as scan:
            pairs = list(scanned_pairs(scan, parameters))
    for number, pair in reversed([*enumerate(pairs)]):  # the first slice comes last: it says that all are there
        pair.attributes["subject"] = job.subject
        with complete_file(folder / f"{job.name}-{number}.h5") as partial:
            write_pair(partial, pair)
