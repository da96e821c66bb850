"""The mask of white matter that a stream or a file gives."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import ismrmrd
import numpy as np
from numpy.typing import NDArray

from gadgets.errors import ParameterError
from gadgets.image_tasks.perivascular.parameters import PerivascularParameters
from gadgets.image_tasks.stacks import Stack, name_of, stacked
from nets.data.formats.errors import VolumeError
from nets.data.formats.hdf5_files import maps_of, opened_hdf5
from recon.errors import DataError

_AUTO, _SERIES = "auto", "series"

_SAME_PLACE_MM = 0.1
"""Positions of one matrix, written by two programs, may differ by rounding."""

_PLACES = ("position", "read_dir", "phase_dir", "slice_dir", "field_of_view")


def parted(
    images: Iterable[ismrmrd.Image], parameters: PerivascularParameters
) -> tuple[list[ismrmrd.Image], list[ismrmrd.Image]]:
    """Tell images of the brain from those of a mask.

    Returns
    -------
    list of ismrmrd.Image, list of ismrmrd.Image
        Brain; mask.
    """
    brain: list[ismrmrd.Image] = []
    mask: list[ismrmrd.Image] = []
    for image in images:
        (mask if _is_mask(image, parameters.mask_series) else brain).append(image)
    return brain, mask


def _is_mask(image: ismrmrd.Image, series: int | None) -> bool:
    if series is not None:
        return int(image.image_series_index) == series
    role: Any = image.meta.get("DataRole", "")
    return "mask" in [str(word).lower() for word in (role if isinstance(role, list) else [role])]


def mask_for(like: Stack, images: list[ismrmrd.Image], parameters: PerivascularParameters) -> NDArray[np.bool_] | None:
    """White matter on the voxels of a volume, as far as it is given.

    Parameters
    ----------
    like : Stack
        The volume.
    images : list of ismrmrd.Image
        Of the mask; may be empty.
    parameters : PerivascularParameters

    Returns
    -------
    (z, y, x) bool or None
        None: it is to be found by brightness.

    Raises
    ------
    DataError
        If a mask was asked for and none came, or it lies on other voxels.
    ParameterError
        If the file cannot be read.
    """
    if parameters.mask not in (_AUTO, _SERIES):
        return _of_file(Path(parameters.mask))
    if images:
        return _of_series(images, like)
    if parameters.mask == _SERIES or parameters.mask_series is not None:
        raise DataError(
            "no mask came: send white matter as a series of its own whose Meta DataRole is Mask (or name it by "
            "mask_series), or set mask=auto"
        )
    return None


def _of_series(images: list[ismrmrd.Image], like: Stack) -> NDArray[np.bool_]:
    mask = stacked(images, f"the mask ({name_of(images[0])})")
    if mask.voxels.shape != like.voxels.shape:
        sizes = ("x".join(map(str, each.voxels.shape)) for each in (mask, like))
        raise DataError("the mask has {} voxels, the volume {}; send it on the volume's voxels".format(*sizes))
    for one, other in zip((_ends(mask), _ends(like)), (_ends(like), _ends(mask)), strict=True):
        if np.abs(one - other).max() > _SAME_PLACE_MM:
            raise DataError("the mask lies elsewhere than the volume; send it on the volume's voxels")
    return mask.voxels > 0


def _ends(stack: Stack) -> NDArray:
    """Where the first and the last image lie."""
    heads = [image.getHead() for image in (stack.images[0], stack.images[-1])]
    return np.array([[*getattr(head, name)[:]] for head in heads for name in _PLACES])


def _of_file(path: Path) -> NDArray[np.bool_]:
    try:
        with opened_hdf5(path, "a mask", "write an HDF5 file with an array mask (z, y, x)") as file:
            found = maps_of(file, "mask", path, "biuf")
            if found is None:
                raise VolumeError(f"{path.name} has no array 'mask'; write one (z, y, x)")
            return np.asarray(found[()]) > 0
    except (VolumeError, OSError) as error:
        raise ParameterError(f"mask: {error}") from error
