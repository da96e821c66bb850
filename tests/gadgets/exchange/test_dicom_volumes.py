"""DICOM volumes in: the same places and values as ISMRMRD images, series by series."""

from pathlib import Path

import numpy as np
import pydicom
import pytest

from gadgets.errors import ScanFileError
from gadgets.exchange.dicom_output import write_dicom
from gadgets.exchange.dicom_volumes import check_new_folder, read_series
from gadgets.mrd.files import open_source
from recon.errors import DataError
from tests.support.dicom import enhanced_object, write_slices
from tests.support.marker import PLANES, marker, marker_images, positions_mm
from tests.support.volume_scans import header_of

HEADER = header_of((1, 32, 27))


@pytest.mark.parametrize("plane", PLANES)
def test_slices_are_images_at_their_places(plane: str, tmp_path: Path) -> None:
    """dcm2niix finds the marker in these objects where it must be (test_geometry); so do the images made of them."""
    axes = np.asarray(PLANES[plane], dtype=float)
    write_dicom(HEADER, marker_images(axes, turned=True), tmp_path)
    (source,) = read_series(tmp_path)
    assert [image.slice for image in source.images] == list(range(5))
    for image in source.images:
        expected = marker(positions_mm(image.getHead(), (1, 32, 27)), axes)
        assert np.abs(image.data[0] - expected).max() < 1500 / 65535
        assert image.field_of_view[:] == pytest.approx((54, 48, 5))


def test_series_and_times_are_volumes_of_their_own(tmp_path: Path) -> None:
    volume = np.arange(4 * 5 * 6, dtype=np.uint16).reshape(4, 5, 6)

    def change(series: int, time: int):
        def set_numbers(data: pydicom.Dataset, number: int) -> None:
            data.SeriesInstanceUID, data.SeriesNumber = f"1.2.3.{series}", series
            data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{series}.{time}.{number + 1}"
            data.TriggerTime = time

        return set_numbers

    for series, time in ((7, 0), (7, 300), (3, 0)):
        write_slices(tmp_path / f"{series}_{time}", volume + time, change(series, time), order=[2, 0, 3, 1])
    (tmp_path / "notes.txt").write_text("no DICOM")
    sources = read_series(tmp_path)
    assert [(source.template.SeriesNumber, source.template.TriggerTime) for source in sources] == [
        (3, 0),
        (7, 0),
        (7, 300),
    ]
    assert [source.images[0].image_series_index for source in sources] == [1, 2, 3]
    for source, time in zip(sources, (0, 0, 300), strict=True):
        assert np.array_equal(np.concatenate([image.data[0] for image in source.images]), volume + time)
        assert "PixelData" not in source.template


def test_enhanced_object_is_a_volume_with_its_rescale(tmp_path: Path) -> None:
    volume = np.arange(3 * 4 * 5, dtype=np.uint16).reshape(3, 4, 5)
    data = enhanced_object(volume, [(1.0, 0.0), (2.0, 0.0), (0.5, 3.0)])
    data.save_as(tmp_path / "enhanced.dcm", enforce_file_format=True)
    (source,) = read_series(tmp_path)
    expected = [volume[0], volume[1] * 2, volume[2] * 0.5 + 3]
    assert np.allclose([image.data[0, 0] for image in source.images], expected)
    assert source.images[0].field_of_view[:] == pytest.approx((5 * 1.25, 4 * 1.5, 2))


def test_file_for_the_gadget_holds_nothing_of_the_patient(tmp_path: Path) -> None:
    write_slices(tmp_path / "in", np.ones((3, 4, 4), np.uint16))
    (source,) = read_series(tmp_path / "in")
    source.write(tmp_path / "images.h5")
    assert b"SECRET" not in (tmp_path / "images.h5").read_bytes()
    with open_source(tmp_path / "images.h5") as file:
        assert file.item_count == 3
        size = file.header.encoding[0].reconSpace.matrixSize
        assert (size.x, size.y, size.z) == (4, 4, 3)


def missing_slice(data: pydicom.Dataset, number: int) -> None:
    if number == 2:
        data.ImagePositionPatient = [5.0, -20.0, 99.0]


def phase(data: pydicom.Dataset, number: int) -> None:
    data.ImageType = ["ORIGINAL", "PRIMARY", "P"]


def without_spacing(data: pydicom.Dataset, number: int) -> None:
    del data.PixelSpacing


def same_object(data: pydicom.Dataset, number: int) -> None:
    data.SOPInstanceUID = "1.2.3"


def without_position(data: pydicom.Dataset, number: int) -> None:
    del data.ImagePositionPatient


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (missing_slice, "lacks slices"),
        (phase, "is no magnitude image"),
        (without_spacing, "does not give its pixel spacing"),
        (same_object, "are the same image"),
        (without_position, "does not give the position"),
    ],
)
def test_what_makes_no_volume_is_refused_in_one_line(change, text: str, tmp_path: Path) -> None:
    write_slices(tmp_path / "in", np.ones((4, 4, 4), np.uint16), change)
    with pytest.raises(DataError, match=text) as caught:
        read_series(tmp_path / "in")
    assert "SECRET" not in str(caught.value)


def test_folder_that_is_none_or_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScanFileError, match="is no folder"):
        read_series(tmp_path / "missing")
    with pytest.raises(ScanFileError, match="holds no DICOM images"):
        read_series(tmp_path)


def test_output_keeps_away_from_what_came(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(ScanFileError, match="lies in the folder of the volumes"):
        check_new_folder(tmp_path / "in/out", tmp_path / "in")
    write_slices(tmp_path / "out", np.ones((3, 4, 4), np.uint16))
    with pytest.raises(ScanFileError, match="holds DICOM files already"):
        check_new_folder(tmp_path / "out", tmp_path / "in")
