"""A batch from its files to its page: look at all scans, reconstruct what is not there, put slices together."""

import functools
import hashlib
import logging
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gadgets.batch.found import Scan, looked_at
from gadgets.batch.order import Order
from gadgets.batch.results import Results
from gadgets.batch.scan_work import Part, joined, reconstructed, without_names
from gadgets.cluster.crew import Crew
from gadgets.cluster.tasks import Ended

log = logging.getLogger(__name__)


@dataclass
class Batch:
    """How a batch ended.

    Attributes
    ----------
    paths : dict of str to list of Path
        Files by the key of their scan; copies of a scan have one key.
    done : list of str
        Keys of the scans whose results are there.
    kept : set of str
        Of those, what was there before.
    failed : dict of str to str
        Why a scan has no result, in one line, by its key.
    """

    paths: dict[str, list[Path]] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Watch:
    """What is told while a batch runs; by default nothing.

    Attributes
    ----------
    looked : callable
        After each file that was looked at.
    planned : callable
        Told how many tasks there are.
    ended : callable
        After each task.
    """

    looked: Callable[[], None] = lambda: None
    planned: Callable[[int], None] = lambda count: None
    ended: Callable[[], None] = lambda: None


def run_batch(paths: Sequence[Path], order: Order, results: Results, crew: Crew, watch: Watch) -> Batch:
    """Reconstruct scans, each once.

    Parameters
    ----------
    paths : sequence of Path
    order : Order
    results : Results
    crew : Crew
    watch : Watch

    Returns
    -------
    Batch

    Raises
    ------
    RemoteError
        If nobody is left to do the work; what is finished stays.
    """
    batch = Batch()
    scans = _looked(paths, order, crew, batch, watch)
    parts = []
    for scan in scans.values():
        if results.images(scan.key).exists():
            batch.kept.add(scan.key)
        else:
            numbers = scan.slices or (None,)
            parts += [part for number in numbers if not (part := Part(scan, number)).result(results).exists()]
    joins = [scan for scan in scans.values() if scan.slices and scan.key not in batch.kept]
    watch.planned(len(parts) + len(joins))
    gpus = crew.gpus_for(order.device)
    for ended in crew.run(
        functools.partial(reconstructed, order, results), parts, lambda part: replace(part.scan.need, gpus=gpus)
    ):
        _noted(ended, ended.task.scan, batch)
        watch.ended()
    whole = [scan for scan in joins if scan.key not in batch.failed]
    for one in crew.run(functools.partial(joined, order, results), whole):
        _noted(one, one.task, batch)
        watch.ended()
    batch.done = [key for key in scans if key not in batch.failed and results.images(key).exists()]
    return batch


def _looked(paths: Sequence[Path], order: Order, crew: Crew, batch: Batch, watch: Watch) -> dict[str, Scan]:
    scans: dict[str, Scan] = {}
    absolute = [path.resolve() for path in paths]  # workers need not stand in the same folder
    for ended in crew.run(functools.partial(looked_at, order), absolute):
        watch.looked()
        if ended.value is None:
            key = hashlib.blake2b(str(ended.task).encode(), key=secrets.token_bytes(16), digest_size=10).hexdigest()
            batch.paths[key] = [ended.task]
            batch.failed[key] = without_names(ended.reason, ended.task)
        else:
            scans.setdefault(ended.value.key, ended.value)
            batch.paths.setdefault(ended.value.key, []).append(ended.task)
    order_of_paths = {path: number for number, path in enumerate(absolute)}
    return dict(sorted(scans.items(), key=lambda one: order_of_paths[one[1].path]))


def _noted(ended: Ended, scan: Scan, batch: Batch) -> None:
    if ended.error is not None:
        batch.failed[scan.key] = without_names(ended.reason, scan.path)
        log.error("scan-%s failed: %s", scan.key, batch.failed[scan.key])


def names(batch: Batch) -> Iterator[tuple[str, Path]]:
    """Pseudonym and file of each scan, copies too."""
    for key, paths in batch.paths.items():
        for number, path in enumerate(paths):
            yield f"scan-{key}" + (f" (copy {number})" if number else ""), path
