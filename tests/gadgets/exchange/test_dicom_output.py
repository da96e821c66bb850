"""DICOM objects: valid, repeatable, rightly scaled, of the right patient or of nobody."""

import dataclasses
import typing
from enum import Enum
from pathlib import Path

import ismrmrd
import numpy as np
import pydicom
import pytest
from xsdata.models.datatype import XmlDate, XmlTime

from gadgets.errors import ScanFileError
from gadgets.exchange.dicom_output import DicomOptions, read_pictures, write_dicom
from gadgets.exchange.stored_values import decimal
from gadgets.image_tasks.images import task_meta
from gadgets.image_tasks.sent_series import TABLE, TASKS
from gadgets.image_tasks.task import OutputSeries
from recon.errors import DataError
from tests.support.dicom import dicom_object
from tests.support.marker import dciodvfy_errors, marker_images, needs, with_meta
from tests.support.volume_scans import header_of

HEADER = header_of((1, 32, 27))
EYE = np.eye(3)
MARK = "HIDDEN77"


def read(paths: list[Path]) -> list[pydicom.Dataset]:
    return [pydicom.dcmread(path) for path in paths]


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.dcm"))}


def cine(frames: int = 3, number: int = 5) -> list[ismrmrd.Image]:
    images = []
    for frame in range(frames):
        image, *_ = with_meta(
            marker_images(EYE, (1, 32, 27), number=number),
            CardiacPhaseMs=f"{300 * frame}",
            InversionTime=f"{12.5 + frame}",
            MalibuHeartRatePerMinute="66.7",
            MalibuTemporalModel="tensor",
            RepetitionTimeMs="5.5",
            FlipAngleDeg="5",
        )
        image.image_index = frame + 1
        image.data[0] *= 0.01 * (frame + 1)
        images.append(image)
    return images


def t1_map() -> list[ismrmrd.Image]:
    images = marker_images(EYE, (1, 32, 27), dtype=np.uint16, number=9)
    return with_meta(
        images, DataRole=["Quantitative", "T1MAP"], MalibuUnit="ms", WindowCenter="1000", WindowWidth="2000"
    )


def template(path: Path, **values: object) -> Path:
    data = dicom_object(np.zeros((4, 4), np.uint16), 0)
    data.StudyInstanceUID, data.StudyDate, data.StudyTime = "1.2.3.4", "20260102", "101112"
    data.PatientName, data.PatientID, data.PatientBirthDate, data.PatientSex = "Doe^Jane", "ID7", "19700203", "F"
    data.AccessionNumber, data.ReferringPhysicianName, data.StudyID = "A1", "Ref^Dr", "S1"
    data.FrameOfReferenceUID, data.Modality, data.BodyPartExamined = "1.2.3.5", "MR", "HEART"
    data.Manufacturer, data.StationName, data.MagneticFieldStrength = "Maker", "MR1", "1.5"
    for name, value in values.items():
        setattr(data, name, value)
    data.save_as(path, enforce_file_format=True)
    return path


@needs("dciodvfy")
def test_every_object_of_a_real_scan_is_valid(tiny_file: Path, tiny_images: object, tmp_path: Path) -> None:
    header, images = read_pictures(tiny_file.with_name("images.h5"))
    like = template(tmp_path / "like.dcm")
    for name, options in {"nobody": DicomOptions(None, True), "template": DicomOptions(like, True)}.items():
        paths = write_dicom(header, images, tmp_path / name, options)
        assert {"series001", "series009", "series009_float"} <= {path.parent.name for path in paths}
        first_of_each = {path.parent: path for path in reversed(paths)}
        assert not {path: found for path in first_of_each.values() if (found := dciodvfy_errors(path))}


@needs("dciodvfy")
def test_cines_maps_volumes_and_signed_images_are_valid(tmp_path: Path) -> None:
    volume = marker_images(EYE, as_volume=True, number=101)
    for image in volume:
        image.image_type = ismrmrd.IMTYPE_REAL
        image.data[0] -= 700
    for path in write_dicom(HEADER, cine() + t1_map() + volume, tmp_path, DicomOptions(None, True)):
        assert not dciodvfy_errors(path)


