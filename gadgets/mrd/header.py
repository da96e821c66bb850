"""What the reconstruction needs of an ISMRMRD header, in named units and without the patient."""

import warnings
from dataclasses import dataclass
from typing import Any

import ismrmrd
import numpy as np

from gadgets.errors import shortened
from gadgets.mrd.headers.numbers import check_numbers
from recon.errors import DataError
from recon.readouts.geometry import Geometry

_FOV_MM = (1.0, 2000.0)
"""From a microscope's coil to two metres: smaller numbers are metres, larger ones micrometres."""

_MATRIX = (8, 2048)
"""Twice the largest matrix that a parameter may set; an image of 4096² takes 6.6 GB of basis maps and more."""


@dataclass(frozen=True)
class ScanHeader:
    """Geometry and timing of a scan.

    Attributes
    ----------
    matrix, encoded_matrix : int
        Image matrix, and encoding matrix (larger by the readout oversampling).
    resolved_matrix : float
        Pixels of the encoded resolution across the image's field of view: the image matrix, unless that is
        interpolated or cut.
    fov_mm : (3,) tuple of float
        Field of view of the image: x, y, slice thickness.
    encoding_space : int
        Index of the encoding that this describes.
    tr_ms, ti_ms, flip_angle_deg : tuple of float
        All values of sequenceParameters; empty where the header has none.
    relative_noise_bandwidth : float
        Noise bandwidth of the receiver; 1 where the header does not say.
    trajectory : str
        The header's name for the trajectory.
    field_t : float or None
        Of the magnet; None where the header does not say.
    """

    matrix: int
    encoded_matrix: int
    resolved_matrix: float
    fov_mm: tuple[float, float, float]
    encoding_space: int
    tr_ms: tuple[float, ...]
    ti_ms: tuple[float, ...]
    flip_angle_deg: tuple[float, ...]
    relative_noise_bandwidth: float
    trajectory: str
    field_t: float | None = None


def parse_header(xml: bytes | str) -> Any:
    """Parse an ISMRMRD header.

    Raises
    ------
    DataError
        If it is not valid XML of an ISMRMRD header, lacks an element that ismrmrd cannot do without, or has text
        where a number belongs.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # xsdata's quote what it does not understand, which may be an identifier
            header = ismrmrd.xsd.CreateFromDocument(xml)
    except TypeError as error:
        missing = str(error).rpartition(":")[2].strip() or str(error)
        raise DataError(
            f"the ISMRMRD header lacks a required element: {shortened(missing)}; add it and try again"
        ) from error
    except Exception as error:
        raise DataError(f"the ISMRMRD header cannot be read: {type(error).__name__}: {shortened(error)}") from error
    if not isinstance(header, ismrmrd.xsd.ismrmrdHeader):
        raise DataError(f"the ISMRMRD header is none: its first element is a {type(header).__name__}")
    check_numbers(header)
    return header


def as_carried(value: float) -> float:
    """A header's number as Gadgetron passes it on: in float32, here by its shortest decimal, so that 3.6 stays 3.6."""
    return float(str(np.float32(value)))


def _all(values: Any) -> tuple[float, ...]:
    return tuple(as_carried(value) for value in values or ())


