"""What tasks need, known before they are begun, from what was measured."""

from collections.abc import Sequence
from math import prod
from pathlib import Path

from gadgets.cluster.tasks import Need

PROCESS_BYTES = 7 * 2**27
"""Python, torch and a network: 0.62 to 0.67 GB were measured with a scan of 14 MB, and a third is added."""

_TIMES_FILE = 8
"""Memory over the size of a scan: peaks were 3.1 GB of a scan of 393 MB and 2.8 GB of one of 492 MB."""


def need_of_scan(size_bytes: int, gpus: int = 0) -> Need:
    """What the reconstruction of a scan needs.

    Parameters
    ----------
    size_bytes : int
        Of its file.
    gpus : int
        0 or 1.
    """
    return Need(PROCESS_BYTES + _TIMES_FILE * size_bytes, gpus)


def need_of_voxels(shape: Sequence[int], bytes_each: int, gpus: int = 0) -> Need:
    """What work on a volume needs.

    Parameters
    ----------
    shape : sequence of int
        Voxels along each axis.
    bytes_each : int
        For each voxel, at the peak.
    gpus : int
        0 or 1.
    """
    return Need(PROCESS_BYTES + bytes_each * prod(shape), gpus)


def voxels_of_file(path: Path) -> int:
    """Voxels of a file or a folder, as many as it can hold: two bytes each, or one of what is compressed.

    What is not there has none; who reads it tells so.
    """
    files = [one for one in path.rglob("*") if one.is_file()] if path.is_dir() else [path]
    least_bytes = 1 if path.suffix in (".gz", ".h5") else 2
    return sum(one.stat().st_size for one in files if one.exists()) // least_bytes
