"""What tasks need, known before they are begun, from what was measured."""

import contextlib
from collections.abc import Sequence
from math import prod
from pathlib import Path

import h5py

from gadgets.cluster.tasks import Need

PROCESS_BYTES = 7 * 2**27
"""Python, torch and a network: 0.62 to 0.67 GB were measured with a scan of 14 MB, and a third is added."""

_TIMES_FILE = 8
"""Memory over the size of a scan: peaks were 3.1 GB of a scan of 393 MB and 2.8 GB of one of 492 MB."""

_DICOM_BYTES = 2
"""Of a voxel, where it is not compressed."""


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
    """Count the voxels of a volume by the head of its file; of a folder of DICOM files by their size.

    Parameters
    ----------
    path : Path
        ``.h5``, ``.nii``, ``.nii.gz``, or a folder.

    Returns
    -------
    int
        0 of what cannot be read; who reads it tells why.
    """
    if path.is_dir():
        return sum(one.stat().st_size for one in path.rglob("*") if one.is_file()) // _DICOM_BYTES
    if path.suffix == ".h5":
        return _largest_array(path)
    try:
        import nibabel

        return prod(nibabel.load(path).shape)
    except Exception:  # of a package that may be missing, or one of nibabel's many
        return 0


def _largest_array(path: Path) -> int:
    sizes = [0]

    def keep(name: str, item: h5py.Dataset | h5py.Group) -> None:
        if isinstance(item, h5py.Dataset):
            sizes.append(item.size)

    with contextlib.suppress(OSError), h5py.File(path) as file:
        file.visititems(keep)
    return max(sizes)
