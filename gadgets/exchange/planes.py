"""Images of ISMRMRD as planes in the patient: what DICOM and NIfTI have in common."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import ismrmrd
import numpy as np
from numpy.typing import NDArray

from gadgets.mrd.headers.places import oriented
from recon.errors import DataError

log = logging.getLogger(__name__)

NO_PICTURES = {
    "SpatialFactor": "complex basis maps",
    "TemporalBasis": "the temporal basis",
    "TemporalFactor": "factors of the temporal tensor",
    "Gating": "gating, a table",
}
"""Data roles of series that are arrays, not pictures."""

_SAME_PLACE_MM = 1e-3
"""Positions are float32 millimetres: planes that are nearer than this lie at one place."""

_SAME_DIRECTION = 1e-4
"""Direction cosines are float32; planes that differ by less are parallel."""

_EVEN_SPACING = 0.02
"""Distances of slices that differ by less than this share from their mean make an even stack."""


@dataclass(frozen=True)
class Plane:
    """One 2-D image in the patient.

    Attributes
    ----------
    pixels : (y, x) array
        Of the type that came; x runs along ``row_dir``.
    first_pixel_mm : (3,) float64
        Centre of pixel (0, 0) in the patient's coordinates (LPS).
    row_dir, column_dir : (3,) float64
        Unit vectors: from pixel to pixel along a row (x), and along a column (y).
    spacing_mm : (2,) tuple of float
        Distance of the rows (y), and of the columns (x).
    thickness_mm : float
    meta : mapping of str to object
    image_type : int
        ISMRMRD's.
    slice_counter : int
    slice_number, frame_number : int
        From 0: place along the normal, and which of the images at that place.
    """

    pixels: NDArray
    first_pixel_mm: NDArray
    row_dir: NDArray
    column_dir: NDArray
    spacing_mm: tuple[float, float]
    thickness_mm: float
    meta: Mapping[str, Any]
    image_type: int
    slice_counter: int
    slice_number: int = 0
    frame_number: int = 0

    @property
    def normal(self) -> NDArray:
        """Unit vector of rows × columns."""
        return np.cross(self.row_dir, self.column_dir)


@dataclass(frozen=True)
class PlaneSeries:
    """The planes of one image series.

    Attributes
    ----------
    number : int
        ISMRMRD's series index.
    planes : list of Plane
        Slice after slice along the normal, the frames of each in their order.
    slices, frames : int
        Places; images at each, 0 where that differs.
    step_mm : float or None
        Distance of the slices; None for one slice, and for slices that are no even stack.
    """

    number: int
    planes: list[Plane]
    slices: int
    frames: int
    step_mm: float | None

    @property
    def role(self) -> list[str]:
        """The words of DataRole."""
        return words(self.planes[0].meta.get("DataRole", "Image"))


def words(value: Any) -> list[str]:
    """A Meta entry of one or several values as a list of texts."""
    return [str(word) for word in (value if isinstance(value, list) else [value])]


def number(meta: Mapping[str, Any], *names: str) -> float | None:
    """The first entry of a Meta that is a finite number."""
    for name in names:
        try:
            value = float(words(meta[name])[0])
        except (KeyError, ValueError, IndexError):
            continue
        if np.isfinite(value):
            return value
    return None


def is_3d(header: ismrmrd.xsd.ismrmrdHeader) -> bool:
    """Whether a scan encoded a volume, not slices."""
    return bool(header.encoding) and header.encoding[0].encodedSpace.matrixSize.z > 1


def plane_series(images: Iterable[ismrmrd.Image]) -> list[PlaneSeries]:
    """Sort images into series of planes; what is no picture is left out, with a line in the log.

    Parameters
    ----------
    images : iterable of ismrmrd.Image
        Slices or volumes; they stay as they are.

    Returns
    -------
    list of PlaneSeries
        By their numbers.

    Raises
    ------
    DataError
        If no picture is left, pixels are NaN or Inf, or an image does not say where it lies.
    """
    by_number: dict[int, list[ismrmrd.Image]] = {}
    for image in images:
        by_number.setdefault(int(image.image_series_index), []).append(image)
    found = []
    for index, members in sorted(by_number.items()):
        reason = _no_picture(members)
        if reason:
            log.info("series %d is left out: %s", index, reason)
        else:
            found.append(_series(index, members))
    if not found:
        raise DataError("none of the images is a picture: complex and tabular series have no place in DICOM or NIfTI")
    return found


def _no_picture(images: list[ismrmrd.Image]) -> str:
    first = images[0]
    for role in words(first.meta.get("DataRole", "")):
        if role in NO_PICTURES:
            return f"it holds {NO_PICTURES[role]}"
    if any(np.iscomplexobj(image.data) for image in images):
        return "its pixels are complex; send magnitudes"
    if first.image_type == ismrmrd.IMTYPE_RGB or first.data.shape[0] != 1:
        return "it is in colour, or of several channels"
    return ""


def _series(index: int, images: list[ismrmrd.Image]) -> PlaneSeries:
    ordered = sorted(images, key=lambda image: int(image.image_index))  # stable: senders without counters keep theirs
    planes = [plane for image in ordered for plane in _planes(image, f"series {index}")]
    sizes = sorted({plane.pixels.shape for plane in planes})
    if len(sizes) > 1:
        raise DataError(f"series {index} mixes matrix sizes {sizes} (rows, columns); send one for each series")
    bad = sum(int(np.count_nonzero(~np.isfinite(plane.pixels))) for plane in planes)
    if bad:
        raise DataError(f"series {index} holds {bad} pixels that are NaN or Inf; mend them upstream")
    places = _places(planes)
    if len(places) == 1 and len({plane.slice_counter for plane in planes}) > 1:
        raise DataError(f"series {index} holds several slices at one place: their positions are missing; correct them")
    counts = {len(members) for members in places}
    numbered = [
        replace(plane, slice_number=slice_number, frame_number=frame_number)
        for slice_number, members in enumerate(places)
        for frame_number, plane in enumerate(members)
    ]
    firsts = [members[0] for members in places]
    return PlaneSeries(index, numbered, len(places), counts.pop() if len(counts) == 1 else 0, _even_step_mm(firsts))


def _planes(image: ismrmrd.Image, name: str) -> list[Plane]:
    """Slices of an image.

    Pixel i of n lies at (i - n // 2) spacings from ISMRMRD's position, as the Fourier transform has it.
    """
    head = oriented(ismrmrd.ImageHeader.from_buffer_copy(image.getHead()))
    voxels = image.data[0]
    nz, ny, nx = voxels.shape
    x_mm, y_mm, z_mm = (float(size) for size in head.field_of_view)
    if not (np.isfinite([x_mm, y_mm, z_mm]).all() and x_mm > 0 and y_mm > 0 and z_mm >= 0):
        raise DataError(f"{name} has a field of view of {x_mm:g}x{y_mm:g}x{z_mm:g} mm; correct the sender")
    row_dir, column_dir = _orthonormal(head)
    dx, dy, dz = x_mm / nx, y_mm / ny, z_mm / nz
    corner = np.array(head.position[:], dtype=float) - row_dir * dx * (nx // 2) - column_dir * dy * (ny // 2)
    along_mm = (np.arange(nz) - nz // 2) * dz
    slice_dir = np.array(head.slice_dir[:], dtype=float)
    slice_dir /= np.linalg.norm(slice_dir)
    return [
        Plane(
            np.ascontiguousarray(voxels[k]),
            corner + along_mm[k] * slice_dir,
            row_dir,
            column_dir,
            (dy, dx),
            dz,
            dict(image.meta),
            int(head.image_type),
            int(head.slice) if nz == 1 else k,
        )
        for k in range(nz)
    ]


def _orthonormal(head: ismrmrd.ImageHeader) -> tuple[NDArray, NDArray]:
    """Directions of rows and columns, exactly at right angles: readers of DICOM refuse rounded ones."""
    row_dir, column_dir = (np.array(vector[:], dtype=float) for vector in (head.read_dir, head.phase_dir))
    row_dir /= np.linalg.norm(row_dir)
    column_dir -= np.dot(column_dir, row_dir) * row_dir
    return row_dir, column_dir / np.linalg.norm(column_dir)


def _places(planes: list[Plane]) -> list[list[Plane]]:
    """Planes of each place: along the normal where all are parallel, else in the order in which they came."""
    where = np.array([(*plane.first_pixel_mm, *plane.row_dir, *plane.column_dir) for plane in planes])
    tolerance = np.array([_SAME_PLACE_MM] * 3 + [_SAME_DIRECTION] * 6)
    left, places = np.arange(len(planes)), list[list[Plane]]()
    while len(left):
        is_here = (np.abs(where[left] - where[left[0]]) < tolerance).all(axis=1)
        places.append([planes[index] for index in left[is_here]])
        left = left[~is_here]
    if _are_parallel([members[0] for members in places]):
        normal = planes[0].normal
        places.sort(key=lambda members: float(np.dot(normal, members[0].first_pixel_mm)))
    return places


def _are_parallel(planes: list[Plane]) -> bool:
    rows = np.array([(*plane.row_dir, *plane.column_dir) for plane in planes])
    return bool(np.abs(rows - rows[0]).max() < _SAME_DIRECTION)


def _even_step_mm(firsts: list[Plane]) -> float | None:
    """Distance of slices whose first pixels lie evenly on one line along the normal."""
    if len(firsts) < 2 or not _are_parallel(firsts):
        return None
    steps = np.diff([plane.first_pixel_mm for plane in firsts], axis=0)
    along = steps @ firsts[0].normal
    aside = np.abs(steps - along[:, None] * firsts[0].normal).max()
    mean = float(along.mean())
    even = np.abs(along - mean).max() <= max(_EVEN_SPACING * mean, _SAME_PLACE_MM)
    return mean if even and aside <= max(_EVEN_SPACING * mean, _SAME_PLACE_MM) else None
