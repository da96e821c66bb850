"""DICOM UIDs that say nothing of anybody, and are the same when the same result is written again.

A UID stands for exactly one object for ever. Each is therefore made of what it stands for: those of a series and of its
images depend on the pixels, their places and the study. The same images give the same objects, so that a repeated send
does not double them; another result of the same measurement is another series, which an archive keeps beside the first
and never mixes with it.
"""

import hashlib
import uuid
from collections.abc import Sequence

import ismrmrd
import numpy as np

from gadgets.exchange.planes import Plane, PlaneSeries
from gadgets.mrd.headers.identifiers import anonymous_xml

_NAMESPACE = uuid.UUID("0f5d2a52-6e0f-5b0b-9c58-3a1b6f1d9b52")
"""Of malibu's UIDs; drawn once, never to be changed."""


def uid(*parts: object) -> str:
    """Derive a UID from what it stands for: 2.25 and a name-based UUID as an integer (DICOM PS3.5 B.2).

    Parameters
    ----------
    *parts : object
        Their texts cannot be found again from the UID.

    Returns
    -------
    str
    """
    return f"2.25.{uuid.uuid5(_NAMESPACE, chr(31).join(map(str, parts))).int}"


def measurement_key(header: ismrmrd.xsd.ismrmrdHeader, series: Sequence[PlaneSeries]) -> str:
    """Tell a measurement from every other one, without its identifiers.

    Parameters
    ----------
    header : ismrmrd.xsd.ismrmrdHeader
        Its measurementID counts, with the scanner's number and the study, since scanners number from one. Image files
        of malibu have none of these: there the header's numbers and all pictures stand for the measurement.
    series : sequence of PlaneSeries

    Returns
    -------
    str
        A digest.
    """
    measured, system, study = (
        getattr(header, name, None)
        for name in ("measurementInformation", "acquisitionSystemInformation", "studyInformation")
    )
    name = getattr(measured, "measurementID", None)
    if name:
        found = [
            getattr(system, "deviceSerialNumber", None),
            getattr(system, "stationName", None),
            getattr(study, "studyInstanceUID", None),
            getattr(measured, "seriesDate", None),
        ]
        return _digest(repr([str(name), *map(str, found)]).encode())
    return _digest(anonymous_xml(header), *(content_key(one).encode() for one in series))


def content_key(series: PlaneSeries) -> str:
    """Digest of everything that a series shows: pixels, places, and what its frames are told apart by."""
    return _digest(str(series.number).encode(), *(_plane_bytes(plane) for plane in series.planes))


_SHOWN = ("InversionTime", "CardiacPhaseMs", "FrameTimeMs", "SeriesDescription", "RescaleSlope", "RescaleIntercept")


def _plane_bytes(plane: Plane) -> bytes:
    place = np.round([*plane.first_pixel_mm, *plane.row_dir, *plane.column_dir, *plane.spacing_mm], 4) + 0.0
    stated = [str(plane.meta.get(name)) for name in _SHOWN]
    kind = f"{plane.pixels.dtype.str}{plane.pixels.shape}{plane.thickness_mm:.4f}{stated}"
    return kind.encode() + place.tobytes() + plane.pixels.tobytes()


def _digest(*parts: bytes) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(hashlib.sha256(part).digest())
    return whole.hexdigest()