def read_header(
    header: ismrmrd.xsd.ismrmrdHeader, encoding_space: int | None = None, matrix: int | None = None
) -> ScanHeader:
    """Extract what the reconstruction needs.

    Parameters
    ----------
    header : ismrmrd.xsd.ismrmrdHeader
    encoding_space : int, optional
        Which of the header's encodings; default: the first.
    matrix : int, optional
        Image matrix that was set; default: the header's.

    Returns
    -------
    ScanHeader

    Raises
    ------
    DataError
        If there is no such encoding, or its image is not square in the plane or impossible.
    """
    number = encoding_space or 0
    if not header.encoding:
        raise DataError("the ISMRMRD header has no encoding: matrix and field of view are unknown")
    if number >= len(header.encoding):
        raise DataError(f"the header describes {len(header.encoding)} encoding spaces; encoding_space={number} is none")
    encoding = header.encoding[number]
    recon, encoded = encoding.reconSpace, encoding.encodedSpace
    size, fov_mm = recon.matrixSize, _fov_mm(recon, "reconSpace")
    if abs(fov_mm[0] - fov_mm[1]) > 1e-3 * fov_mm[0] or (matrix is None and size.x != size.y):
        raise DataError(
            f"the reconSpace is {size.x}×{size.y} over {fov_mm[0]:g}×{fov_mm[1]:g} mm; radial reconstruction needs a "
            "square field of view and matrix: correct the header, or set the parameter matrix"
        )
    fits = size.x == size.y and _MATRIX[0] <= size.x <= _MATRIX[1]
    recon_matrix = int(size.x) if fits or matrix is None else matrix
    _check_matrix("reconSpace", recon_matrix)
    _check_matrix("encodedSpace", int(encoded.matrixSize.x))
    sequence, system = header.sequenceParameters, header.acquisitionSystemInformation
    return ScanHeader(
        matrix=recon_matrix,
        encoded_matrix=int(encoded.matrixSize.x),
        resolved_matrix=int(encoded.matrixSize.x) * fov_mm[0] / _fov_mm(encoded, "encodedSpace")[0],
        fov_mm=fov_mm,
        encoding_space=number,
        tr_ms=_all(sequence.TR) if sequence else (),
        ti_ms=_all(sequence.TI) if sequence else (),
        flip_angle_deg=_all(sequence.flipAngle_deg) if sequence else (),
        relative_noise_bandwidth=relative_noise_bandwidth(header),
        trajectory=str(getattr(encoding.trajectory, "value", encoding.trajectory)),
        field_t=system.systemFieldStrength_T if system else None,
    )


def _fov_mm(space: Any, name: str) -> tuple[float, float, float]:
    fov = space.fieldOfView_mm
    x, y, z = as_carried(fov.x), as_carried(fov.y), as_carried(fov.z)
    low, high = _FOV_MM
    if not (low <= x <= high and low <= y <= high and 0 <= z <= high):
        raise DataError(
            f"the {name}'s field of view is {x:g}×{y:g}×{z:g}: these cannot be millimetres of a patient; "
            "correct the header"
        )
    return x, y, z


def _check_matrix(name: str, size: int) -> None:
    low, high = _MATRIX
    if not low <= size <= high:
        raise DataError(
            f"the {name}'s matrix is {size}; from {low} to {high} can be reconstructed: correct the header"
            + (", or set the parameter matrix" if name == "reconSpace" else "")
        )


def relative_noise_bandwidth(header: ismrmrd.xsd.ismrmrdHeader) -> float:
    """Receiver's relative noise bandwidth; 1 where the header does not say."""
    system = header.acquisitionSystemInformation
    return float((system and system.relativeReceiverNoiseBandwidth) or 1.0)


def counter_limits(header: ismrmrd.xsd.ismrmrdHeader) -> dict[str, int]:
    """Largest value of each encoding counter that the first encoding's limits give."""
    limits = header.encoding[0].encodingLimits if header.encoding else None
    maxima = {name: getattr(limits, name, None) for name in ("repetition", "average", "slice", "set", "phase")}
    return {name: int(limit.maximum) for name, limit in maxima.items() if limit is not None}


def expected_matrix(header: ismrmrd.xsd.ismrmrdHeader) -> int:
    """Image matrix that the header promises, to warm up with; one that promises none is refused once data are in."""
    return min(max(16, int(header.encoding[0].reconSpace.matrixSize.x)), 512) if header.encoding else 160


def header_of(geometry: Geometry, matrix: tuple[int, int, int], trajectory: str) -> bytes:
    """Make the header of an image file whose scan came from arrays.

    Parameters
    ----------
    geometry : Geometry
    matrix : (3,) tuple of int
        Pixels along x, y, z.
    trajectory : str
        ISMRMRD's name.

    Returns
    -------
    bytes
        XML without any subject.
    """
    xsd, (x, y, z), (x_mm, y_mm, z_mm) = ismrmrd.xsd, matrix, geometry.fov_mm
    space = xsd.encodingSpaceType(
        matrixSize=xsd.matrixSizeType(x=x, y=y, z=z), fieldOfView_mm=xsd.fieldOfViewMm(x=x_mm, y=y_mm, z=z_mm)
    )
    encoding = xsd.encodingType(
        encodedSpace=space,
        reconSpace=space,
        encodingLimits=xsd.encodingLimitsType(),
        trajectory=xsd.trajectoryType(trajectory),
    )
    conditions = xsd.experimentalConditionsType(H1resonanceFrequency_Hz=0)
    return ismrmrd.xsd.ToXML(xsd.ismrmrdHeader(experimentalConditions=conditions, encoding=[encoding])).encode()
