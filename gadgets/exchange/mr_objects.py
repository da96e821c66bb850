"""Planes as classic MR Image objects (DICOM PS3.3 A.4), which every viewer and archive takes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import ismrmrd
import numpy as np
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sr.coding import Code
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage

from gadgets import RESEARCH_LABEL, __version__
from gadgets.exchange.planes import Plane, PlaneSeries, is_3d, number, words
from gadgets.exchange.quantities import coded, quantity_of, real_world_value_mapping
from gadgets.exchange.stored_values import StoredValues, decimal, real_values, stored_values, window
from gadgets.exchange.study import OF_THE_SEQUENCE, OWN_SERIES_FROM, copied
from gadgets.exchange.uids import content_key, uid
from gadgets.image_tasks.sent_series import TASKS

_COMPONENTS = {
    ismrmrd.IMTYPE_PHASE: "P",
    ismrmrd.IMTYPE_REAL: "R",
    ismrmrd.IMTYPE_IMAG: "I",
}
"""Fourth value of Image Type, by which vendors tell these from magnitudes (M)."""

_OF_IMAGES = {"super-resolution", *TASKS}
"""What MalibuReconstruction says of images that were made from others: restored, enhanced, quantified, outlined."""

_STATISTIC = "SD"
"""Second word of the DataRole of standard deviations over images."""

_TOLD = {
    "MalibuVersion": "malibu",
    "MalibuReconstruction": "reconstruction",
    "MalibuTemporalModel": "temporal model",
    "MalibuNetwork": "network",
    "MalibuWeightsSha256": "weights SHA-256",
    "MalibuAcceleration": "acceleration",
    "MalibuPixelUnit": "pixel unit",
    "MalibuGeneratedDetail": "",
}
"""What of the Meta stands in Derivation Description; never what a person or a scanner wrote."""


_PROCESSING = Code("109102", "DCM", "Processing Equipment")


@dataclass(frozen=True)
class Belonging:
    """To which patient, study and scanner objects belong.

    Attributes
    ----------
    shared : pydicom.Dataset
        Attributes that every object gets.
    header : ismrmrd.xsd.ismrmrdHeader
        Times and field strength, where the Meta and the template do not say them.
    template : pydicom.Dataset or None
        Object of the same sequence, for restored volumes.
    beside_others : bool
        Whether the study has series of its scanner.
    """

    shared: Dataset
    header: ismrmrd.xsd.ismrmrdHeader
    template: Dataset | None = None
    beside_others: bool = False


def series_uid(series: PlaneSeries, shared: Dataset) -> str:
    """UID of a series: that of its content, in this study of this patient."""
    return uid(shared.StudyInstanceUID, shared.get("PatientID", ""), content_key(series), "series")


def mr_objects(series: PlaneSeries, belonging: Belonging) -> Iterator[FileDataset]:
    """Make the objects of a series, in the order of their Instance Numbers.

    Parameters
    ----------
    series : PlaneSeries
    belonging : Belonging

    Yields
    ------
    pydicom.dataset.FileDataset
    """
    values, stored = real_values(series), stored_values(series)
    centre, width = window(series, values)
    own_uid = series_uid(series, belonging.shared)
    for index, (plane, pixels) in enumerate(zip(series.planes, stored.pixels, strict=True)):
        data = _object(uid(own_uid, index + 1, "image"))
        data.update(belonging.shared)
        _equipment(data, belonging.header)
        _sequence(data, plane, belonging)
        _series(data, series, belonging, own_uid)
        data.InstanceNumber = index + 1
        _image(data, plane, series)
        _times(data, plane, series)
        _place(data, plane, series)
        _pixels(data, pixels, stored)
        _shown(data, series, stored, centre, width)
        yield data


def _object(own_uid: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MRImageStorage, UID(own_uid)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    data.SOPClassUID, data.SOPInstanceUID = MRImageStorage, own_uid
    return data


def _equipment(data: Dataset, header: Any) -> None:
    """Scanner, where the template does not name it; and what made the images of its data."""
    system, conditions = header.acquisitionSystemInformation, header.experimentalConditions
    field_t = getattr(system, "systemFieldStrength_T", None)
    stated = {
        "Manufacturer": getattr(system, "systemVendor", None) or "",
        "ManufacturerModelName": getattr(system, "systemModel", None),
        "MagneticFieldStrength": decimal(field_t) if field_t else None,
        "ImagingFrequency": decimal(conditions.H1resonanceFrequency_Hz / 1e6)
        if getattr(conditions, "H1resonanceFrequency_Hz", 0)
        else None,
        "PatientPosition": getattr(getattr(header.measurementInformation, "patientPosition", None), "value", None),
    }
    for name, value in stated.items():
        if value is not None and not data.get(name):
            setattr(data, name, value)
    for name in ("PositionReferenceIndicator", "PatientPosition"):
        if name not in data:
            setattr(data, name, None)
    if not data.get("BodyPartExamined") and "Laterality" not in data:
        data.Laterality = None  # left out only where the body part is known to be unpaired (PS3.3 C.7.3.1)
    maker = Dataset()
    maker.Manufacturer, maker.ManufacturerModelName, maker.SoftwareVersions = "malibu", "malibu", __version__
    maker.ContributionDescription = RESEARCH_LABEL
    maker.PurposeOfReferenceCodeSequence = [coded(_PROCESSING)]
    data.ContributingEquipmentSequence = [maker]


def _sequence(data: Dataset, plane: Plane, belonging: Belonging) -> None:
    """What was played out: by the template, else by the Meta, else by the header."""
    if belonging.template is not None:
        _sequence_of(data, belonging.template)
        return
    header, meta = belonging.header, plane.meta
    sequence, encoding = header.sequenceParameters, header.encoding[0] if header.encoding else None
    is_gradient_echo = "MalibuTemporalModel" in meta  # Multitasking is a train of gradient echoes
    has_inversion = is_gradient_echo and ("InversionTime" in meta or bool(sequence and sequence.TI))
    data.ScanningSequence = ["GR", "IR"] if has_inversion else "GR" if is_gradient_echo else "RM"
    data.SequenceVariant = "MP" if has_inversion else "NONE"
    data.ScanOptions = None
    data.MRAcquisitionType = "3D" if is_3d(header) else "2D"
    data.RepetitionTime = _decimal(number(meta, "RepetitionTimeMs"), sequence and sequence.TR)
    data.EchoTime = _decimal(number(meta, "EchoTime"), sequence and sequence.TE)
    data.EchoTrainLength = getattr(encoding, "echoTrainLength", None)
    if has_inversion:
        data.InversionTime = _decimal(number(meta, "InversionTime"))
    flip_deg = _decimal(number(meta, "FlipAngleDeg"), sequence and sequence.flipAngle_deg)
    if flip_deg:
        data.FlipAngle = flip_deg


_OF_MR_IMAGES: dict[str, str | None] = {
    "ScanningSequence": "RM",
    "SequenceVariant": "NONE",
    "ScanOptions": None,
    "MRAcquisitionType": None,
    "RepetitionTime": None,
    "EchoTime": None,
    "EchoTrainLength": None,
}
"""Attributes that an MR Image has, and what stands where nothing is known: a research sequence, or nothing."""


def _sequence_of(data: Dataset, template: Dataset) -> None:
    """Take over how a restored volume was measured; a trigger time goes with gating alone (PS3.3 C.8.3.1)."""
    data.update(copied(template, OF_THE_SEQUENCE))
    for name, unknown in _OF_MR_IMAGES.items():
        if not data.get(name):
            setattr(data, name, unknown)
    if "CG" not in words(data.ScanOptions) and "TriggerTime" in data:
        del data.TriggerTime


def _decimal(value: float | None, others: Sequence[float] | None = None) -> str | None:
    found = value if value is not None else next(iter(others or ()), None)
    return None if found is None else decimal(float(found))


def _series(data: Dataset, series: PlaneSeries, belonging: Belonging, own_uid: str) -> None:
    data.Modality = "MR"
    data.SeriesInstanceUID = own_uid
    data.SeriesNumber = series.number + (OWN_SERIES_FROM if belonging.beside_others else 0)
    data.SeriesDescription = f"RESEARCH {description(series)}"[:64]


def description(series: PlaneSeries) -> str:
    """What the series is, in malibu's words; texts of other senders may name the patient and are not repeated."""
    meta = series.planes[0].meta
    if "MalibuVersion" not in meta or "SeriesDescription" not in meta:
        return f"series {series.number}"
    return _ascii(words(meta["SeriesDescription"])[0])


