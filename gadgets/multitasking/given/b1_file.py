"""A measured B1 map from a file or the stream, on the pixels of the slice that is reconstructed."""

import logging
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ismrmrd
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, map_coordinates

from gadgets.errors import ParameterError
from gadgets.mrd.files import read_images
from gadgets.multitasking.parameters import MultitaskingParameters
from gadgets.multitasking.series import SERIES
from recon.readouts.geometry import Geometry

log = logging.getLogger(__name__)

# Units by the median of what is not zero: flip angles are 0.2 to 3 of the nominal one.
_UNITS = ((0.2, 3.0, "fractions", 1.0), (20.0, 300.0, "per cent", 0.01), (300.0, 3000.0, "0.1 %", 0.001))
# Distance from the slice in mm beyond which a map is that of another one.
_FARTHEST_MM = 10.0

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True)
class _Map:
    """Voxels, and what takes a place in the patient (LPS, mm) to their indices; None for a map on the slice's grid."""

    values: NDArray
    to_voxel: NDArray | None


def given_b1(
    parameters: MultitaskingParameters,
    number: int,
    geometry: Geometry,
    matrix: int,
    images: Sequence[ismrmrd.Image] = (),
) -> NDArray[np.float32] | None:
    """Read the B1 map that the parameters name, or that came with the scan where they do not say what B1 is.

    Parameters
    ----------
    parameters : MultitaskingParameters
    number : int
        Slice.
    geometry : Geometry
        Of the slice; its field of view is that of the image.
    matrix : int
        N.
    images : sequence of ismrmrd.Image
        B1 maps of the stream, see :func:`is_b1_map`; that of the slice is taken, or the only one.

    Returns
    -------
    (N, N) float32 or None
        The true flip angle over the nominal one; the map is interpolated, and where it is zero, continued.

    Raises
    ------
    ParameterError
        If the map cannot be read, is in no known unit, or does not hold the slice.
    """
    if parameters.b1 in ("estimate", "nominal"):
        if _is_set(parameters, number, bool(images)) or not images:
            return None
        source = "the B1 map of the stream"
        placed = _of_slice(images, number, source)
        log.info("slice %d: B1 is that of the map that came with the scan", number)
        return _on_slice(_in_fractions(placed, source), geometry, matrix, source)
    if "flip_angle_scale" in parameters.model_fields_set:
        raise ParameterError("b1 names a measured map and flip_angle_scale is set; set only one of them")
    path = Path(parameters.b1)
    read = {".npy": _from_array, ".h5": _from_images, ".nii": _from_nifti, ".gz": _from_nifti}.get(path.suffix)
    if read is None:
        raise ParameterError(
            f"b1: {path} is neither estimate nor nominal nor a file of a known kind; give .npy, .nii, .nii.gz, or an "
            ".h5 of images"
        )
    if images:
        log.info("slice %d: B1 is that of %s, not of the map that came with the scan", number, path.name)
    return _on_slice(_in_fractions(read(path, number), str(path)), geometry, matrix, str(path))


def is_b1_map(image: ismrmrd.Image) -> bool:
    """Whether the Meta of an image names it a B1 map: ``DataRole`` holds ``B1MAP``, as in malibu's own series."""
    meta = ismrmrd.Meta.deserialize(image.attribute_string) if image.attribute_string else {}
    roles = [meta.get(name, []) for name in ("DataRole", "GADGETRON_DataRole")]
    return any("B1MAP" in ([role] if isinstance(role, str) else role) for role in roles)


def _is_set(parameters: MultitaskingParameters, number: int, came: bool) -> bool:
    """Whether the user said what B1 is: that wins over a map that came, and the log says so."""
    chosen = [name for name in ("flip_angle_scale", "b1") if name in parameters.model_fields_set]
    told = " and ".join(f"{name}={getattr(parameters, name)}" for name in chosen)
    if came and chosen:
        log.info("slice %d: %s is set, and wins over the B1 map that came with the scan", number, told)
    elif "flip_angle_scale" in chosen and parameters.b1 == "estimate":
        log.info("slice %d: %s is set: B1 is estimated relative to that flip angle", number, told)
    elif "flip_angle_scale" in chosen:
        log.info("slice %d: %s is set: it holds everywhere, and B1 is not estimated", number, told)
    return bool(chosen)


def _in_fractions(found: _Map, source: str) -> _Map:
    values = _continued(found.values.astype(np.float64) * _to_fraction(found.values, source))
    return _Map(values, found.to_voxel)


def _to_fraction(values: NDArray, source: str) -> float:
    known = values[np.isfinite(values) & (values != 0)]
    middle = float(np.median(known)) if known.size else 0.0
    for low, high, unit, factor in _UNITS:
        if low <= middle < high:
            log.info("b1: %s is in %s of the nominal flip angle", Path(source).name, unit)
            return factor
    raise ParameterError(
        f"b1: the median of {source} is {middle:.4g}: neither a fraction of the nominal flip angle (1), nor per cent "
        "(100), nor tenths of a per cent (1000)"
    )


def _continued(values: NDArray) -> NDArray:
    """Fill what is not known, zeros and what is no number, with the nearest that is."""
    unknown = ~np.isfinite(values) | (values == 0)
    nearest = distance_transform_edt(unknown, return_distances=False, return_indices=True)
    return values[tuple(nearest)]


