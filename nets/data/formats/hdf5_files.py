"""HDF5 files opened with care: damage at which the library would loop for ever is found first."""

import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from nets.data.formats.errors import VolumeError, check_expansion, read_errors

# A collection of the global heap: HDF5 file format specification 3.0, III.E.
_SIGNATURE = b"GCOL\x01\x00\x00\x00"
_HEAD = 16


@contextmanager
def opened_hdf5(path: Path, kind: str, remedy: str) -> Iterator[h5py.File]:
    """Open a file for reading; errors of the library in the block, too, become one line.

    Parameters
    ----------
    path : Path
    kind : str
        What it should be, with its article.
    remedy : str

    Yields
    ------
    h5py.File

    Raises
    ------
    VolumeError
    """
    with read_errors(path.name, kind, remedy):
        check_heaps(path)
        with h5py.File(path, "r") as file:
            yield file


SYNTHETIC = "synthetic"
"""Attribute of a file whose image a network made of labels."""


def is_synthetic(path: Path) -> bool:
    """Whether a file says that its image was made by a network; other formats, and damaged files, say nothing."""
    if path.suffix != ".h5" or not path.is_file() or not h5py.is_hdf5(path):
        return False
    with opened_hdf5(path, "an HDF5 file", "copy it again") as file:
        return bool(file.attrs.get(SYNTHETIC, False))


def maps_of(file: h5py.File, name: str, path: Path, kinds: str) -> h5py.Dataset | None:
    """Find an array of numbers whose size the file can hold; None if there is none of that name and kind.

    Parameters
    ----------
    file : h5py.File
    name : str
    path : Path
    kinds : str
        NumPy's letters of the kinds that are wanted.

    Raises
    ------
    VolumeError
        If it is larger than its file can be.
    """
    data = file.get(name)
    if not isinstance(data, h5py.Dataset) or data.dtype.kind not in kinds:
        return None
    check_expansion(path.name, data.nbytes, path.stat().st_size)
    return data


def check_heaps(path: Path) -> None:
    """Refuse a file whose global heap, which holds texts and arrays of varying length, has an entry without a size.

    The HDF5 library (2.0.0) steps from entry to entry by their sizes, and for ever on the spot if one is zero.

    Raises
    ------
    VolumeError, OSError
    """
    if not path.stat().st_size:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = data.find(_SIGNATURE)
        while at >= 0:
            size = _walked(data, at)
            if not size:
                raise VolumeError(f"{path.name} is damaged (the heap at byte {at}); copy or make it again")
            at = data.find(_SIGNATURE, at + size)


def _walked(data: mmap.mmap, at: int) -> int:
    """Bytes of a collection that steps from entry to entry lead through; 0 if they never end."""
    head = data[at + 8 : at + _HEAD]
    (size,) = struct.unpack("<Q", head) if len(head) == 8 else (0,)
    position = _HEAD
    while position + _HEAD <= size and at + position + _HEAD <= len(data):
        index, _, _, length = struct.unpack_from("<HHIQ", data, at + position)
        step = _HEAD + length + -length % 8 if index else length
        if step < _HEAD:
            return 0
        position += step
    return position if position == size else len(_SIGNATURE)  # one that does not fit may hide the next
