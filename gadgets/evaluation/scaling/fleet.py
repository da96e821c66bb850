"""What many scans a day need: cores, memory, disk and network, from what one scan takes."""

from dataclasses import dataclass
from math import ceil

from gadgets.evaluation.scaling.costs import Cost

_DAY_S = 86_400.0
BUSY = 0.7
"""Share of the day that cores work: above it, what comes at random waits for several times its own length."""

PEAK_HOURS = 10.0
"""Hours in which the scans of a day are made: what reads them in must keep up with the scanners."""


@dataclass(frozen=True)
class Fleet:
    """What a number of scans a day needs.

    Attributes
    ----------
    core_hours : float
        A day.
    cores, workers : int
        Cores that do it within a day, ``BUSY`` of the time, and workers of several cores each.
    memory_bytes : int
        Of all workers.
    disk_bytes : int
        A day, raw data and images.
    network_bytes_s : float
        While scans are made.
    """

    core_hours: float
    cores: int
    workers: int
    memory_bytes: int
    disk_bytes: int
    network_bytes_s: float


def fleet_for(cost: Cost, scans: int, slices: int = 1, cores_of_worker: int = 2) -> Fleet:
    """Work out what a day of scans needs.

    Parameters
    ----------
    cost : Cost
        Of one slice, in a process of its own.
    scans, slices : int
        Scans a day, and slices of each.
    cores_of_worker : int

    Returns
    -------
    Fleet
    """
    core_s = scans * slices * cost.total_core_s
    workers = ceil(core_s / _DAY_S / BUSY / cores_of_worker)
    moved = scans * slices * (cost.raw_bytes + cost.image_bytes)
    return Fleet(
        core_s / 3600,
        workers * cores_of_worker,
        workers,
        workers * cost.peak_bytes,
        moved,
        moved / (PEAK_HOURS * 3600),
    )
