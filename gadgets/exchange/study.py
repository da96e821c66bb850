"""To which patient and study DICOM objects belong: those of a file of the same study, or nobody's."""

from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from gadgets.errors import ScanFileError, shortened
from gadgets.exchange.uids import uid

PATIENT_AND_STUDY = (
    "SpecificCharacterSet TimezoneOffsetFromUTC "
    "PatientName PatientID IssuerOfPatientID PatientBirthDate PatientSex OtherPatientIDsSequence PatientComments "
    "PatientSpeciesDescription EthnicGroup PatientIdentityRemoved DeidentificationMethod "
    "DeidentificationMethodCodeSequence "
    "StudyInstanceUID StudyDate StudyTime ReferringPhysicianName StudyID AccessionNumber StudyDescription "
    "IssuerOfAccessionNumberSequence PhysiciansOfRecord NameOfPhysiciansReadingStudy ProcedureCodeSequence "
    "PatientAge PatientSize PatientWeight "
    "ClinicalTrialSponsorName ClinicalTrialProtocolID ClinicalTrialProtocolName ClinicalTrialSiteID "
    "ClinicalTrialSiteName ClinicalTrialSubjectID ClinicalTrialSubjectReadingID"
)
"""Attributes of the modules Patient, General Study, Patient Study and Clinical Trial Subject."""

OF_THE_SCANNER = (
    "FrameOfReferenceUID PositionReferenceIndicator PatientPosition BodyPartExamined Laterality "
    "Manufacturer ManufacturerModelName InstitutionName InstitutionAddress InstitutionalDepartmentName StationName "
    "DeviceSerialNumber MagneticFieldStrength ImagingFrequency"
)
"""What images of the same examination share: Frame of Reference, Equipment, and the patient on the table."""

OF_THE_SEQUENCE = (
    "ScanningSequence SequenceVariant ScanOptions MRAcquisitionType SequenceName RepetitionTime EchoTime "
    "EchoTrainLength InversionTime FlipAngle NumberOfAverages ImagedNucleus PixelBandwidth "
    "InPlanePhaseEncodingDirection ReceiveCoilName TriggerTime ProtocolName AcquisitionDate AcquisitionTime"
)
"""What a restored volume shares with the one that it is made of."""

OWN_SERIES_FROM = 9000
"""Added to series numbers beside a scanner's series, which count from 1."""


def read_template(path: Path) -> Dataset:
    """Read a DICOM file of the study to which new objects are to belong.

    Parameters
    ----------
    path : Path
        Pixels are not read.

    Returns
    -------
    pydicom.Dataset

    Raises
    ------
    ScanFileError
        If it is no DICOM file, or names no study.
    """
    try:
        data = dcmread(path, stop_before_pixels=True)
    except InvalidDicomError as error:
        raise ScanFileError(f"{shortened(path, 200)} is no DICOM file; give one of the study to --like") from error
    except OSError as error:
        raise ScanFileError(f"{shortened(path, 200)} cannot be read: {error.strerror or 'damaged'}") from error
    except Exception as error:  # pydicom raises whatever a damaged file leads it to; its text may quote the patient
        raise ScanFileError(
            f"{shortened(path, 200)} is damaged DICOM ({type(error).__name__}); copy it again"
        ) from error
    if not data.get("StudyInstanceUID"):
        raise ScanFileError(f"{shortened(path, 200)} names no study (Study Instance UID); give another file to --like")
    return data


def copied(source: Dataset, names: str) -> Dataset:
    """Copy those of the attributes, named with spaces between them, that a data set has."""
    result = Dataset()
    for name in names.split():
        if name in source:
            result.add(source[name])
    return result


def anonymous_study(key: str) -> Dataset:
    """Patient and study of nobody: what DICOM wants to be there is empty, and the UIDs come from the measurement.

    Parameters
    ----------
    key : str
        From :func:`gadgets.exchange.uids.measurement_key`.

    Returns
    -------
    pydicom.Dataset
    """
    data = Dataset()
    data.SpecificCharacterSet = "ISO_IR 192"
    for name in _EMPTY.split():
        setattr(data, name, "")
    data.PatientIdentityRemoved, data.DeidentificationMethod = "YES", "malibu: written without identifiers"
    data.StudyInstanceUID = uid(key, "study")
    data.FrameOfReferenceUID = uid(key, "frame of reference")
    return data


_EMPTY = (
    "PatientName PatientID PatientBirthDate PatientSex StudyDate StudyTime ReferringPhysicianName StudyID "
    "AccessionNumber PatientPosition PositionReferenceIndicator"
)
"""Type 2: must be there, may be empty."""
