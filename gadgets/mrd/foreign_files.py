"""Files that other programs wrote: the group that holds their data, and a header for images that came without."""

import logging
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import ismrmrd

from gadgets.errors import ScanFileError
from gadgets.mrd.header import header_of
from gadgets.mrd.headers.places import geometry_of
from nets.data.formats.errors import VolumeError
from nets.data.formats.hdf5_files import check_heaps

log = logging.getLogger(__name__)

DEFAULT_GROUP = "dataset"
"""Name that ISMRMRD's tools use; Gadgetron's client names groups by the time of the reconstruction instead."""

_SHOWN = 6
"""Groups that an error names."""


def holds_images(group: Any) -> bool:
    """Whether a group holds image series, ``image_<number>``."""
    return isinstance(group, h5py.Group) and any(name.startswith("image_") for name in group)


def holds_readouts(group: Any) -> bool:
    """Whether a group holds readouts."""
    return isinstance(group, h5py.Group) and isinstance(_member(group, "data"), h5py.Dataset)


def data_group(path: Path, wanted: str = DEFAULT_GROUP) -> str:
    """Choose the group to read.

    Parameters
    ----------
    path : Path
    wanted : str
        The one that the user names; the default stands for none.

    Returns
    -------
    str
        ``wanted`` if it holds data, or if the file cannot be read: then its reader says why. Else the only group that
        holds data, which the log says.

    Raises
    ------
    ScanFileError
        If another one is wanted than there are, several hold data, or the HDF5 library would stay in the file for ever.
    """
    try:
        state = path.stat()
        _check_heaps(path, state.st_mtime_ns, state.st_size)
        with h5py.File(path, "r") as file:
            if _holds_data(_member(file, wanted)):
                return wanted
            found = [name for name in file if _holds_data(_member(file, name))]
    except (OSError, RuntimeError, ValueError):
        return wanted
    if not found:
        return wanted
    listed = ", ".join(map(repr, found[:_SHOWN])) + (", ..." if len(found) > _SHOWN else "")
    if wanted != DEFAULT_GROUP:
        raise ScanFileError(f"{path} has no data in a group {wanted!r}; it holds {listed}: use --group")
    if len(found) > 1:
        raise ScanFileError(f"{path} holds data in {len(found)} groups, {listed}: choose one by --group")
    log.info("%s has no group %r; the only one that holds data, %r, is read", path, wanted, found[0])
    return found[0]


@lru_cache(maxsize=8)
def _check_heaps(path: Path, changed_ns: int, size: int) -> None:
    """Look a file through once, however often it is opened: the header and the readouts lie in such heaps."""
    try:
        check_heaps(path)
    except VolumeError as error:
        raise ScanFileError(str(error)) from error


def _holds_data(group: Any) -> bool:
    return holds_readouts(group) or holds_images(group)


def _member(group: h5py.Group, name: str) -> Any:
    """A member; None where there is none, or its link leads nowhere."""
    try:
        return group.get(name)
    except (OSError, RuntimeError, KeyError, ValueError):
        return None


def header_of_images(images: Sequence[ismrmrd.Image]) -> bytes:
    """Make a header for images that came without one, as files of Gadgetron's clients do.

    Parameters
    ----------
    images : sequence of ismrmrd.Image

    Returns
    -------
    bytes
        XML with the matrix and field of view of the first series; it does not say how much of k-space was measured.
    """
    first = images[0].getHead()
    x, y, z = (int(size) for size in first.matrix_size)
    slices = len({image.slice for image in images if image.image_series_index == first.image_series_index})
    x_mm, y_mm, z_mm = first.field_of_view[:]
    is_volume = z > 1
    fov_mm = (x_mm, y_mm, z_mm if is_volume else z_mm * slices)
    return header_of(geometry_of(first, fov_mm), (x, y, z if is_volume else slices), "cartesian")
