"""What of an ISMRMRD header may leave malibu: a list of what stays, so that nothing else does.

Image files, rescued scans and the headers that go to other hosts are made of this list. Text that a person or a
scanner writes freely may name the patient; dates, UIDs, serial numbers and a body weight may single one out.
"""

import dataclasses
import re
from enum import Enum
from typing import Any

import ismrmrd

KEPT: dict[str, frozenset[str]] = {
    name: frozenset(fields.split())
    for name, fields in {
        "ismrmrdHeader": "measurementInformation acquisitionSystemInformation experimentalConditions encoding "
        "sequenceParameters userParameters waveformInformation",
        "measurementInformationType": "patientPosition relativeTablePosition",
        "threeDimensionalFloat": "x y z",
        "acquisitionSystemInformationType": "systemVendor systemModel systemFieldStrength_T "
        "relativeReceiverNoiseBandwidth receiverChannels",
        "experimentalConditionsType": "H1resonanceFrequency_Hz",
        "encodingType": "encodedSpace reconSpace encodingLimits trajectory trajectoryDescription parallelImaging "
        "echoTrainLength",
        "encodingSpaceType": "matrixSize fieldOfView_mm",
        "matrixSizeType": "x y z",
        "fieldOfViewMm": "x y z",
        "encodingLimitsType": "kspace_encoding_step_0 kspace_encoding_step_1 kspace_encoding_step_2 average slice "
        "contrast phase repetition set segment user_0 user_1 user_2 user_3 user_4 user_5 user_6 user_7",
        "limitType": "minimum maximum center",
        "trajectoryDescriptionType": "identifier userParameterLong userParameterDouble",
        "parallelImagingType": "accelerationFactor calibrationMode interleavingDimension multiband",
        "accelerationFactorType": "kspace_encoding_step_1 kspace_encoding_step_2",
        "multibandType": "spacing deltaKz multiband_factor calibration calibration_encoding",
        "multibandSpacingType": "dZ",
        "sequenceParametersType": "TR TE TI flipAngle_deg echo_spacing diffusionDimension diffusion",
        "diffusionType": "gradientDirection bvalue",
        "gradientDirectionType": "rl ap fh",
        "userParametersType": "userParameterLong userParameterDouble",
        "userParameterLongType": "name value",
        "userParameterDoubleType": "name value",
        "waveformInformationType": "waveformName waveformType userParameters",
    }.items()
}
"""Elements that stay, by the class of ismrmrd.xsd that holds them; vendor and model are the only free text."""

REMOVED: dict[str, frozenset[str]] = {
    name: frozenset(fields.split())
    for name, fields in {
        "ismrmrdHeader": "version subjectInformation studyInformation",
        "measurementInformationType": "measurementID seriesDate seriesTime initialSeriesNumber protocolName "
        "sequenceName seriesDescription measurementDependency seriesInstanceUIDRoot frameOfReferenceUID "
        "referencedImageSequence",
        "acquisitionSystemInformationType": "coilLabel institutionName stationName deviceID deviceSerialNumber",
        "trajectoryDescriptionType": "userParameterString comment",
        "sequenceParametersType": "sequence_type diffusionScheme",
        "userParametersType": "userParameterString userParameterBase64",
    }.items()
}
"""Elements that go; a test holds that each one of ismrmrd.xsd is in one of the two lists."""

_FREE_TEXT = {("acquisitionSystemInformationType", "systemVendor"), ("acquisitionSystemInformationType", "systemModel")}
_TRAJECTORIES = ("HargreavesVDS2000", "ConventionalEPI")
_NUMBERS = re.compile(
    r"readouts_per_inversion|golden_angle_deg|BitsStored|EmbeddedRefLinesE[12]|MaxwellCoefficient_\d{1,2}"
    r"|interleaves|fov_coefficients|SamplingTime_ns|MaxGradient_G_per_cm|MaxSlewRate_G_per_cm_per_s|FOVCoeff_1_cm"
    r"|krmax_per_cm|etl|numberOfNavigators|rampUpTime|rampDownTime|flatTopTime|echoSpacing|acqDelayTime|numSamples"
    r"|dwellTime|pld_ms|tau_ms|slice_time_ms"
)
"""Numeric user parameters that a reconstruction is known to read: malibu's simulator's, and those of Gadgetron's
radial, spiral and echo-planar gadgets. Others go although they are numbers: a number may be a patient's, or a date."""


def anonymous(header: ismrmrd.xsd.ismrmrdHeader) -> Any:
    """Copy what may leave of a header.

    Parameters
    ----------
    header : ismrmrd.xsd.ismrmrdHeader
        Left as it is.

    Returns
    -------
    ismrmrd.xsd.ismrmrdHeader
        With what stands in :data:`KEPT` alone, and of that only numbers and names of the schema, vendor and model.
    """
    return _copied(header)


def anonymous_xml(header: ismrmrd.xsd.ismrmrdHeader) -> bytes:
    """Write what may leave of a header as XML."""
    return ismrmrd.xsd.ToXML(anonymous(header)).encode()


def _copied(element: Any) -> Any:
    kind = type(element).__name__
    kept = KEPT.get(kind, frozenset())
    values = {}
    for field in dataclasses.fields(element):
        value = getattr(element, field.name)
        values[field.name] = _allowed(kind, field.name, value) if field.name in kept else _nothing(value)
    return type(element)(**_completed(kind, values))


def _allowed(kind: str, name: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_allowed(kind, name, item) for item in value if not _goes(item)]
    if dataclasses.is_dataclass(value):
        return None if _goes(value) else _copied(value)
    is_safe = (
        isinstance(value, (bool, int, float, Enum)) or (kind, name) in _FREE_TEXT or name in ("name", "identifier")
    )
    return value if is_safe else None


def _goes(element: Any) -> bool:
    """Tell of an element that goes as a whole."""
    kind = type(element).__name__
    if kind in ("userParameterLongType", "userParameterDoubleType"):
        is_number = isinstance(element.value, (int, float))
        return not (is_number and isinstance(element.name, str) and _NUMBERS.fullmatch(element.name))
    if kind == "trajectoryDescriptionType":
        return element.identifier not in _TRAJECTORIES
    if kind == "measurementInformationType":
        return not isinstance(element.patientPosition, Enum)
    if kind == "waveformInformationType":
        return not isinstance(element.waveformType, Enum)
    return not dataclasses.is_dataclass(element) and not isinstance(element, (bool, int, float, Enum))


def _completed(kind: str, values: dict[str, Any]) -> dict[str, Any]:
    """Give elements that the schema requires a value that says nothing of the patient."""
    if kind == "waveformInformationType":
        values["waveformName"] = values["waveformType"].value
    if kind == "encodingType" and values["trajectory"] is None:
        values["trajectory"] = ismrmrd.xsd.trajectoryType.OTHER
    return values


def _nothing(value: Any) -> Any:
    return [] if isinstance(value, list) else None