def _ascii(text: str) -> str:
    """Text for any character set of a template."""
    return text.encode("ascii", "replace").decode().replace("\\", "/")


def _image(data: Dataset, plane: Plane, series: PlaneSeries) -> None:
    quantity = quantity_of(series)
    component = _COMPONENTS.get(plane.image_type, "M")
    if quantity:
        data.ImageType = ["DERIVED", "PRIMARY", quantity.image_type, quantity.role]
    elif _is_derived(plane):
        data.ImageType = ["DERIVED", "SECONDARY", "OTHER", component]
    else:
        data.ImageType = ["ORIGINAL", "PRIMARY", "OTHER", component]
    data.ContentDate = data.ContentTime = None
    frame_ms = number(plane.meta, "FrameTimeMs")
    at = [f"{frame_ms:g} ms after the first readout"] if frame_ms is not None else []
    data.ImageComments = ", ".join([RESEARCH_LABEL, description(series), *at])
    told = {said: words(plane.meta[name])[0] for name, said in _TOLD.items() if name in plane.meta}
    parts = [f"{said} {value}".strip() for said, value in told.items()]
    data.DerivationDescription = _ascii("; ".join([RESEARCH_LABEL, *parts]))[:1024]


def _is_derived(plane: Plane) -> bool:
    """Whether the pixels are computed from those of other images, not from measured data (PS3.3 C.7.6.1.1.2)."""
    made = str(plane.meta.get("MalibuReconstruction", ""))
    return made in _OF_IMAGES or _STATISTIC in words(plane.meta.get("DataRole", ""))[1:]


