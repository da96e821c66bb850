"""One DICOM object as frames: voxels in their unit, and where each lies; classic and enhanced multi-frame alike."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nets.data.formats.errors import VolumeError, check_expansion

log = logging.getLogger(__name__)

_TAKEN = "classic single-frame and enhanced multi-frame images with orientation and position are read"

_NO_MAGNITUDE = {"P", "PHASE", "PHASE MAP", "R", "REAL", "I", "IMAGINARY"}
"""Words in Image Type by which vendors mark what is no magnitude."""

_TOLD_APART = {
    "EchoTime": ("MREchoSequence", "EffectiveEchoTime"),
    "EchoNumbers": ("", "EchoNumbers"),
    "InversionTime": ("", "InversionTime"),
    "TriggerTime": ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime"),
    "TemporalPositionIdentifier": ("FrameContentSequence", "TemporalPositionIndex"),
    "DiffusionBValue": ("MRDiffusionSequence", "DiffusionBValue"),
    "AcquisitionNumber": ("FrameContentSequence", "FrameAcquisitionNumber"),
}
"""What frames at one place may differ in: attribute of classic images; group and attribute of enhanced ones."""


@dataclass(frozen=True)
class Frame:
    """A slice.

    Attributes
    ----------
    voxels : (y, x) float32
        With the modality transform (rescale) applied.
    orientation : (6,) float
        Direction cosines of rows (x) and columns (y).
    position_mm : (3,) float
        Of the first voxel.
    spacing_mm : tuple of float
        Pixel spacing; empty where it is missing.
    labels : dict of str to str
        Echo time and the like: what may differ between slices at one place.
    """

    voxels: NDArray[np.float32]
    orientation: NDArray
    position_mm: NDArray
    spacing_mm: tuple[float, ...]
    labels: Mapping[str, str]


def frames_of(data: Any, name: str) -> list[Frame]:
    """Take the frames out of a DICOM object.

    Real World Value Mappings are not applied: they are in units that a magnitude image of MRI does not have.

    Parameters
    ----------
    data : pydicom.Dataset
    name : str
        Of the file within its folder, for errors.

    Returns
    -------
    list of Frame

    Raises
    ------
    VolumeError
        If it is in colour, inverted, no magnitude, compressed in a way that nothing here understands, or does not say
        where its frames lie.
    """
    _check_kind(data, name)
    shape = int(data.get("NumberOfFrames") or 1), int(data.Rows), int(data.Columns)
    stored = sum(len(data[part].value) for part in _PIXELS if part in data)
    check_expansion(name, int(np.prod(shape)) * int(data.BitsAllocated) // 8, stored)
    if "RealWorldValueMappingSequence" in data:
        log.info("%s: its Real World Value Mapping is not applied, its rescale is", name)
    groups = [_Groups(data, number, name) for number in range(shape[0])]
    for group in groups:
        _check_component(group, name)
    pixels = data.pixel_array.reshape(shape)
    return [_frame(group, plane, name) for group, plane in zip(groups, pixels, strict=True)]


_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def has_pixels(data: Any) -> bool:
    """Whether a DICOM object holds an image; structured reports, presentation states and directories do not."""
    return any(part in data for part in _PIXELS)


class _Groups:
    """Looks an attribute of a frame up: in its own functional group, in the shared one, or in the object itself."""

    def __init__(self, data: Any, number: int, name: str) -> None:
        each, shared = (data.get(f"{kind}FunctionalGroupsSequence") for kind in ("PerFrame", "Shared"))
        if each and number >= len(each):
            raise VolumeError(f"{name} has more frames than entries that say where they lie; export it again")
        self.data = data
        self._groups = ([each[number]] if each else []) + ([shared[0]] if shared else [])

    def find(self, sequence: str, keyword: str) -> Any:
        """The value, or None."""
        items = [group.get(sequence) for group in self._groups] if sequence else []
        for holder in [item[0] for item in items if item] + [self.data]:
            value = holder.get(keyword)
            if value is not None and value != "":
                return value
        return None

    def holder(self, sequence: str) -> Any:
        """The item of a functional group, or the object itself."""
        items = [group.get(sequence) for group in self._groups]
        return next((item[0] for item in items if item), self.data)


def _frame(groups: _Groups, plane: NDArray, name: str) -> Frame:
    orientation = groups.find("PlaneOrientationSequence", "ImageOrientationPatient")
    position = groups.find("PlanePositionSequence", "ImagePositionPatient")
    if orientation is None or position is None:
        lacking = "orientation" if orientation is None else "position"
        raise VolumeError(f"{name} does not give the {lacking} of its frames; {_TAKEN}")
    cosines, place = np.array(orientation, dtype=float), np.array(position, dtype=float)
    if cosines.shape != (6,) or place.shape != (3,) or not _is_orthonormal(cosines) or not np.isfinite(place).all():
        raise VolumeError(f"{name} has no possible orientation or position of its frames; {_TAKEN}")
    labels = {}
    for classic, (sequence, keyword) in _TOLD_APART.items():
        value = groups.find(sequence, keyword)
        labels[classic] = str(groups.data.get(classic) if value is None else value)
    spacing = groups.find("PixelMeasuresSequence", "PixelSpacing") or ()
    return Frame(_rescaled(groups, plane, name), cosines, place, tuple(map(float, spacing)), labels)


def _is_orthonormal(cosines: NDArray) -> bool:
    """Whether rows and columns are unit vectors at right angles, to the few decimals that are written."""
    pair = cosines.reshape(2, 3)
    return bool(np.allclose(pair @ pair.T, np.eye(2), atol=1e-2))


def _rescaled(groups: _Groups, plane: NDArray, name: str) -> NDArray[np.float32]:
    """Apply the modality transform of a frame: DICOM PS3.3 C.11.1."""
    from pydicom.pixels import apply_modality_lut

    transform = groups.holder("PixelValueTransformationSequence")
    if transform.get("ModalityLUTSequence"):
        return np.asarray(apply_modality_lut(plane, transform), dtype=np.float32)
    slope, intercept = transform.get("RescaleSlope"), transform.get("RescaleIntercept")
    scale = 1.0 if slope is None else float(slope)
    if not scale or not np.isfinite(scale):
        raise VolumeError(f"{name} has the rescale slope {scale:g}; export it again")
    scaled = plane * scale + (0.0 if intercept is None else float(intercept))
    return scaled.astype(np.float32)


def _check_kind(data: Any, name: str) -> None:
    """Refuse what is no picture of one magnitude per voxel, before its pixels are decoded."""
    from pydicom.pixels import get_decoder

    photometric = str(data.get("PhotometricInterpretation", ""))
    if int(data.get("SamplesPerPixel", 1)) != 1 or photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise VolumeError(f"{name} is in colour ({photometric or 'of an unknown kind'}); give monochrome images")
    if photometric == "MONOCHROME1":
        raise VolumeError(f"{name} is inverted (MONOCHROME1: low values are bright); export it as MONOCHROME2")
    syntax = data.file_meta.get("TransferSyntaxUID")
    if syntax is None or not syntax.is_transfer_syntax or not syntax.is_encapsulated:
        return
    try:
        readable = get_decoder(syntax).is_available
    except NotImplementedError:
        readable = False
    if not readable:
        raise VolumeError(
            f"{name} is compressed ({syntax.name}) and no decoder for that is installed; decompress it, as with "
            "gdcmconv --raw, or install pylibjpeg with its plugins"
        )


def _check_component(groups: _Groups, name: str) -> None:
    component = groups.find("MRImageFrameTypeSequence", "ComplexImageComponent")
    given = groups.data.get("ImageType") or ()
    words = {str(word).upper() for word in ([] if isinstance(given, str) else list(given)[2:])}
    marked = words & _NO_MAGNITUDE and not words & {"M", "MAGNITUDE"}
    if marked or (component is not None and component != "MAGNITUDE"):
        kind = component or "/".join(sorted(words & _NO_MAGNITUDE))
        raise VolumeError(f"{name} is no magnitude image but {kind}; give the magnitudes alone")
