"""Simulated volumes with what is true of them, as ISMRMRD files of the slices that a reconstruction upstream sends."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import h5py
import ismrmrd
import numpy as np
from numpy.typing import NDArray

from gadgets import __version__
from gadgets.files import NewHDF5
from gadgets.mrd.files import ImageFile
from gadgets.simulated.radial import truth_path
from recon.simulation.abdomen.organ_labels import ORGANS
from recon.simulation.abdomen.subject import simulate_abdomen
from recon.simulation.perivascular.brain_scan import simulate_perivascular

# Off centre, and differently along each axis, so that a mixed-up axis shows.
_POSITION_MM = (6.0, -11.0, 21.0)
# Images come as uint16, as scanners send them; tissue is about 1, and rounding far below the noise.
_GAIN = 1000.0
_SERIES, _MASK_SERIES = 1, 2

Orientation = Literal["axial", "coronal", "sagittal"]

_AXES: dict[Orientation, tuple[tuple[int, int, int], tuple[int, int, int]]] = {
    "axial": ((0, 1, 2), (1, 1, 1)),
    "coronal": ((1, 0, 2), (1, -1, 1)),
    "sagittal": ((2, 0, 1), (1, -1, 1)),
}
"""By orientation: which of the axes (head, back, left) slices, rows and columns follow, and whether backwards: coronal
and sagittal pictures begin at the head."""

_TO_PATIENT = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
"""Unit vectors to the head, the back and the left in the patient's coordinates (LPS)."""


@dataclass(frozen=True)
class PlacedVolume:
    """A volume as it is sent.

    Attributes
    ----------
    voxels : (z, y, x) uint16
    voxel_mm : (3,) tuple of float
    directions : (3, 3) float64
        Row by row the unit vectors of slices, rows and columns in the patient (LPS).
    """

    voxels: NDArray
    voxel_mm: tuple[float, float, float]
    directions: NDArray


def turned(voxels: NDArray, voxel_mm: tuple[float, float, float], orientation: Orientation = "axial") -> PlacedVolume:
    """Slice a volume whose axes point to the head, the back and the left.

    Parameters
    ----------
    voxels : (z, y, x) array
    voxel_mm : (3,) tuple of float
    orientation : {"axial", "coronal", "sagittal"}

    Returns
    -------
    PlacedVolume
        Of the type that came.
    """
    axes, signs = _AXES[orientation]
    sliced = voxels.transpose(axes)[tuple(slice(None, None, sign) for sign in signs)]
    z, y, x = (voxel_mm[axis] for axis in axes)
    return PlacedVolume(sliced, (z, y, x), _TO_PATIENT[list(axes)] * np.array(signs)[:, None])


def write_perivascular_scan(
    shape: tuple[int, int, int],
    seed: int,
    path: Path,
    with_spaces: bool = True,
    with_mask: bool = False,
    snr: float | None = None,
) -> None:
    """Simulate a T2-weighted brain at 7 T and write its slices, and the truth beside them.

    Parameters
    ----------
    shape : (3,) tuple of int
        (z, y, x) voxels of 0.4 to 0.5 mm, by the seed.
    seed : int
    path : Path
        Image file; the truth goes to ``NAME.truth.h5``: white matter as ``mask``, spaces, and images without noise.
    with_spaces : bool
        Whether there are perivascular spaces.
    with_mask : bool
        Send white matter as a series of its own.
    snr : float, optional
        Of white matter; default: by the seed.

    Raises
    ------
    DataError
        If the volume is too small for a brain.
    """
    subject = simulate_perivascular(shape, seed, with_spaces, snr)
    edges_mm = (subject.voxel_mm,) * 3
    images = [*_slices(turned(_stored(subject.image), edges_mm), _SERIES, {})]
    if with_mask:
        mask = turned(subject.white_matter.astype(np.uint16), edges_mm)
        images += _slices(mask, _MASK_SERIES, {"DataRole": "Mask"})
    _write(path, images, 7.0)
    with NewHDF5(truth_path(path)) as file:
        file["mask"] = subject.white_matter
        for name in ("present", "lookalikes", "clean", "label"):
            file[name] = getattr(subject, name)
        file.attrs.update({"seed": seed, "version": __version__, "voxel_mm": subject.voxel_mm})


