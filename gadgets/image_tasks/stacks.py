"""Images of one volume put in order: slices along their normal, or one volume."""

from collections.abc import Iterable
from dataclasses import dataclass

import ismrmrd
import numpy as np
from numpy.typing import NDArray

from gadgets.image_tasks.kinds import grouped, split_by_kind
from nets.data.formats.errors import VolumeError
from nets.data.formats.slice_order import check_directions, slice_order
from recon.errors import DataError

_TO_THE_HEAD = (0.0, 0.0, 1.0)
"""What slices lie along whose heads say nothing (:func:`gadgets.mrd.headers.places.oriented`); positions count."""


@dataclass(frozen=True)
class Stack:
    """A volume and the images that it came as.

    Attributes
    ----------
    voxels : (z, y, x) float32
    images : list of ismrmrd.Image
        In the order of the slices; or the one volume.
    voxel_mm : (3,) tuple of float
        Distance of the voxels along z, y, x.
    """

    voxels: NDArray[np.float32]
    images: list[ismrmrd.Image]
    voxel_mm: tuple[float, float, float]

    @property
    def is_volume(self) -> bool:
        """Whether it came as one image."""
        return len(self.images) == 1 and self.images[0].data.shape[1] > 1


_COUNTERS = ("contrast", "phase", "repetition", "set", "average")
"""What makes a volume of its own, beside the series."""


def one_volume(images: Iterable[ismrmrd.Image], task: str) -> Stack:
    """Put the magnitudes of a stream in order, which must be one volume; images of other kinds are passed over.

    Parameters
    ----------
    images : iterable of ismrmrd.Image
    task : str
        For errors.

    Raises
    ------
    DataError
        If there is no magnitude, there are several volumes, or :func:`stacked` refuses it.
    """
    volumes = grouped(split_by_kind(images)[0])
    if not volumes:
        raise DataError(f"no magnitude images came; {task} takes those of one series")
    if len(volumes) > 1:
        names = "; ".join(name_of(volume[0]) for volume in volumes[:4])
        more = "; …" if len(volumes) > 4 else ""
        raise DataError(
            f"{task} takes one volume, but {len(volumes)} came ({names}{more}): send one series of one contrast"
        )
    return stacked(volumes[0], name_of(volumes[0][0]))


def name_of(image: ismrmrd.Image) -> str:
    """Name the volume of an image by its series, and by those of its counters that are not zero."""
    head = image.getHead()
    counters = [f"{name} {getattr(head, name)}" for name in _COUNTERS if getattr(head, name)]
    return ", ".join([f"series {head.image_series_index}", *counters])


def stacked(images: list[ismrmrd.Image], name: str) -> Stack:
    """Put the images of one volume in order.

    Parameters
    ----------
    images : list of ismrmrd.Image
        Slices in any order, or one volume; real values, or complex ones without an imaginary part.
    name : str
        For errors.

    Raises
    ------
    DataError
        If sizes are mixed, there are several channels, slices are missing or doubled, or values are complex.
    """
    sizes = {image.data.shape for image in images}
    if len(sizes) > 1:
        raise DataError(f"{name} mixes matrix sizes {sorted(sizes)}; send one matrix for each series")
    channels, depth, rows, columns = images[0].data.shape
    if channels != 1:
        raise DataError(f"{name} has {channels} channels; combine the coils upstream")
    if any(np.iscomplexobj(image.data) and image.data.imag.any() for image in images):
        raise DataError(f"{name} is complex; send magnitudes")
    if depth > 1 and len(images) > 1:
        raise DataError(f"{name} holds {len(images)} volumes with equal counters; number repetitions or sets upstream")
    head = images[0].getHead()
    x_mm, y_mm, z_mm = head.field_of_view[:]
    ordered, step_mm = (images, z_mm / depth) if depth > 1 else _in_order(images, name)
    voxels = np.concatenate([image.data[0].real for image in ordered]).astype(np.float32)
    return Stack(voxels, ordered, (float(step_mm), y_mm / rows, x_mm / columns))


def _in_order(images: list[ismrmrd.Image], name: str) -> tuple[list[ismrmrd.Image], float]:
    heads = [image.getHead() for image in images]
    directions = np.array([head.slice_dir[:] for head in heads])
    if not directions.any():
        directions[:] = _TO_THE_HEAD
    along_mm = np.array([np.dot(directions[0], head.position[:]) for head in heads])
    thickness_mm = float(heads[0].field_of_view[2])
    try:
        check_directions(directions, name)
        if len(images) > 1 and np.ptp(along_mm) == 0:  # a converter that wrote no positions
            numbers = [head.slice for head in heads]
            if sorted(numbers) != list(range(len(images))):
                raise DataError(f"{name} lacks slices or positions: the slice counters are {sorted(numbers)}")
            return sorted(images, key=lambda image: int(image.getHead().slice)), thickness_mm
        order, step_mm = slice_order(along_mm, name)
    except VolumeError as error:
        raise DataError(str(error)) from error
    return [images[index] for index in order], step_mm or thickness_mm
