"""A folder of DICOM files of one series as an array, by pydicom."""

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nets.data.formats.dicom_frames import Frame, frames_of, has_pixels
from nets.data.formats.errors import VolumeError, read_errors
from nets.data.formats.slice_order import are_doubled, check_directions, slice_order

log = logging.getLogger(__name__)

# Pixel spacings of one series agree to this share.
_SAME_SPACING = 1e-3


def read_dicom(folder: Path) -> NDArray[np.float32]:
    """Read a folder of DICOM files of one series: classic slices, or enhanced multi-frame objects.

    The slices are put in order along their normal, whatever the names of the files. Errors name files by their names
    within the folder, and nothing that tells who was scanned.

    Parameters
    ----------
    folder : Path
        Files that are no DICOM, and DICOM files without an image, are passed over.

    Returns
    -------
    (z, y, x) float32
        x along the rows.

    Raises
    ------
    VolumeError
        If pydicom is missing; a file is damaged, or not one that is read; or the files do not make one volume.
    """
    try:
        import pydicom  # noqa: F401 - the check is all
    except ImportError as error:
        raise VolumeError("DICOM files need pydicom: pip install 'malibu[train]'") from error
    with warnings.catch_warnings(), read_errors(folder.name, "a folder of DICOM files"):
        warnings.simplefilter("ignore")  # pydicom's warnings quote values of the files
        frames = _frames(folder)
        return _stacked(frames, folder.name)


def _frames(folder: Path) -> list[Frame]:
    import pydicom

    entries = sorted(folder.iterdir())
    paths = [path for path in entries if path.is_file() and pydicom.misc.is_dicom(path)]
    frames, seen, series, empty = list[Frame](), dict[str, str](), set[str](), 0
    for path in paths:
        with read_errors(path.name, "a DICOM file"):
            data = pydicom.dcmread(path)
            if not has_pixels(data):
                empty += 1
                continue
            _check_once(data, path.name, seen)
            series.add(str(data.get("SeriesInstanceUID", "")))
            if len(series) > 1:
                raise VolumeError(f"{folder.name} holds several DICOM series; give one folder for each")
            if not frames and data.get("InPlanePhaseEncodingDirection") == "ROW":
                log.warning("%s: x is taken for the readout, but was phase-encoded; nothing is turned", folder.name)
            frames += frames_of(data, path.name)
    passed = f"{len(entries) - len(paths)} entries that are no DICOM files, {empty} DICOM files without an image"
    if not frames:
        raise VolumeError(f"{folder.name} holds no DICOM files with images ({passed}); give the folder of one series")
    if len(entries) > len(paths) or empty:
        log.info("%s: passed over %s", folder.name, passed)
    return frames


def _check_once(data: Any, name: str, seen: dict[str, str]) -> None:
    uid = str(data.get("SOPInstanceUID", ""))
    if uid and uid in seen:
        raise VolumeError(f"{seen[uid]} and {name} are the same image (SOP Instance UID); keep one of them")
    seen[uid] = name


def _stacked(frames: list[Frame], name: str) -> NDArray[np.float32]:
    sizes = sorted({frame.voxels.shape for frame in frames})
    if len(sizes) > 1:
        raise VolumeError(f"{name} mixes matrix sizes {sizes} (rows, columns); give one folder for each")
    orientations = np.array([frame.orientation for frame in frames])
    check_directions(orientations, name)
    spacings = np.array([frame.spacing_mm for frame in frames if len(frame.spacing_mm) == 2])
    if len(spacings) and np.ptp(spacings, axis=0).max() > _SAME_SPACING * spacings.max():
        raise VolumeError(f"{name} mixes pixel spacings; give one folder for each")
    normal = np.cross(orientations[0, :3], orientations[0, 3:])
    along_mm = np.array([np.dot(normal, frame.position_mm) for frame in frames])
    if are_doubled(along_mm):
        raise VolumeError(f"{name} holds several images at one position{_difference(frames)}; give one folder for each")
    order, _ = slice_order(along_mm, name)
    return np.stack([frames[index].voxels for index in order])


def _difference(frames: list[Frame]) -> str:
    """What tells frames at one place apart, if anything does."""
    for label in frames[0].labels:
        values = sorted({frame.labels[label] for frame in frames})
        if 1 < len(values) < len(frames):
            shown = ", ".join(values[:4]) + (", ..." if len(values) > 4 else "")
            return f", told apart by {label} ({shown})"
    return ""