def _times(data: Dataset, plane: Plane, series: PlaneSeries) -> None:
    """Numbers of frames, and the time in the heartbeat where the frame is gated."""
    if series.frames > 1:
        data.TemporalPositionIdentifier = plane.frame_number + 1
        data.NumberOfTemporalPositions = series.frames
    phase_ms, rate = number(plane.meta, "CardiacPhaseMs"), number(plane.meta, "MalibuHeartRatePerMinute")
    if phase_ms is None:
        return
    data.ScanOptions = "CG"
    data.TriggerTime = decimal(phase_ms)
    if rate:
        data.HeartRate = round(rate)
        data.NominalInterval = round(60_000 / rate)
    phases = {number(other.meta, "CardiacPhaseMs") for other in series.planes}
    if len(phases) > 1:  # a T1 recovery is gated too, at one phase of the heart
        data.CardiacNumberOfImages = len(phases)


def _place(data: Dataset, plane: Plane, series: PlaneSeries) -> None:
    data.SliceThickness = decimal(plane.thickness_mm)
    if series.step_mm is not None:
        data.SpacingBetweenSlices = decimal(series.step_mm)
    data.ImagePositionPatient = [decimal(round(value, 6)) for value in plane.first_pixel_mm]
    data.ImageOrientationPatient = [decimal(value) for value in (*plane.row_dir, *plane.column_dir)]
    data.SliceLocation = decimal(round(float(np.dot(plane.normal, plane.first_pixel_mm)), 6))
    data.PixelSpacing = [decimal(value) for value in plane.spacing_mm]


def _pixels(data: Dataset, pixels: np.ndarray, stored: StoredValues) -> None:
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns = pixels.shape
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
    data.PixelRepresentation = int(stored.is_signed)
    voxels = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).tobytes()
    data["PixelData"] = DataElement("PixelData", "OW", voxels)


def _shown(data: Dataset, series: PlaneSeries, stored: StoredValues, centre: float, width: float) -> None:
    quantity = quantity_of(series)
    data.RescaleSlope, data.RescaleIntercept = decimal(stored.slope), decimal(stored.intercept)
    data.RescaleType = quantity.unit if quantity else "US"
    data.WindowCenter, data.WindowWidth = decimal(centre), decimal(width)
    if width < 1:
        data.VOILUTFunction = "LINEAR_EXACT"  # LINEAR, the default, takes no width below 1 (PS3.3 C.11.2.1.2)
    if quantity:
        data.RealWorldValueMappingSequence = [real_world_value_mapping(quantity, stored)]