def test_cine_has_its_times(tmp_path: Path) -> None:
    objects = read(write_dicom(HEADER, cine(), tmp_path))
    assert [data.InstanceNumber for data in objects] == [1, 2, 3]
    assert [float(data.TriggerTime) for data in objects] == [0, 300, 600]
    assert [float(data.InversionTime) for data in objects] == [12.5, 13.5, 14.5]
    assert {data.SeriesInstanceUID for data in objects} == {objects[0].SeriesInstanceUID}
    assert len({data.SOPInstanceUID for data in objects}) == 3
    first = objects[0]
    assert (first.SeriesNumber, first.ScanOptions, first.ScanningSequence) == (5, "CG", ["GR", "IR"])
    assert (float(first.RepetitionTime), float(first.FlipAngle), float(first.ImagingFrequency)) == (5.5, 5, 123.2)
    assert (first.NumberOfTemporalPositions, objects[2].TemporalPositionIdentifier) == (3, 3)
    assert first.CardiacNumberOfImages == 3
    recovery = cine()
    for image in recovery:
        image.meta = dict(image.meta) | {"CardiacPhaseMs": "0"}
    of_recovery = read(write_dicom(HEADER, recovery, tmp_path / "recovery"))
    assert [float(data.InversionTime) for data in of_recovery] == [12.5, 13.5, 14.5]
    assert "CardiacNumberOfImages" not in of_recovery[0]
    assert "TriggerTime" not in read(write_dicom(HEADER, t1_map(), tmp_path / "map"))[0]


def test_label_of_use_stands_where_people_look(tmp_path: Path) -> None:
    (data,) = read(write_dicom(HEADER, t1_map(), tmp_path))
    assert data.SeriesDescription.startswith("RESEARCH malibu")
    for text in (str(data["ImageComments"].value), data.DerivationDescription):
        assert "research use only" in text
    assert "research use only" in data.ContributingEquipmentSequence[0].ContributionDescription


MADE = [(task, kind, record) for task, series in TASKS.items() for kind, record in series.items()]


@pytest.mark.parametrize(("task", "kind", "record"), MADE, ids=[f"{task}-{kind}" for task, kind, _ in MADE])
def test_what_a_task_makes_of_images_is_derived(task: str, kind: str, record: OutputSeries, tmp_path: Path) -> None:
    """PS3.3 C.7.6.1.1.2; tables are no pictures and are not written at all."""
    images = marker_images(EYE, (1, 32, 27), number=1)
    images[0].meta = task_meta(record, {"MalibuReconstruction": task})
    if record.role == TABLE:
        with pytest.raises(DataError):
            write_dicom(HEADER, images, tmp_path)
        return
    (data,) = read(write_dicom(HEADER, images, tmp_path))
    assert data.ImageType[:2] == ["DERIVED", "SECONDARY"]


def test_what_comes_from_data_is_original_and_what_comes_from_images_is_derived(tmp_path: Path) -> None:
    def image_types(images: list[ismrmrd.Image], folder: str) -> set[str]:
        return {data.ImageType[0] for data in read(write_dicom(HEADER, images, tmp_path / folder))}

    received = marker_images(EYE, (1, 32, 27))
    assert image_types(received, "received") == {"ORIGINAL"}
    assert image_types(with_meta(cine(), MalibuReconstruction="mdcn"), "cine") == {"ORIGINAL"}
    averaged = with_meta(cine(), MalibuReconstruction="mdcn", DataRole=["Image", "AVE"])
    assert image_types(averaged, "average") == {"ORIGINAL"}
    uncertain = with_meta(cine(), MalibuReconstruction="mdcn", DataRole=["Image", "SD"])
    assert image_types(uncertain, "uncertain") == {"DERIVED"}
    assert image_types(t1_map(), "t1") == {"DERIVED"}
    restored = with_meta(received, MalibuReconstruction="super-resolution")
    assert image_types(restored, "restored") == {"DERIVED"}


def test_series_has_one_slope_and_keeps_its_values(tmp_path: Path) -> None:
    """shared/cases/rescale_slope_differs_between_slices.py tells what slopes of their own do."""
    images = cine()
    objects = read(write_dicom(HEADER, images, tmp_path))
    assert len({(data.RescaleSlope, data.RescaleIntercept) for data in objects}) == 1
    step = float(objects[0].RescaleSlope)
    assert step == pytest.approx(max(image.data.max() for image in images) / 65535)
    for data, image in zip(objects, images, strict=True):
        values = data.pixel_array * step + float(data.RescaleIntercept)
        assert np.abs(values - image.data[0, 0]).max() <= 0.51 * step


def test_negative_values_get_an_intercept(tmp_path: Path) -> None:
    image, *_ = marker_images(EYE, (1, 32, 27))
    image.data[0] -= 700
    (data,) = read(write_dicom(HEADER, [image], tmp_path))
    assert float(data.RescaleIntercept) == -700
    values = data.pixel_array * float(data.RescaleSlope) - 700
    assert np.abs(values - image.data[0, 0]).max() < 0.51 * float(data.RescaleSlope)


