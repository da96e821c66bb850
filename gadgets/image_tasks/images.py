"""Results of a task become images of the stream: where the originals lie, in series of their own, with their Meta."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import ismrmrd
import numpy as np
from numpy.typing import NDArray

from gadgets import RESEARCH_LABEL, __version__
from gadgets.image_tasks.stacks import Stack
from gadgets.image_tasks.task import OutputSeries
from gadgets.mrd.image_meta import COUNTER_LIMIT, range_of, window_of

_RESCALE = ("RescaleSlope", "RescaleIntercept")
"""What the Meta of an image say of its pixels' unit; it holds for what is made of them in the same type."""


def task_images(
    voxels: NDArray, like: Stack, record: OutputSeries, meta: Mapping[str, Any], repetition: int = 0
) -> Iterator[ismrmrd.Image]:
    """Make the images of a result, as slices or as a volume, as the originals came.

    Parameters
    ----------
    voxels : (z, y, x) float or integer
    like : Stack
        Of the originals' matrix: gives places and counters.
    record : OutputSeries
    meta : mapping of str to object
        What the task, and its network, say of it.
    repetition : int
        Counter of the images.

    Yields
    ------
    ismrmrd.Image
        float32 or uint16, as the record says.
    """
    typed = typed_voxels(voxels, record, like.images)
    complete = task_meta(record, _of_pixels(like, record) | dict(meta)) | _window(typed, record) | range_of([typed])
    parts = [typed] if like.is_volume else typed[:, None]
    for number, (part, original) in enumerate(zip(parts, like.images, strict=True)):
        image = ismrmrd.Image.from_array(np.ascontiguousarray(part), transpose=False)
        head = original.getHead()
        head.data_type, head.channels = _DATA_TYPES[typed.dtype.name], 1
        head.image_type = ismrmrd.IMTYPE_REAL if record.is_signed else ismrmrd.IMTYPE_MAGNITUDE
        head.image_series_index = int(head.image_series_index) + record.offset
        head.image_index = min(COUNTER_LIMIT, repetition * len(parts) + number + 1)
        head.repetition, head.set = repetition, 0
        head.attribute_string_len = 0
        image.setHead(head)
        directions = {
            "ImageRowDir": [f"{value:.9g}" for value in head.read_dir],
            "ImageColumnDir": [f"{value:.9g}" for value in head.phase_dir],
        }
        image.meta = complete | directions
        yield image


_DATA_TYPES = {"float32": ismrmrd.DATATYPE_FLOAT, "uint16": ismrmrd.DATATYPE_USHORT}


def typed_voxels(voxels: NDArray, record: OutputSeries, came: Sequence[ismrmrd.Image]) -> NDArray:
    """Voxels in the pixel type of their series.

    Parameters
    ----------
    voxels : (z, y, x) float, integer or bool
    record : OutputSeries
    came : sequence of ismrmrd.Image
        May be empty.

    Returns
    -------
    (z, y, x) float32 or uint16
        Integers are rounded, and kept within their range.
    """
    is_like_uint16 = record.pixels == "received" and bool(came) and came[0].data.dtype == np.uint16
    if record.pixels == "integer" or is_like_uint16:
        return np.clip(np.rint(voxels.astype(np.float32)), 0, 65535).astype(np.uint16)
    return np.asarray(voxels, np.float32)


def _of_pixels(like: Stack, record: OutputSeries) -> dict[str, Any]:
    stated = like.images[0].meta if record.pixels == "received" else {}
    return {name: stated[name] for name in _RESCALE if name in stated}


def _window(typed: NDArray, record: OutputSeries) -> dict[str, str]:
    """Of labels the whole range: an organ of 0.5 % of the voxels is to be seen, too."""
    return window_of(typed.max(initial=1) if record.pixels == "integer" else typed)


def table_image(values: NDArray, like: Stack, record: OutputSeries, meta: Mapping[str, Any]) -> ismrmrd.Image:
    """Make an image of a table (rows, columns), which lies nowhere in the patient."""
    image = ismrmrd.Image.from_array(np.ascontiguousarray(values, np.float32)[None], transpose=False)
    original, head = like.images[0].getHead(), image.getHead()
    head.measurement_uid = original.measurement_uid
    head.image_series_index = int(original.image_series_index) + record.offset
    head.image_index, head.image_type = 1, ismrmrd.IMTYPE_MAGNITUDE
    head.field_of_view[:] = original.field_of_view[:]
    for name in ("position", "read_dir", "phase_dir", "slice_dir"):
        getattr(head, name)[:] = getattr(original, name)[:]
    image.setHead(head)
    image.meta = task_meta(record, meta) | window_of(image.data)
    return image


def task_meta(record: OutputSeries, meta: Mapping[str, Any]) -> dict[str, Any]:
    """Meta that all images of a series have."""
    description = f"malibu {record.description}"
    comment = f"{description}{f' in {record.unit}' if record.unit else ''}, {RESEARCH_LABEL}"
    found: dict[str, Any] = {
        "DataRole": record.role,
        "ImageComments": comment,
        "GADGETRON_ImageComment": comment,
        "SeriesDescription": description,
        "GADGETRON_SeqDescription": description,
        "MalibuVersion": __version__,
        "MalibuUse": RESEARCH_LABEL,
        **meta,
    }
    if record.unit:
        found["MalibuUnit"] = record.unit
    if record.is_generated:
        found["MalibuGeneratedDetail"] = record.caution
    return found