def write_abdomen_scan(
    shape: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    seed: int,
    path: Path,
    orientation: Orientation = "axial",
) -> None:
    """Simulate a T1-weighted abdomen and write its slices, and the truth beside them.

    Parameters
    ----------
    shape, spacing_mm : (3,) tuple
        Of the body: (head, back, left).
    seed : int
    path : Path
        Image file; the truth goes to ``NAME.truth.h5``: ``labels`` on the voxels of the images.
    orientation : {"axial", "coronal", "sagittal"}
        Of the slices.
    """
    abdomen = simulate_abdomen(seed, shape, spacing_mm)
    placed = turned(_stored(abdomen.image), spacing_mm, orientation)
    _write(path, list(_slices(placed, _SERIES, {})), 3.0)
    with NewHDF5(truth_path(path)) as file:
        file["labels"] = turned(abdomen.labels, spacing_mm, orientation).voxels
        file["organs"] = np.array(ORGANS, dtype=h5py.string_dtype())
        file.attrs.update({"seed": seed, "version": __version__, "voxel_mm": placed.voxel_mm})


def _stored(image: NDArray) -> NDArray:
    return np.clip(np.rint(_GAIN * image), 0, 65535).astype(np.uint16)


def _slices(placed: PlacedVolume, series: int, meta: dict[str, str]) -> Iterator[ismrmrd.Image]:
    z, y, x = placed.voxels.shape
    dz, dy, dx = placed.voxel_mm
    for place, plane in enumerate(placed.voxels):
        image = ismrmrd.Image.from_array(np.ascontiguousarray(plane), transpose=False)
        head = image.getHead()
        head.field_of_view[:] = (x * dx, y * dy, dz)
        head.position[:] = (np.array(_POSITION_MM) + (place - z // 2) * dz * placed.directions[0]).tolist()
        for name, direction in zip(("slice_dir", "phase_dir", "read_dir"), placed.directions, strict=True):
            getattr(head, name)[:] = direction.tolist()
        head.image_series_index, head.image_index, head.slice = series, place + 1, place
        head.image_type = ismrmrd.IMTYPE_MAGNITUDE
        image.setHead(head)
        if meta:
            image.meta = meta
        yield image


def _write(path: Path, images: list[ismrmrd.Image], field_t: float) -> None:
    with ImageFile(path, ismrmrd.xsd.ToXML(_header(images, field_t)).encode()) as file:
        for image in images:
            file.append(image)


def _header(images: list[ismrmrd.Image], field_t: float) -> ismrmrd.xsd.ismrmrdHeader:
    """ISMRMRD header, without any subject information."""
    xsd, head = ismrmrd.xsd, images[0].getHead()
    x_mm, y_mm, z_mm = (float(size) for size in head.field_of_view)
    rows, columns = images[0].data.shape[-2:]
    space = xsd.encodingSpaceType(
        matrixSize=xsd.matrixSizeType(x=columns, y=rows, z=1),
        fieldOfView_mm=xsd.fieldOfViewMm(x=x_mm, y=y_mm, z=z_mm),
    )
    last = max(image.slice for image in images)
    limits = xsd.encodingLimitsType(slice=xsd.limitType(minimum=0, maximum=last, center=0))
    encoding = xsd.encodingType(
        encodedSpace=space, reconSpace=space, encodingLimits=limits, trajectory=xsd.trajectoryType.CARTESIAN
    )
    return xsd.ismrmrdHeader(
        measurementInformation=xsd.measurementInformationType(patientPosition=xsd.patientPositionType.HFS),
        acquisitionSystemInformation=xsd.acquisitionSystemInformationType(
            systemVendor="malibu simulator", systemModel=__version__, systemFieldStrength_T=field_t
        ),
        experimentalConditions=xsd.experimentalConditionsType(H1resonanceFrequency_Hz=round(field_t * 42_577_478)),
        encoding=[encoding],
    )