def _on_slice(found: _Map, geometry: Geometry, matrix: int, source: str) -> NDArray[np.float32]:
    index = np.arange(matrix) - matrix // 2
    if found.to_voxel is None:
        rows, columns = found.values.shape
        y, x = rows // 2 + index * rows / matrix, columns // 2 + index * columns / matrix
        places = np.stack(np.meshgrid(y, x, indexing="ij"))
        return map_coordinates(found.values, places, order=1, mode="nearest").astype(np.float32)
    read, phase = (np.array(one) for one in (geometry.read_dir, geometry.phase_dir))
    x_mm, y_mm = (index * fov / matrix for fov in geometry.fov_mm[:2])
    # r(y,x) = r_0 + y · phase + x · read
    places_mm = np.array(geometry.position_mm) + y_mm[:, None, None] * phase + x_mm[None, :, None] * read
    places = places_mm @ found.to_voxel[:3, :3].T + found.to_voxel[:3, 3]
    spacing_mm = 1 / np.linalg.norm(found.to_voxel[:3, :3], axis=1)
    # of the slice's centre, where it must lie within the map, or close to it
    centre, size = places[matrix // 2, matrix // 2], np.array(found.values.shape)
    outside_mm = np.maximum(np.maximum(-centre, centre - (size - 1)), 0) * spacing_mm
    if outside_mm.max() > _FARTHEST_MM:
        raise ParameterError(
            f"b1: the slice's centre lies {outside_mm.max():.0f} mm outside of {source}; give the map of this slice"
        )
    return map_coordinates(found.values, np.moveaxis(places, -1, 0), order=1, mode="nearest").astype(np.float32)


def _from_array(path: Path, number: int) -> _Map:
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ParameterError(f"b1: {path} cannot be read: {error}; give a .npy of (rows, columns)") from error
    if not isinstance(values, np.ndarray) or values.ndim not in (2, 3) or np.iscomplexobj(values):
        raise ParameterError(f"b1: {path} must hold one real array of (rows, columns), or (slices, rows, columns)")
    if values.ndim == 3:
        if number >= len(values):
            raise ParameterError(f"b1: {path} holds {len(values)} slices, and none for slice {number}")
        values = values[number]
    return _Map(values, None)


def _from_images(path: Path, number: int) -> _Map:
    series = read_images(path)
    kept = series.get(SERIES["b1_map"].number) or (next(iter(series.values())) if len(series) == 1 else [])
    if not any(one.slice == number for one in kept):
        raise ParameterError(
            f"b1: {path} has no B1 map (series {SERIES['b1_map'].number}, or its only series) of slice {number}"
        )
    return _of_slice(kept, number, str(path))


def _of_slice(images: Sequence[ismrmrd.Image], number: int, source: str) -> _Map:
    """Map of a slice by its number; the only image is of any slice, and where it lies is judged by its position."""
    fitting = [image for image in images if image.slice == number] or (list(images) if len(images) == 1 else [])
    if not fitting:
        raise ParameterError(f"b1: {source} holds {len(images)} slices, and none for slice {number}")
    image = fitting[-1]  # the latest
    return _Map(np.abs(image.data[0]), _voxels_of(image))


def _voxels_of(image: ismrmrd.Image) -> NDArray:
    """LPS mm to (slice, row, column) of an ISMRMRD image, whose position is that of pixel n // 2."""
    head = image.getHead()
    sizes = np.array([head.matrix_size[axis] for axis in (0, 1, 2)])
    steps = np.array([head.field_of_view[axis] for axis in (0, 1, 2)]) / sizes
    axes = np.array([head.read_dir, head.phase_dir, head.slice_dir], dtype=float)
    if np.abs(axes @ axes.T - np.eye(3)).max() > 1e-3:
        raise ParameterError("b1: the image's directions are not those of a slice; give the map as .npy")
    rotation = (axes / steps[:, None])[::-1]
    return _affine(rotation, (sizes // 2)[::-1] - rotation @ np.array(head.position, dtype=float))


def _from_nifti(path: Path, number: int) -> _Map:
    try:
        import nibabel
        from nibabel.filebasedimages import ImageFileError
    except ImportError as error:
        raise ParameterError("b1: NIfTI needs nibabel: pip install nibabel, or give the map as .npy") from error
    try:
        image = nibabel.load(path)
        values = np.asarray(image.get_fdata())
    except (OSError, ValueError, ImageFileError) as error:
        raise ParameterError(f"b1: {path} cannot be read as NIfTI: {error}") from error
    values = values[..., None] if values.ndim == 2 else values
    if values.ndim != 3:
        raise ParameterError(f"b1: {path} has the shape {values.shape}; give one map, of a slice or a volume")
    inverse = np.linalg.inv(image.affine)
    return _Map(values, _affine(inverse[:3, :3] @ _LPS_TO_RAS, inverse[:3, 3]))


def _affine(matrix: NDArray, offset: NDArray) -> NDArray:
    whole = np.eye(4)
    whole[:3, :3], whole[:3, 3] = matrix, offset
    return whole
