"""Restored volumes become ISMRMRD images: geometry with refined voxels, series, window, Meta, research label."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ismrmrd
import numpy as np
from numpy.typing import NDArray

from gadgets.image_tasks.images import task_meta, typed_voxels
from gadgets.image_tasks.task import OutputSeries
from gadgets.mrd.files import ImageFile
from gadgets.mrd.header import header_of
from gadgets.mrd.image_meta import range_of, window_of
from gadgets.super_resolution.parameters import SuperResolutionParameters, shown_parameters
from gadgets.super_resolution.series import SERIES, VOXELS
from gadgets.super_resolution.slices import MeasuredVolume
from recon.stages import StageClock
from recon.super_resolution import CartesianVolume, RestoredVolume


def volume_images(
    measured: MeasuredVolume,
    restored: RestoredVolume,
    parameters: SuperResolutionParameters,
    clock: StageClock,
    number: int = 0,
) -> Iterator[ismrmrd.Image]:
    """Make the images that the parameters ask for, except for originals that came as images.

    Parameters
    ----------
    measured : MeasuredVolume
    restored : RestoredVolume
        Its images say what its network told of itself.
    parameters : SuperResolutionParameters
        What is sent.
    clock : StageClock
        Its seconds go into the Meta of the first super-resolved image.
    number : int
        Place of the volume in the stream, for raw scans: each gets series of its own.

    Yields
    ------
    ismrmrd.Image
        float32, or uint16 where that came; differences are always float32.
    """
    series = first_series(measured, number)
    seconds = json.dumps({name: round(value, 4) for name, value in clock.seconds.items()})
    for kind in parameters.images:
        record = SERIES[kind]
        if measured.originals and not record.is_generated:
            continue
        voxels = VOXELS[kind](restored)
        meta = {"MalibuStageSeconds": seconds} | window_of(voxels) | range_of([voxels])
        typed = typed_voxels(voxels, record, measured.originals)
        yield from series_images(record, typed, measured, restored, series, meta)


def first_series(measured: MeasuredVolume, number: int) -> int:
    """Number to which the series of a volume add theirs: that of what came, or the place of a raw scan's volume."""
    return int(measured.head.image_series_index) if measured.originals else number + 1


def series_images(
    record: OutputSeries,
    voxels: NDArray,
    measured: MeasuredVolume,
    restored: RestoredVolume,
    series: int,
    own_meta: Mapping[str, Any],
) -> Iterator[ismrmrd.Image]:
    """Make the images of one series.

    Parameters
    ----------
    record : OutputSeries
    voxels : (z, y, x) array
        As they are sent.
    measured : MeasuredVolume
    restored : RestoredVolume
    series : int
        What the record's offset is added to.
    own_meta : mapping of str to object
        What Meta say beside what all restored volumes say.

    Yields
    ------
    ismrmrd.Image
    """
    meta = task_meta(record, _told(record, measured, restored)) | dict(own_meta)
    for image in _images(voxels, measured, series + record.offset):
        image.image_type = ismrmrd.IMTYPE_REAL if record.is_signed else ismrmrd.IMTYPE_MAGNITUDE
        image.meta = _of_the_series(measured.meta) | meta | _directions(measured.head)
        yield image


_OF_A_SLICE = ("IceMiniHead", "SliceNo")


def write_series(path: Path, volume: CartesianVolume, restored: RestoredVolume, chosen: Mapping[str, Any]) -> Path:
    """Write the image series of a volume that came from arrays as an ISMRMRD file.

    Parameters
    ----------
    path : Path
    volume : CartesianVolume
    restored : RestoredVolume
    chosen : mapping of str to object
        Parameters that say what is written: ``images`` and ``output``.

    Returns
    -------
    Path

    Raises
    ------
    ParameterError
        If a name is another, or a value impossible.
    """
    parameters = shown_parameters(chosen)
    head, geometry = ismrmrd.ImageHeader(), volume.geometry
    head.position[:], head.read_dir[:] = geometry.position_mm, geometry.read_dir
    head.phase_dir[:], head.slice_dir[:] = geometry.phase_dir, geometry.slice_dir
    measured = MeasuredVolume(volume, head, as_slices=parameters.output == "slices")
    z, y, x = volume.zero_filled.shape
    with ImageFile(path, header_of(geometry, (x, y, z), "cartesian")) as file:
        for image in volume_images(measured, restored, parameters, StageClock()):
            file.append(image)
    return path


def _images(voxels: NDArray, measured: MeasuredVolume, series: int) -> Iterator[ismrmrd.Image]:
    """One image, or one for each slice, whose positions follow the slice direction from the voxel at n // 2."""
    slices = len(voxels)
    x_mm, y_mm, z_mm = measured.volume.geometry.fov_mm
    if not measured.as_slices:
        yield _image(voxels, measured.head, series, 1, (x_mm, y_mm, z_mm), np.array(measured.head.position[:]))
        return
    step_mm, normal = z_mm / slices, np.array(measured.head.slice_dir[:])
    for index in range(slices):
        position = np.array(measured.head.position[:]) + (index - slices // 2) * step_mm * normal
        image = _image(voxels[index], measured.head, series, index + 1, (x_mm, y_mm, step_mm), position)
        image.slice = index
        yield image


def _image(
    voxels: NDArray,
    template: ismrmrd.ImageHeader,
    series: int,
    number: int,
    fov_mm: tuple[float, float, float],
    position: NDArray,
) -> ismrmrd.Image:
    image = ismrmrd.Image.from_array(np.ascontiguousarray(voxels), transpose=False)
    head = image.getHead()
    for name in ("measurement_uid", "average", "slice", "contrast", "phase", "repetition", "set"):
        setattr(head, name, getattr(template, name))
    for name in ("read_dir", "phase_dir", "slice_dir", "patient_table_position", "physiology_time_stamp"):
        getattr(head, name)[:] = getattr(template, name)[:]
    head.acquisition_time_stamp = template.acquisition_time_stamp
    head.position[:] = position.tolist()
    head.field_of_view[:] = fov_mm
    head.image_series_index, head.image_index = series, number
    image.setHead(head)
    return image


def _directions(head: ismrmrd.ImageHeader) -> dict[str, Any]:
    return {
        "ImageRowDir": [f"{value:.9g}" for value in head.read_dir],
        "ImageColumnDir": [f"{value:.9g}" for value in head.phase_dir],
    }


def _of_the_series(meta: dict[str, Any]) -> dict[str, Any]:
    """Leave out what the vendor says of the first slice alone: a new series may have other slices."""
    return {name: value for name, value in meta.items() if name not in _OF_A_SLICE and not name.startswith("ROI_")}


def _told(record: OutputSeries, measured: MeasuredVolume, restored: RestoredVolume) -> dict[str, Any]:
    """What the Meta of a series say of the restoration."""
    factors = restored.settings.acceleration or measured.volume.factors
    meta = {"MalibuAcceleration": "x".join(f"{factor:.4g}" for factor in factors)} if factors else {}
    if not record.is_generated:
        return meta
    of_first = record is SERIES["first_stage"]
    return meta | {
        "MalibuReconstruction": "super-resolution",
        **restored.provenance[0 if of_first else -1],
        "MalibuDataConsistency": str(restored.settings.data_consistency and not of_first).lower(),
    }
