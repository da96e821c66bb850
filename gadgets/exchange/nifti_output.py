"""Images as NIfTI-1 files, with the voxel order and affine that dcm2niix gives for the same images as DICOM."""

import gzip
import logging
from collections.abc import Iterable
from pathlib import Path

import ismrmrd
import numpy as np
from numpy.typing import NDArray

from gadgets import RESEARCH_LABEL
from gadgets.exchange.mr_objects import description
from gadgets.exchange.planes import Plane, PlaneSeries, is_3d, number, plane_series
from gadgets.exchange.quantities import quantity_of
from gadgets.exchange.stored_values import real_values, window
from gadgets.files import check_folder, complete_file

log = logging.getLogger(__name__)

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])
"""DICOM's patient coordinates point to left and posterior, those of NIfTI to right and anterior."""

_SCANNER = 1
"""Code of qform and sform: coordinates of the scanner."""

_ESTIMATE = 1001
"""NIfTI's intent code of an estimated parameter."""


def write_nifti(header: ismrmrd.xsd.ismrmrdHeader, images: Iterable[ismrmrd.Image], folder: Path) -> list[Path]:
    """Write each series as a NIfTI-1 file, 4-D where there are frames; slices that are no even stack get one each.

    Parameters
    ----------
    header : ismrmrd.xsd.ismrmrdHeader
        Says whether it was a 3-D scan.
    images : iterable of ismrmrd.Image
    folder : Path
        Files of the same names are replaced.

    Returns
    -------
    list of Path
        ``series005.nii.gz``, or ``series005_slice02.nii.gz``.

    Raises
    ------
    DataError
        If no image is a picture, or one does not say where it lies.
    ScanFileError, OSError
        If it cannot be written.
    """
    series = plane_series(images)
    check_folder(folder)
    paths = []
    for one in series:
        for name, slices in _stacks(one):
            path = folder / f"{name}.nii.gz"
            with complete_file(path) as partial:
                partial.write_bytes(gzip.compress(_nifti(one, slices, is_3d(header)), mtime=0))  # the same bytes again
            paths.append(path)
    return paths


def _stacks(series: PlaneSeries) -> list[tuple[str, list[int]]]:
    """Slice numbers of each file."""
    name, numbers = f"series{series.number:03d}", list(range(series.slices))
    if series.frames and (series.slices == 1 or series.step_mm is not None):
        return [(name, numbers)]
    return [(f"{name}_slice{index + 1:02d}", [index]) for index in numbers]


def _nifti(series: PlaneSeries, slices: list[int], of_volume: bool) -> bytes:
    import nibabel

    quantity = quantity_of(series)
    chosen = [index for index, plane in enumerate(series.planes) if plane.slice_number in slices]
    first = series.planes[chosen[0]]
    step_mm = series.step_mm if len(slices) > 1 and series.step_mm else first.thickness_mm
    values = real_values(series)
    voxels = _voxels([series.planes[index] for index in chosen], [values[index] for index in chosen], len(slices))
    image = nibabel.Nifti1Image(voxels, affine_of(first, step_mm))
    if of_volume and len(slices) > 1 and image.ndim == 3:
        image = nibabel.as_closest_canonical(image)  # as dcm2niix does with 3-D scans, and with nothing else
    image.set_qform(image.affine, _SCANNER)
    image.set_sform(image.affine, _SCANNER)
    head = image.header
    head.set_xyzt_units("mm", "msec")
    head["descrip"] = f"{description(series)}, {RESEARCH_LABEL}".encode("ascii", "replace")[:79]
    if quantity:
        head.set_intent(_ESTIMATE, name=f"{quantity.label} ({quantity.unit})"[:15])
    centre, width = window(series, values)
    head["cal_min"], head["cal_max"] = centre - width / 2, centre + width / 2
    if image.ndim == 4:
        head["pixdim"][4] = _frame_ms([series.planes[index] for index in chosen])
    return bytes(image.to_bytes())


def _voxels(planes: list[Plane], values: list[NDArray], slices: int) -> NDArray:
    """(x, y, z) or (x, y, z, frame): float32, or integers where values are those that came; y runs backwards."""
    integers = all(plane.pixels.dtype in (np.uint16, np.int16) for plane in planes)
    kept = integers and all(np.array_equal(a, b.pixels) for a, b in zip(values, planes, strict=True))
    dtype = planes[0].pixels.dtype if kept else np.dtype(np.float32)
    stack = np.stack(values).astype(dtype).reshape(slices, -1, *values[0].shape)
    voxels = stack[:, :, ::-1].transpose(3, 2, 0, 1)
    return voxels[..., 0] if voxels.shape[3] == 1 else voxels


def affine_of(first: Plane, step_mm: float) -> NDArray[np.float64]:
    """Affine of a stack in NIfTI's coordinates.

    Parameters
    ----------
    first : Plane
        The lowest slice along the normal.
    step_mm : float
        Distance of the slices.

    Returns
    -------
    (4, 4) float64
        From voxel (column, row counted from the last, slice) to mm, right-anterior-superior. dcm2niix turns the rows
        round, so that they run upwards as NIfTI's viewers expect, and lets slices follow rows × columns.
    """
    dy, dx = first.spacing_mm
    last_row_mm = first.first_pixel_mm + first.column_dir * dy * (len(first.pixels) - 1)
    affine = np.eye(4)
    axes = (first.row_dir * dx, -first.column_dir * dy, first.normal * step_mm)
    affine[:3, :3] = _LPS_TO_RAS @ np.stack(axes, axis=1)
    affine[:3, 3] = _LPS_TO_RAS @ last_row_mm
    return affine


def _frame_ms(planes: list[Plane]) -> float:
    """Time from frame to frame where it is known and even; 0, which says nothing, elsewhere."""
    for name in ("CardiacPhaseMs", "FrameTimeMs"):
        known = [number(plane.meta, name) for plane in planes if plane.slice_number == planes[0].slice_number]
        times_ms = [time_ms for time_ms in known if time_ms is not None]
        steps = np.diff(times_ms)
        if len(times_ms) == len(known) > 1 and np.ptp(steps) < 0.01 * abs(steps.mean()):
            return float(steps.mean())
    return 0.0
