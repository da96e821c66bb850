"""Folders of DICOM files: what is read, in which order and unit, and what is refused by name."""

import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from nets.data.formats.dicom_files import read_dicom
from nets.data.formats.errors import VolumeError
from nets.data.volume_files import read_magnitude, read_volume
from tests.support.dicom import AXIAL, dicom_object, enhanced_object, item, place, write_slices

pydicom = pytest.importorskip("pydicom")

CORONAL, SAGITTAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0), (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
OBLIQUE = (0.8, 0.6, 0.0, 0.0, 0.0, -1.0)


def numbered(shape: tuple[int, int, int], dtype: str = "u2", seed: int = 3) -> np.ndarray:
    """A volume of which no two voxels should be mixed up."""
    limits = np.iinfo(dtype)
    rng = np.random.default_rng(seed)
    return rng.integers(max(limits.min, -2000), min(limits.max, 30_000), shape, dtype=dtype)


@given(
    shape=st.tuples(st.integers(1, 6), st.integers(1, 7), st.integers(1, 9)),
    dtype=st.sampled_from(["u1", "u2", "i2", "u4", "i4"]),
    slope=st.floats(0.01, 8),
    intercept=st.floats(-100, 100),
    orientation=st.sampled_from([AXIAL, CORONAL, SAGITTAL, OBLIQUE]),
    data=st.data(),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_voxels_come_in_their_unit_and_in_order_of_position(
    shape, dtype, slope, intercept, orientation, data, tmp_path_factory
) -> None:
    """Whatever the sizes, types, turned directions, rescales, and names of the files."""
    volume = numbered(shape, dtype)
    order = data.draw(st.permutations(range(shape[0])))

    def rescale(dicom, number: int) -> None:
        dicom.RescaleSlope, dicom.RescaleIntercept = round(slope + number, 4), round(intercept, 4)

    folder = write_slices(tmp_path_factory.mktemp("d") / "f", volume, rescale, orientation, order)
    slopes = np.array([round(slope + number, 4) for number in range(shape[0])])[:, None, None]
    assert np.allclose(read_dicom(folder), volume * slopes + round(intercept, 4), rtol=1e-6, atol=1e-3)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("order", [[0, 1, 2, 3], [2, 0, 3, 1]])
def test_enhanced_frames_are_rescaled_and_put_in_order_each(shared: bool, order: list[int], tmp_path: Path) -> None:
    volume, slopes = numbered((4, 5, 6)), [(1.0, 0.0), (0.5, 3.0), (2.0, -7.0), (0.25, 0.0)]
    data = enhanced_object(volume, slopes, shared)
    frames = data.PerFrameFunctionalGroupsSequence
    data.PerFrameFunctionalGroupsSequence = pydicom.Sequence([frames[index] for index in order])
    data.PixelData = volume[order].tobytes()
    data.save_as(tmp_path / "all.dcm", enforce_file_format=True)
    expected = [plane * slope + intercept for plane, (slope, intercept) in zip(volume, slopes, strict=True)]
    assert np.allclose(read_dicom(tmp_path), expected)


def test_modality_table_is_applied(tmp_path: Path) -> None:
    volume = numbered((2, 3, 4), "u1") % 4
    table = np.array([10, 70, 300, 4000], "<u2")

    def with_table(data, number: int) -> None:
        data.ModalityLUTSequence = item(LUTDescriptor=[4, 0, 16], ModalityLUTType="US", LUTData=table.tobytes())
        data.ModalityLUTSequence[0]["LUTData"].VR = "OW"

    assert np.array_equal(read_dicom(write_slices(tmp_path / "f", volume, with_table)), table[volume])


def test_bits_that_are_not_stored_are_left_out(tmp_path: Path) -> None:
    """Some vendors kept overlays in the high bits."""
    volume = numbered((2, 3, 4)) % 4096

    def twelve_bits(data, number: int) -> None:
        data.BitsStored, data.HighBit = 12, 11
        data.PixelData = (volume[number] | 0x8000).astype("<u2").tobytes()

    assert np.array_equal(read_dicom(write_slices(tmp_path / "f", volume, twelve_bits)), volume)


def test_run_lengths_are_decoded(tmp_path: Path) -> None:
    volume = numbered((3, 8, 8))
    compressed = write_slices(tmp_path / "f", volume, lambda data, number: data.compress(pydicom.uid.RLELossless))
    assert np.array_equal(read_dicom(compressed), volume)


def implicit(data, number: int) -> None:
    data.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian


def big_endian(data, number: int) -> None:
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRBigEndian
    data.set_original_encoding(is_implicit_vr=False, is_little_endian=False)
    data.PixelData = np.frombuffer(data.PixelData, "<u2").astype(">u2").tobytes()


def deflated(data, number: int) -> None:
    data.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian


def as_floats(data, number: int) -> None:
    data.FloatPixelData = np.frombuffer(data.PixelData, "<u2").astype("<f4").tobytes()
    data.BitsAllocated = 32
    del data.PixelData


def one_word(data, number: int) -> None:
    data.ImageType = "ORIGINAL"


def magnitude_and_phase_map(data, number: int) -> None:
    data.ImageType = ["DERIVED", "SECONDARY", "M", "I"]


@pytest.mark.parametrize("change", [implicit, big_endian, deflated, as_floats, one_word, magnitude_and_phase_map])
def test_ways_to_write_the_same_slices(change, tmp_path: Path) -> None:
    volume = numbered((3, 4, 6))
    assert np.array_equal(read_dicom(write_slices(tmp_path / "f", volume, change)), volume)


def test_what_is_no_image_is_passed_over_and_counted(tmp_path: Path, caplog) -> None:
    volume = numbered((3, 4, 5))
    folder = write_slices(tmp_path / "f", volume)
    (folder / "notes.txt").write_text("SECRET^NAME")
    (folder / "sub").mkdir()
    report = dicom_object(volume[0], 99)
    del report.PixelData
    report.SeriesInstanceUID = "1.2.826.99"
    report.save_as(folder / "report.dcm", enforce_file_format=True)
    with caplog.at_level(logging.INFO):
        assert np.array_equal(read_dicom(folder), volume)
    assert "passed over 2 entries that are no DICOM files, 1 DICOM files without an image" in caplog.text


def setting(**values):
    """A change that sets attributes of every slice."""
    return lambda data, number: [setattr(data, name, value) for name, value in values.items()]


def deleting(*names: str):
    """A change that takes attributes from every slice."""
    return lambda data, number: [delattr(data, name) for name in names]


def only(wanted: int, **values):
    """A change of one slice."""
    return lambda data, number: setting(**values)(data, number) if number == wanted else None


def second_echo(data, number: int) -> None:
    data.ImagePositionPatient, data.EchoTime = place(number // 2), (2.5, 5.0)[number % 2]


def compressed(data, number: int) -> None:
    data.file_meta.TransferSyntaxUID = pydicom.uid.JPEGLossless
    data.PixelData = pydicom.encaps.encapsulate([b"\xff\x4f\xff\x51" + bytes(60)])


def cut(data, number: int) -> None:
    if number == 2:
        data.PixelData = data.PixelData[:10]


BAD = {
    "gap": (only(4, ImagePositionPatient=place(6)), r"lacks slices: 5 came, every 2 mm"),
    "uneven": (lambda d, n: setattr(d, "ImagePositionPatient", place(n + 0.2 * (n > 2))), "lacks slices"),
    "one place": (setting(ImagePositionPatient=place(0)), "several images at one position"),
    "double": (only(4, ImagePositionPatient=place(1)), "several images at one position"),
    "echoes": (second_echo, r"several images at one position, told apart by EchoTime \(2.5, 5.0\)"),
    "same instance": (only(3, SOPInstanceUID="1.2.826.7.1"), r"000.dcm and 003.dcm are the same image"),
    "turned": (only(3, ImageOrientationPatient=list(CORONAL)), "slices of different directions"),
    "no orientation": (deleting("ImageOrientationPatient"), r"does not give the orientation.*enhanced multi-frame"),
    "no position": (deleting("ImagePositionPatient"), "does not give the position"),
    "no unit vectors": (setting(ImageOrientationPatient=[1, 0, 0, 1, 0, 0]), "no possible orientation"),
    "series": (only(1, SeriesInstanceUID="1.2.9"), "several DICOM series; give one folder for each"),
    "sizes": (only(1, Rows=2, Columns=8), r"mixes matrix sizes \[\(2, 8\), \(4, 4\)\]"),
    "spacing": (only(1, PixelSpacing=[2, 2]), "mixes pixel spacings"),
    "inverted": (setting(PhotometricInterpretation="MONOCHROME1"), "inverted.*MONOCHROME2"),
    "colour": (setting(PhotometricInterpretation="RGB", SamplesPerPixel=3, PlanarConfiguration=0), "in colour"),
    "palette": (setting(PhotometricInterpretation="PALETTE COLOR"), r"in colour \(PALETTE COLOR\)"),
    "phase": (setting(ImageType=["ORIGINAL", "PRIMARY", "P", "ND"]), "no magnitude image but P"),
    "component": (setting(ComplexImageComponent="REAL"), "no magnitude image but REAL"),
    "slope": (setting(RescaleSlope=0, RescaleIntercept=1), "the rescale slope 0"),
    "compressed": (compressed, r"compressed \(JPEG Lossless.*\) and no decoder"),
    "cut": (cut, "002.dcm is not a DICOM file, or damaged"),
    "huge": (setting(Rows=65535, Columns=65535), "promises 8.59 GB of voxels"),
    "no size": (deleting("Rows"), "is not a DICOM file, or damaged"),
    "no pixels": (deleting("PixelData"), "no DICOM files with images.*5 DICOM files without an image"),
}


@pytest.mark.parametrize("fault", BAD)
def test_files_that_make_no_volume_are_refused_by_name_without_naming_who_was_scanned(
    fault: str, tmp_path: Path
) -> None:
    change, message = BAD[fault]
    folder = write_slices(tmp_path / "f", numbered((5, 4, 4)), change)
    with pytest.raises(VolumeError, match=message) as caught:
        read_volume(folder)
    assert "SECRET" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_folder_without_dicom_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("no")
    with pytest.raises(VolumeError, match="1 entries that are no DICOM files"):
        read_volume(tmp_path)


def test_enhanced_object_with_too_few_positions_is_refused(tmp_path: Path) -> None:
    data = enhanced_object(numbered((3, 4, 5)), [(1.0, 0.0)] * 2)
    data.save_as(tmp_path / "all.dcm", enforce_file_format=True)
    with pytest.raises(VolumeError, match="more frames than entries"):
        read_volume(tmp_path)


def test_phase_encoding_along_the_rows_is_told(tmp_path: Path, caplog) -> None:
    volume = numbered((3, 4, 5))
    assert np.array_equal(
        read_dicom(write_slices(tmp_path / "f", volume, setting(InPlanePhaseEncodingDirection="ROW"))), volume
    )
    assert "x is taken for the readout, but was phase-encoded" in caplog.text


def test_signed_values_are_no_magnitude(tmp_path: Path, caplog) -> None:
    """A rescale to -4096..4095 marks Siemens' phases where nothing else does; a slight undershoot passes."""
    volume = numbered((3, 4, 5), "u2") % 4096
    phases = write_slices(tmp_path / "p", volume, setting(RescaleSlope=2, RescaleIntercept=-4096))
    with pytest.raises(VolumeError, match=r"p is signed: .* give magnitudes"):
        read_magnitude(phases)
    read_magnitude(write_slices(tmp_path / "m", volume, setting(RescaleSlope=1, RescaleIntercept=-60)))
    assert "m has negative voxels" in caplog.text
