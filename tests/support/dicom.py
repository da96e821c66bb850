"""DICOM files for tests: classic slices, and enhanced multi-frame objects."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
Change = Callable[[Any, int], object]


def nothing(data: Any, number: int) -> None:
    """Leave a slice as it is."""


def dicom_object(pixels: np.ndarray, number: int, storage: str = MRImageStorage) -> FileDataset:
    """An image without orientation and position; numbers tell instances apart."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, storage
    meta.MediaStorageSOPInstanceUID = f"1.2.826.7.{number + 1}"
    data = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    data.SOPClassUID, data.SOPInstanceUID = storage, meta.MediaStorageSOPInstanceUID
    data.PatientName, data.PatientID = "SECRET^NAME", "SECRET-ID"
    data.SeriesInstanceUID, data.Rows, data.Columns = "1.2.826.7", *pixels.shape[-2:]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    bits = 8 * pixels.dtype.itemsize
    data.BitsAllocated, data.BitsStored, data.HighBit = bits, bits, bits - 1
    data.PixelRepresentation = int(pixels.dtype.kind == "i")
    data.PixelData = np.ascontiguousarray(pixels).astype(pixels.dtype.newbyteorder("<")).tobytes()
    if len(data.PixelData) % 2:
        data.PixelData += b"\0"
    return data


def place(number: int, orientation: tuple[float, ...] = AXIAL, step_mm: float = 2.0) -> list[float]:
    """Position of a slice along the normal."""
    normal = np.cross(orientation[:3], orientation[3:])
    return [round(float(value), 6) for value in np.array([5.0, -20.0, 31.0]) + step_mm * number * normal]


def write_slices(
    folder: Path,
    volume: np.ndarray,
    change: Change = nothing,
    orientation: tuple[float, ...] = AXIAL,
    order: list[int] | None = None,
) -> Path:
    """Classic single-frame files; ``order`` gives the slice of each file."""
    folder.mkdir(exist_ok=True)
    for file_number, number in enumerate(range(len(volume)) if order is None else order):
        data = dicom_object(volume[number], number)
        data.ImageOrientationPatient, data.ImagePositionPatient = list(orientation), place(number, orientation)
        data.PixelSpacing = [1.5, 1.25]
        change(data, number)
        data.save_as(folder / f"{file_number:03d}.dcm", enforce_file_format=True)
    return folder


def item(**values: Any) -> Sequence:
    """A sequence of one item."""
    entry = Dataset()
    for name, value in values.items():
        setattr(entry, name, value)
    return Sequence([entry])


def enhanced_object(volume: np.ndarray, slopes: list[tuple[float, float]], shared: bool = True) -> FileDataset:
    """A multi-frame object: orientation shared or per frame, rescale (slope, intercept) per frame."""
    data = dicom_object(volume, 0, EnhancedMRImageStorage)
    data.NumberOfFrames = len(volume)
    orientation = item(ImageOrientationPatient=list(AXIAL))
    data.SharedFunctionalGroupsSequence = item(PixelMeasuresSequence=item(PixelSpacing=[1.5, 1.25]))
    if shared:
        data.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence = orientation
    frames = []
    for number, (slope, intercept) in enumerate(slopes):
        frame = Dataset()
        frame.PlanePositionSequence = item(ImagePositionPatient=place(number))
        frame.PixelValueTransformationSequence = item(RescaleSlope=slope, RescaleIntercept=intercept, RescaleType="US")
        if not shared:
            frame.PlaneOrientationSequence = orientation
        frames.append(frame)
    data.PerFrameFunctionalGroupsSequence = Sequence(frames)
    return data
