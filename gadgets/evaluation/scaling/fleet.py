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
    scans : int
    core_hours : float
        A day.
    cores, machines : int
        Cores that do it within a day, ``BUSY`` of the time; machines of so many cores each.
    memory_bytes : int
        Of each machine, one worker for every ``cores_of_worker``.
    disk_bytes : int
        A day, raw data and images.
    network_bytes_s : float
        While scans are made.
    """

    scans: int
    core_hours: float
    cores: int
    machines: int
    memory_bytes: int
    disk_bytes: int
    network_bytes_s: float


def fleet_for(cost: Cost, scans: int, slices: int = 1, cores_of_machine: int = 32, cores_of_worker: int = 2) -> Fleet:
    """Work out what a day of scans needs.

    Parameters
    ----------
    cost : Cost
        Of one slice.
    scans, slices : int
        Scans a day, and slices of each.
    cores_of_machine, cores_of_worker : int

    Returns
    -------
    Fleet
    """
    core_s = scans * slices * cost.total_core_s
    cores = ceil(core_s / _DAY_S / BUSY)
    moved = scans * slices * (cost.raw_bytes + cost.image_bytes)
    return Fleet(
        scans,
        core_s / 3600,
        cores,
        ceil(cores / cores_of_machine),
        cores_of_machine // cores_of_worker * cost.peak_bytes,
        moved,
        moved / (PEAK_HOURS * 3600),
    )


def makespan_s(cost: Cost, scans: int, workers: int, cores: int, started: bool = True) -> float:
    """Seconds that a batch takes, where every worker computes on its share of the cores of one machine.

    Parameters
    ----------
    cost : Cost
        Of one scan; its ``start`` is paid once by each worker.
    scans, workers, cores : int
    started : bool
        Whether the workers run already.

    Returns
    -------
    float
        The rounds of scans, each as long as one takes on a worker's cores; nothing runs faster than on one core.
    """
    share = max(1.0, cores / workers)
    slowed = max(1.0, workers / cores)
    start_s = 0.0 if started else cost.core_s.get("start", 0.0) * slowed
    scan_s = (cost.total_core_s - cost.core_s.get("start", 0.0)) / share * slowed
    return start_s + ceil(scans / workers) * scan_s
