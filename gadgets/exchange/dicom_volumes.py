"""Folders of DICOM images as ISMRMRD images: series by series, for gadgets that take volumes."""

import logging
import warnings
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ismrmrd
import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.misc import is_dicom

from gadgets.errors import ScanFileError, shortened
from gadgets.files import check_folder
from gadgets.mrd.files import ImageFile
from gadgets.mrd.foreign_files import header_of_images
from nets.data.formats.dicom_frames import Frame, frames_of, has_pixels
from nets.data.formats.errors import VolumeError, read_errors
from nets.data.formats.slice_order import check_directions, slice_order
from recon.errors import DataError

log = logging.getLogger(__name__)

_SAME_PLACE_MM = 1e-3
"""Positions are written with a few decimals."""

_SAME_SPACING = 1e-3
"""Pixel spacings of one series agree to this share."""


@dataclass(frozen=True)
class SourceSeries:
    """A volume of a folder: a series, or one contrast of it, ready for a gadget.

    Attributes
    ----------
    template : pydicom.Dataset
        Its first object, without pixels.
    images : list of ismrmrd.Image
        float32 slices in their order, with the modality transform applied.
    """

    template: Dataset
    images: list[ismrmrd.Image]

    def write(self, path: Path) -> None:
        """Write the images as a file that :class:`gadgets.mrd.files.ImageSource` opens, without patient or study."""
        with ImageFile(path, header_of_images(self.images)) as file:
            for image in self.images:
                file.append(image)


@dataclass(frozen=True)
class _Placed:
    frame: Frame
    data: Dataset


def check_new_folder(output: Path, folder: Path) -> None:
    """Refuse an output that holds DICOM files already, or lies where the volumes come from.

    Parameters
    ----------
    output, folder : Path

    Raises
    ------
    ScanFileError
    """
    check_folder(output)
    if output.resolve().is_relative_to(folder.resolve()):
        raise ScanFileError("the output lies in the folder of the volumes; name one elsewhere")
    if any(output.rglob("*.dcm")):
        raise ScanFileError(f"the folder {shortened(output, 200)} holds DICOM files already; name an empty folder")


def read_series(folder: Path) -> list[SourceSeries]:
    """Read all image series of a folder and of the folders in it; several images at one place are several volumes.

    Pixels are read as for training (:mod:`nets.data.formats.dicom_frames`): rescaled, monochrome magnitudes; files
    that are no DICOM, or hold no image, are passed over.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    list of SourceSeries
        By their Series Numbers.

    Raises
    ------
    ScanFileError
        If the folder is missing or holds no images.
    DataError
        If a file is damaged or of a kind that is not read, or the files of a series do not fit together.
    """
    if not folder.is_dir():
        raise ScanFileError(f"{shortened(folder, 200)} is no folder; give one of DICOM files")
    try:
        placed = _placed(folder)
        if not placed:
            raise ScanFileError(f"{shortened(folder, 200)} holds no DICOM images")
        ordered = sorted(placed.values(), key=lambda frames: int(frames[0].data.get("SeriesNumber") or 0))
        stacks = [stack for frames in ordered for stack in _stacks(frames)]
        return [_source(stack, number) for number, stack in enumerate(stacks, start=1)]
    except VolumeError as error:
        raise DataError(str(error)) from error


def _placed(folder: Path) -> dict[str, list[_Placed]]:
    placed: dict[str, list[_Placed]] = defaultdict(list)
    seen: dict[str, str] = {}
    passed = 0
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if not is_dicom(path):
            passed += 1
            continue
        with warnings.catch_warnings(), read_errors(name, "a DICOM file"):
            warnings.simplefilter("ignore")  # pydicom's warnings quote values of the files
            data = dcmread(path)
            if not has_pixels(data):
                passed += 1
                continue
            uid = str(data.get("SOPInstanceUID", ""))
            if uid in seen:
                raise VolumeError(f"{seen[uid]} and {name} are the same image (SOP Instance UID); keep one of them")
            seen[uid] = name
            frames = frames_of(data, name)
            for part in ("PixelData", "FloatPixelData", "DoubleFloatPixelData"):
                data.pop(part, None)
            if any(len(frame.spacing_mm) != 2 for frame in frames):
                raise VolumeError(f"{name} does not give its pixel spacing; export it again")
            placed[str(data.get("SeriesInstanceUID", ""))] += [_Placed(frame, data) for frame in frames]
    if passed:
        log.info("passed over %d files that are no DICOM images", passed)
    return placed


def _stacks(placed: list[_Placed]) -> list[list[_Placed]]:
    """The volumes of a series: where images share a place, by what tells them apart, as echo or trigger time."""
    name = _name(placed)
    shapes = sorted({one.frame.voxels.shape for one in placed})
    if len(shapes) > 1:
        raise VolumeError(f"{name} mixes matrix sizes {shapes} (rows, columns); give one folder for each")
    check_directions(np.array([one.frame.orientation for one in placed]), name)
    spacings = np.array([one.frame.spacing_mm for one in placed])
    if np.ptp(spacings, axis=0).max() > _SAME_SPACING * spacings.max():
        raise VolumeError(f"{name} mixes pixel spacings; give one folder for each")
    if len({_place(one.frame) for one in placed}) == len(placed):
        return [placed]
    stacks: dict[tuple[tuple[str, str], ...], list[_Placed]] = {}
    for one in placed:
        stacks.setdefault(tuple(one.frame.labels.items()), []).append(one)
    log.info("%s holds %d volumes at one place, each of which is restored by itself", name, len(stacks))
    return list(stacks.values())


def _name(placed: list[_Placed]) -> str:
    return f"DICOM series {placed[0].data.get('SeriesNumber') or 'without number'}"


def _place(frame: Frame) -> tuple[int, ...]:
    return tuple(np.rint(frame.position_mm / _SAME_PLACE_MM).astype(int).tolist())


def _source(stack: list[_Placed], number: int) -> SourceSeries:
    normal = np.cross(*stack[0].frame.orientation.reshape(2, 3))
    along_mm = np.array([np.dot(normal, one.frame.position_mm) for one in stack])
    order, step_mm = slice_order(along_mm, _name(stack))
    thickness_mm = step_mm or float(stack[0].data.get("SliceThickness") or 1.0)
    images = [_image(stack[index].frame, number, place, thickness_mm) for place, index in enumerate(order)]
    return SourceSeries(stack[order[0]].data, images)


def _image(frame: Frame, series: int, place: int, thickness_mm: float) -> ismrmrd.Image:
    """A slice with ISMRMRD's position, which is that of pixel n // 2 (see gadgets.exchange.planes)."""
    rows, columns = frame.voxels.shape
    dy, dx = frame.spacing_mm
    row, column = frame.orientation.reshape(2, 3)
    centre = frame.position_mm + row * dx * (columns // 2) + column * dy * (rows // 2)
    image = ismrmrd.Image.from_array(np.ascontiguousarray(frame.voxels), transpose=False)
    head: Any = image.getHead()
    head.image_type, head.image_series_index = ismrmrd.IMTYPE_MAGNITUDE, series
    head.slice, head.image_index = place, place + 1
    head.position[:], head.field_of_view[:] = centre.tolist(), (columns * dx, rows * dy, thickness_mm)
    head.read_dir[:], head.phase_dir[:] = row.tolist(), column.tolist()
    head.slice_dir[:] = np.cross(row, column).tolist()
    image.setHead(head)
    image.meta = {"DataRole": "Image"}
    return image
