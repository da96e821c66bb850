"""Scans of a batch: found, hashed, and looked at before anything is reconstructed."""

import glob
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gadgets.batch.order import Order, digest_of_file
from gadgets.cluster.needs import need_of_scan
from gadgets.cluster.tasks import Need
from gadgets.errors import OPERATOR_ERRORS, ParameterError, shortened
from gadgets.mrd.files import ScanFile
from gadgets.mrd.headers.roles import is_flagged, roles_of
from gadgets.simulated.radial import is_truth


@dataclass(frozen=True)
class Scan:
    """A scan of a batch.

    Attributes
    ----------
    path : Path
    key : str
        Hash of its content and of the order: name of its results, from which nothing of a patient can be read.
    slices : tuple of int
        Slices that are reconstructed by tasks of their own; empty: all at once.
    need : Need
        Of one of its tasks.
    """

    path: Path
    key: str
    slices: tuple[int, ...]
    need: Need


def scan_paths(given: Sequence[Path], folder: Path | None = None) -> list[Path]:
    """Find the files that are named: by patterns, too, whose ``**`` not every shell reads.

    Parameters
    ----------
    given : sequence of Path
    folder : Path, optional
        Of results, which are no scans although they may lie among them.

    Returns
    -------
    list of Path
        Without the truths of simulated scans, each once.

    Raises
    ------
    ParameterError
        If there are none.
    """
    paths: dict[Path, None] = {}
    own = folder.resolve() if folder else None
    for path in given:
        pattern = str(path)
        found = [] if path.exists() else sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - may be absolute
        for one in map(Path, found or [pattern]):
            if not is_truth(one) and not (own and one.resolve().is_relative_to(own)):
                paths[one] = None
    if not paths:
        raise ParameterError(f"no scan is named by {shortened(' '.join(map(str, given)), 200)}")
    return list(paths)


def looked_at(order: Order, path: Path) -> Scan:
    """Hash a scan, and see of which slices it is and what its reconstruction will need.

    Parameters
    ----------
    order : Order
    path : Path

    Returns
    -------
    Scan

    Raises
    ------
    OSError
        If it cannot be read.
    """
    key = hashlib.sha256((digest_of_file(path) + order.digest).encode()).hexdigest()[:20]
    return Scan(path, key, _slices(order, path), need_of_scan(path.stat().st_size))


def _slices(order: Order, path: Path) -> tuple[int, ...]:
    """Slices, where the gadget can do one alone; what cannot be read is left to the gadget, whose error is clearer."""
    if order.target != "MultitaskingGadget":
        return ()
    try:
        with ScanFile(path, order.group) as scan:
            heads = scan.heads()
        if np.count_nonzero(is_flagged(heads, "ACQ_LAST_IN_MEASUREMENT")) > 1:
            return ()  # several measurements, which need not have the same slices
        parameters = order.parameters()
        used = roles_of(heads, parameters).used  # type: ignore[arg-type]  # a model of its own, for all gadgets
    except OPERATOR_ERRORS:
        return ()
    numbers = np.unique(heads["idx"]["slice"][used])
    return tuple(int(number) for number in numbers) if len(numbers) > 1 else ()