def test_t1_is_milliseconds_by_rescale_and_by_real_world_value(tmp_path: Path) -> None:
    images = t1_map()
    paths = write_dicom(HEADER, images, tmp_path, DicomOptions(parametric_map=True))
    classic, floating = read(paths)
    assert np.array_equal(classic.pixel_array, images[0].data[0, 0])
    assert (float(classic.RescaleSlope), float(classic.RescaleIntercept), classic.RescaleType) == (1, 0, "ms")
    mapping = classic.RealWorldValueMappingSequence[0]
    assert (mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept) == (1, 0)
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "ms"
    assert mapping.QuantityDefinitionSequence[0].ConceptCodeSequence[0].CodeMeaning == "T1"
    assert (float(classic.WindowCenter), float(classic.WindowWidth)) == (1000, 2000)
    assert classic.ImageType[2] == "T1 MAP"
    assert floating.ContentQualification == "RESEARCH"
    assert np.array_equal(np.squeeze(floating.pixel_array), images[0].data[0, 0].astype(np.float32))


def test_integers_with_a_stated_rescale_keep_both(tmp_path: Path) -> None:
    """As the dialects of consoles write float images: uint16 with RescaleSlope and RescaleIntercept in the Meta."""
    images = with_meta(marker_images(EYE, (2, 32, 27), dtype=np.uint16), RescaleSlope="0.25", RescaleIntercept="-3")
    for data, image in zip(read(write_dicom(HEADER, images, tmp_path / "one")), images, strict=True):
        assert (float(data.RescaleSlope), float(data.RescaleIntercept)) == (0.25, -3)
        assert np.array_equal(data.pixel_array, image.data[0, 0])
    images[1].meta = dict(images[1].meta) | {"RescaleSlope": "0.5"}
    objects = read(write_dicom(HEADER, images, tmp_path / "two"))
    assert len({data.RescaleSlope for data in objects}) == 1
    for data, image, slope in zip(objects, images, (0.25, 0.5), strict=True):
        values = data.pixel_array * float(data.RescaleSlope) + float(data.RescaleIntercept)
        assert np.abs(values - (image.data[0, 0] * slope - 3)).max() < 0.51 * float(data.RescaleSlope)


def test_small_windows_are_allowed_ones(tmp_path: Path) -> None:
    image, *_ = marker_images(EYE, (1, 32, 27))
    image.data[0] *= 1e-9
    (data,) = read(write_dicom(HEADER, [image], tmp_path))
    assert float(data.WindowWidth) < 1
    assert data.VOILUTFunction == "LINEAR_EXACT"


@pytest.mark.parametrize("value", [0.1, -1 / 3, 1e-9 / 3, 123456789.123456789, -1.2345678901e-7, 0.0, -0.0])
def test_decimal_strings_fit_and_are_near(value: float) -> None:
    assert len(decimal(value)) <= 16
    assert float(decimal(value)) == pytest.approx(value, rel=1e-8)


def test_second_run_writes_the_same_bytes_and_another_result_other_uids(tmp_path: Path) -> None:
    images = cine() + t1_map()
    options = DicomOptions(parametric_map=True)
    write_dicom(HEADER, images, tmp_path / "first", options)
    write_dicom(HEADER, images, tmp_path / "second", options)
    write_dicom(HEADER, images, tmp_path / "first", options)
    assert files(tmp_path / "first") == files(tmp_path / "second")
    measured = header_of((1, 32, 27))
    measured.measurementInformation = ismrmrd.xsd.measurementInformationType(
        measurementID="42", patientPosition=ismrmrd.xsd.patientPositionType.HFS
    )
    before = read(write_dicom(measured, images, tmp_path / "before"))
    images[0].data[0, 0, 0, 0] += 1
    after = read(write_dicom(measured, images, tmp_path / "after"))
    assert before[0].StudyInstanceUID == after[0].StudyInstanceUID  # of the measurement's ID
    assert before[0].SeriesInstanceUID != after[0].SeriesInstanceUID
    assert not {data.SOPInstanceUID for data in before[:3]} & {data.SOPInstanceUID for data in after[:3]}
    assert before[3].SOPInstanceUID == after[3].SOPInstanceUID
    for data in before:
        assert data.SOPInstanceUID.startswith("2.25.")
        assert data.SOPInstanceUID.is_valid


def test_folder_of_other_images_is_refused(tmp_path: Path) -> None:
    write_dicom(HEADER, cine(4), tmp_path)
    with pytest.raises(ScanFileError, match="holds 1 DICOM files that are not of these images"):
        write_dicom(HEADER, cine(3), tmp_path)


def filled(class_: type) -> object:
    """An element of which everything is set, all texts to the mark."""
    values = {}
    for name, hint in typing.get_type_hints(class_).items():
        (kind,) = [part for part in (typing.get_args(hint) or (hint,)) if part is not type(None)]
        values[name] = [value_of(kind)] if typing.get_origin(hint) is list else value_of(kind)
    return class_(**values)


