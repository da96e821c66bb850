"""What the reconstruction needs of an ISMRMRD header, in named units and without the patient."""

from dataclasses import dataclass
from typing import Any

import ismrmrd

from recon.errors import DataError
from recon.readouts.geometry import Geometry

_IDENTIFIERS = {
    "subjectInformation": ("patientName", "patientID", "patientBirthdate"),
    "studyInformation": ("studyID", "accessionNumber", "referringPhysicianName", "studyDate", "studyTime"),
    "measurementInformation": ("measurementID",),
}


@dataclass(frozen=True)
class ScanHeader:
    """Geometry and timing of a scan.

    Attributes
    ----------
    matrix, encoded_matrix : int
        Image matrix, and encoding matrix (larger by the readout oversampling).
    fov_mm : (3,) tuple of float
        Field of view of the image: x, y, slice thickness.
    tr_ms, ti_ms, flip_angle_deg : float or None
        From sequenceParameters; None where the header has none.
    relative_noise_bandwidth : float
        Noise bandwidth of the receiver; 1 where the header does not say.
    trajectory : str
        The header's name for the trajectory.
    """

    matrix: int
    encoded_matrix: int
    fov_mm: tuple[float, float, float]
    tr_ms: float | None
    ti_ms: float | None
    flip_angle_deg: float | None
    relative_noise_bandwidth: float
    trajectory: str


def parse_header(xml: bytes | str) -> Any:
    """Parse an ISMRMRD header.

    Raises
    ------
    DataError
        If it is not valid XML of an ISMRMRD header, or lacks an element that ismrmrd cannot do without.
    """
    try:
        return ismrmrd.xsd.CreateFromDocument(xml)
    except TypeError as error:
        missing = str(error).rpartition(":")[2].strip() or str(error)
        raise DataError(f"the ISMRMRD header lacks a required element: {missing}; add it and try again") from error
    except Exception as error:
        raise DataError(f"the ISMRMRD header cannot be read: {type(error).__name__}: {error}") from error


def _first(values: Any) -> float | None:
    return float(values[0]) if values else None


def read_header(header: ismrmrd.xsd.ismrmrdHeader) -> ScanHeader:
    """Extract what the reconstruction needs.

    Parameters
    ----------
    header : ismrmrd.xsd.ismrmrdHeader

    Returns
    -------
    ScanHeader

    Raises
    ------
    DataError
        If there is no encoding, or the image is not square in the plane.
    """
    if not header.encoding:
        raise DataError("the ISMRMRD header has no encoding: matrix and field of view are unknown")
    encoding = header.encoding[0]
    recon, encoded = encoding.reconSpace, encoding.encodedSpace
    size, fov = recon.matrixSize, recon.fieldOfView_mm
    if size.x != size.y or abs(fov.x - fov.y) > 1e-3 * fov.x or fov.x <= 0:
        raise DataError(
            f"the reconSpace is {size.x}×{size.y} over {fov.x:g}×{fov.y:g} mm; "
            "radial reconstruction needs a square matrix and field of view"
        )
    sequence = header.sequenceParameters
    return ScanHeader(
        matrix=int(size.x),
        encoded_matrix=int(encoded.matrixSize.x),
        fov_mm=(float(fov.x), float(fov.y), float(fov.z)),
        tr_ms=_first(sequence.TR) if sequence else None,
        ti_ms=_first(sequence.TI) if sequence else None,
        flip_angle_deg=_first(sequence.flipAngle_deg) if sequence else None,
        relative_noise_bandwidth=relative_noise_bandwidth(header),
        trajectory=str(getattr(encoding.trajectory, "value", encoding.trajectory)),
    )


def relative_noise_bandwidth(header: ismrmrd.xsd.ismrmrdHeader) -> float:
    """Receiver's relative noise bandwidth; 1 where the header does not say."""
    system = header.acquisitionSystemInformation
    return float((system and system.relativeReceiverNoiseBandwidth) or 1.0)


def expected_matrix(header: ismrmrd.xsd.ismrmrdHeader) -> int:
    """Image matrix that the header promises, to warm up with; one that promises none is refused once data are in."""
    return min(max(16, int(header.encoding[0].reconSpace.matrixSize.x)), 512) if header.encoding else 160


def geometry_of(head: Any, fov_mm: tuple[float, float, float]) -> Geometry:
    """Position and directions of an acquisition's or image's header, with a field of view."""

    def vector(name: str) -> tuple[float, float, float]:
        x, y, z = getattr(head, name)
        return float(x), float(y), float(z)

    return Geometry(fov_mm, *map(vector, ("position", "read_dir", "phase_dir", "slice_dir")))


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


def anonymous(header: ismrmrd.xsd.ismrmrdHeader) -> Any:
    """Remove patient, study and measurement identifiers from a header, in place; return it."""
    for section, names in _IDENTIFIERS.items():
        holder = getattr(header, section, None)
        for name in names:
            if holder is not None and getattr(holder, name, None) is not None:
                setattr(holder, name, None)
    return header