def value_of(kind: type) -> object:
    if dataclasses.is_dataclass(kind) and kind not in (XmlDate, XmlTime):
        return filled(kind)
    if issubclass(kind, Enum):
        return next(iter(kind))
    fixed = {str: MARK, bytes: MARK.encode(), int: 66_066, float: 66.066}
    return {XmlDate: XmlDate(1966, 6, 6), XmlTime: XmlTime(16, 6, 6)}.get(kind, fixed.get(kind))


def test_no_identifier_is_in_any_file_or_name(tmp_path: Path) -> None:
    """Everything in the header and in the Meta of another sender is a trap."""
    header = filled(ismrmrd.xsd.ismrmrdHeader)
    header.acquisitionSystemInformation.systemVendor = "vendor"
    header.acquisitionSystemInformation.systemModel = "model"
    images = cine() + t1_map()
    traps = ("PatientName", "SeriesDescription", "ImageComments", "IceMiniHead", "ProtocolName", "MalibuParameters")
    other = marker_images(EYE, (1, 32, 27), number=2)
    for image in other:
        image.meta = dict.fromkeys(traps, MARK)
    for image in images:
        image.meta = dict(image.meta) | {"MalibuParameters": MARK, "PatientName": MARK}
    write_dicom(header, images + other, tmp_path, DicomOptions(parametric_map=True))
    found = files(tmp_path)
    assert len(found) == 6
    for name, content in found.items():
        for trace in (MARK, "19660606", "160606", "1966-06-06"):
            assert trace not in name
            assert trace.encode() not in content
    data = pydicom.dcmread(tmp_path / "series005/00001.dcm")
    assert not any(
        data.get(name) for name in ("PatientName", "PatientID", "PatientBirthDate", "StudyDate", "StationName")
    )
    assert data.PatientIdentityRemoved == "YES"


def test_template_gives_patient_study_and_frame_of_reference(tmp_path: Path) -> None:
    like = template(tmp_path / "like.dcm", SpecificCharacterSet="ISO_IR 100", PatientName="Müller^J")
    data = read(write_dicom(HEADER, t1_map(), tmp_path / "out", DicomOptions(like)))[0]
    assert (str(data.PatientName), data.PatientID, data.StudyInstanceUID) == ("Müller^J", "ID7", "1.2.3.4")
    assert (data.FrameOfReferenceUID, data.StudyDate, data.AccessionNumber) == ("1.2.3.5", "20260102", "A1")
    assert (data.Manufacturer, data.BodyPartExamined, float(data.MagneticFieldStrength)) == ("Maker", "HEART", 1.5)
    assert data.SeriesNumber == 9009
    assert "PatientIdentityRemoved" not in data
    of_another = template(tmp_path / "other.dcm", StudyInstanceUID="1.2.3.9", Modality="CT")
    other = read(write_dicom(HEADER, t1_map(), tmp_path / "other", DicomOptions(of_another)))[0]
    assert other.SOPInstanceUID != data.SOPInstanceUID
    assert other.FrameOfReferenceUID.startswith("2.25.")


def test_what_is_no_dicom_is_refused_as_template(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no DICOM")
    for name in ("notes.txt", "missing.dcm"):
        with pytest.raises(ScanFileError, match=name):
            write_dicom(HEADER, t1_map(), tmp_path / "out", DicomOptions(tmp_path / name))


def test_arrays_that_are_no_pictures_are_left_out_with_a_line(
    tiny_images: dict[int, list[ismrmrd.Image]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    images = [image for number in (1, 3, 4, 11) for image in tiny_images[number]]
    paths = write_dicom(HEADER, images, tmp_path)
    assert [path.parent.name for path in paths] == ["series001"]
    for number in (3, 4, 11):
        assert f"series {number} is left out" in caplog.text
    with pytest.raises(DataError, match="none of the images is a picture"):
        write_dicom(HEADER, tiny_images[3], tmp_path / "none")


def test_pixels_and_places_that_are_none_are_refused(tmp_path: Path) -> None:
    images = marker_images(EYE)
    images[2].data[0, 0, 3, 4] = np.nan
    with pytest.raises(DataError, match="1 pixels that are NaN or Inf"):
        write_dicom(HEADER, images, tmp_path)
    images = marker_images(EYE)
    for image in images:
        image.field_of_view[:] = (0.0, 0.0, 0.0)
    with pytest.raises(DataError, match="field of view of 0x0x0"):
        write_dicom(HEADER, images, tmp_path)
    other = marker_images(EYE, (1, 30, 27))
    with pytest.raises(DataError, match="mixes matrix sizes"):
        write_dicom(HEADER, marker_images(EYE) + other, tmp_path)
    images = marker_images(EYE)
    for image in images:
        image.position[:] = (0.0, 0.0, 0.0)
    with pytest.raises(DataError, match="several slices at one place"):
        write_dicom(HEADER, images, tmp_path)
