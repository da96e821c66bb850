"""ISMRMRD v1 files become MRD v2 streams and come back the same; mrd-python agrees with every item."""

import io
import logging
import subprocess
from pathlib import Path
from typing import Any

import ismrmrd
import numpy as np
import pytest

from gadgets.consoles.mrd2.conversion import convert, schema_like
from gadgets.consoles.mrd2.v1_items import V1Items
from gadgets.consoles.mrd2.yardl.schema import read_schema
from gadgets.consoles.mrd2.yardl.yardl_stream import StreamReader
from gadgets.errors import ParameterError, StreamError
from gadgets.mrd.files import ImageFile, ScanFile, read_images
from gadgets.mrd.header import parse_header
from recon.errors import DataError
from tests.support.mrd2 import (
    in_2_0,
    in_2_2,
    installed_schema,
    mrd22_python,
    scan_items,
    small_scan,
    stream_of,
)

mrd = pytest.importorskip("mrd")

SCHEMAS = {"installed": read_schema, "as 2.0": in_2_0, "as 2.2": in_2_2}
HEADER = """<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><version>3</version>
<subjectInformation><patientName>N</patientName><patientWeight_kg>70.1</patientWeight_kg>
<patientBirthdate>1969-12-30</patientBirthdate><patientGender>F</patientGender></subjectInformation>
<studyInformation><studyDate>2026-11-27</studyDate><studyTime>23:59:58.25</studyTime></studyInformation>
<measurementInformation><measurementID>7</measurementID><patientPosition>FFDL</patientPosition>
<relativeTablePosition><x>1.5</x><y>-2.1</y><z>0</z></relativeTablePosition>
<measurementDependency><dependencyType>Noise</dependencyType><measurementID>6</measurementID></measurementDependency>
<referencedImageSequence><referencedSOPInstanceUID>1.2</referencedSOPInstanceUID></referencedImageSequence>
</measurementInformation>
<acquisitionSystemInformation><systemFieldStrength_T>2.893620</systemFieldStrength_T>
<coilLabel><coilNumber>3</coilNumber><coilName>C3</coilName></coilLabel></acquisitionSystemInformation>
<experimentalConditions><H1resonanceFrequency_Hz>123198300</H1resonanceFrequency_Hz></experimentalConditions>
<encoding><encodedSpace><matrixSize><x>320</x><y>160</y><z>1</z></matrixSize>
<fieldOfView_mm><x>540.3</x><y>270.15</y><z>8</z></fieldOfView_mm></encodedSpace>
<reconSpace><matrixSize><x>160</x><y>160</y><z>1</z></matrixSize>
<fieldOfView_mm><x>270.15</x><y>270.15</y><z>8</z></fieldOfView_mm></reconSpace>
<encodingLimits><kspace_encoding_step_1><minimum>0</minimum><maximum>159</maximum><center>80</center>
</kspace_encoding_step_1><user_3><minimum>1</minimum><maximum>2</maximum><center>1</center></user_3></encodingLimits>
<trajectory>goldenangle</trajectory>
<trajectoryDescription><identifier>I</identifier><userParameterLong><name>l</name><value>-4</value></userParameterLong>
<userParameterDouble><name>d</name><value>0.1</value></userParameterDouble></trajectoryDescription>
<parallelImaging><accelerationFactor><kspace_encoding_step_1>2</kspace_encoding_step_1>
<kspace_encoding_step_2>1</kspace_encoding_step_2></accelerationFactor><calibrationMode>separate</calibrationMode>
<interleavingDimension>average</interleavingDimension></parallelImaging><echoTrainLength>1</echoTrainLength></encoding>
<sequenceParameters><TR>3.6</TR><TE>1.61</TE><TI>21.3</TI><flipAngle_deg>5</flipAngle_deg>
<sequence_type>Flash</sequence_type><echo_spacing>3.3</echo_spacing></sequenceParameters>
<userParameters><userParameterDouble><name>golden_angle_deg</name><value>111.24611797498108</value>
</userParameterDouble><userParameterString><name>s</name><value>ä</value></userParameterString>
<userParameterBase64><name>b</name><value>AAECAw==</value></userParameterBase64></userParameters>
<waveformInformation><waveformName>E</waveformName><waveformType>respiratory</waveformType><userParameters/>
</waveformInformation></ismrmrdHeader>"""


def read_back(data: bytes) -> tuple[Any, list[Any]]:
    items = V1Items(StreamReader(io.BytesIO(data).read))
    return items.header, list(items.items())


def assert_same(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    heads = [item.getHead() for item in (one, other)]
    if isinstance(one, ismrmrd.Image):
        assert dict(one.meta) == dict(other.meta)
        for head in heads:
            head.attribute_string_len = 0
    assert bytes(heads[0]) == bytes(heads[1])
    assert one.data.dtype == other.data.dtype
    np.testing.assert_array_equal(one.data, other.data)
    if isinstance(one, ismrmrd.Acquisition):
        np.testing.assert_array_equal(one.traj, other.traj)


def odd_readout() -> ismrmrd.Acquisition:
    """A readout of which every field of the head has a value of its own."""
    rng = np.random.default_rng(1)
    head = ismrmrd.AcquisitionHeader.from_buffer_copy(rng.integers(1, 63, 340, np.uint8).tobytes())
    head.version, head.number_of_samples, head.trajectory_dimensions = 1, 7, 3
    head.active_channels = head.available_channels = 2
    head.sample_time_us = 2.5
    data = (rng.standard_normal((2, 7)) + 1j * rng.standard_normal((2, 7))).astype(np.complex64)
    return ismrmrd.Acquisition(head, data, rng.standard_normal((7, 3)).astype(np.float32))


def odd_images() -> list[ismrmrd.Image]:
    """Images of every pixel type, of which every field of the head has a value of its own."""
    rng = np.random.default_rng(2)
    images = []
    for number, dtype in enumerate(("u2", "i2", "u4", "f4", "f8", "c8", "c16")):
        pixels = (rng.standard_normal((2, 3, 4, 5)) * 1000).astype(np.int32).astype(dtype)
        image = ismrmrd.Image.from_array(pixels, transpose=False)
        own, head = image.getHead(), ismrmrd.ImageHeader.from_buffer_copy(rng.integers(1, 63, 198, np.uint8).tobytes())
        head.version, head.data_type, head.matrix_size[:], head.channels = 1, own.data_type, own.matrix_size[:], 2
        head.image_type, head.image_series_index, head.attribute_string_len = 1 + number % 6, number, 0
        odd = ismrmrd.Image(head, "")
        odd.data[:] = pixels
        odd.meta = ismrmrd.Meta(
            {"a": "007", "b": ["1", "2.50", "0.25", "-3", "1e5", "text <ä>"], "c": "9" * 30, "d": "nan"}
        )
        images.append(odd)
    return images


@pytest.mark.parametrize("version", SCHEMAS)
def test_everything_comes_back_from_every_version(version: str) -> None:
    schema = SCHEMAS[version](installed_schema().text)
    header, items = scan_items()
    items = [*items, odd_readout(), *odd_images()]
    read_header, back = read_back(stream_of(header, items, schema))
    assert read_header == header
    assert len(back) == len(items)
    for one, other in zip(items, back, strict=True):
        assert_same(one, other)


def test_every_element_of_a_header_comes_back() -> None:
    header = parse_header(HEADER)
    assert read_back(stream_of(header, [odd_readout()]))[0] == header


def test_mrd_python_reads_the_same_values(tmp_path: Path) -> None:
    items = scan_items()[1]
    path = tmp_path / "scan.mrd"
    path.write_bytes(stream_of(parse_header(HEADER), [*items, odd_readout(), *odd_images()]))
    with mrd.BinaryMrdReader(str(path)) as reader:
        their_header, theirs = reader.read_header(), [item.value for item in reader.read_data()]
    assert their_header.encoding[0].trajectory == mrd.Trajectory.GOLDENANGLE
    assert their_header.sequence_parameters.t_i == [np.float32(21.3)]
    assert str(their_header.study_information.study_date) == "2026-11-27"
    assert their_header.user_parameters.user_parameter_base64[0].value == "AAECAw=="
    odd, read = odd_readout(), theirs[len(items)]
    np.testing.assert_array_equal(read.data, odd.data)
    np.testing.assert_array_equal(read.trajectory, odd.traj.T)
    assert read.head.idx.user == list(odd.getHead().idx.user)
    assert read.head.idx.kspace_encode_step_2 == odd.idx.kspace_encode_step_2
    assert read.head.user_float == list(odd.user_float)
    assert read.head.acquisition_time_stamp == odd.acquisition_time_stamp
    np.testing.assert_array_equal(read.head.phase_dir, odd.phase_dir[:])
    for image, ours in zip(theirs[len(items) + 1 :], odd_images(), strict=True):
        assert image.data.dtype == ours.data.dtype
        np.testing.assert_array_equal(image.data, ours.data)
        np.testing.assert_array_equal(image.head.col_dir, ours.read_dir[:])
        assert image.head.image_index == ours.image_index
        assert [one.value for one in image.meta["b"]] == [1, "2.50", 0.25, -3, "1e5", "text <ä>"]


def test_what_mrd_python_writes_is_read_the_same() -> None:
    out = io.BytesIO()
    acquisition = mrd.Acquisition(
        data=np.arange(8, dtype=np.complex64).reshape(2, 4), trajectory=np.arange(12, dtype=np.float32).reshape(3, 4)
    )
    acquisition.head.flags, acquisition.head.user_int = mrd.AcquisitionFlags.IS_REVERSE, [-5]
    wave = mrd.WaveformUint32(data=np.array([[1, 2**31, 300]], np.uint32), waveform_id=4, time_stamp=9)
    image = mrd.Image[np.int32](
        head=mrd.ImageHeader(image_type=mrd.ImageType.PHASE),
        data=np.array([-1, 2**31 - 1], np.int32).reshape(1, 1, 1, 2),
        meta={"x": [mrd.ImageMetaValue.Float64(0.1)]},
    )
    unknown = mrd.StreamItem.ArrayComplexFloat(np.ones((2, 2), np.complex64))
    with mrd.BinaryMrdWriter(out) as writer:
        writer.write_header(mrd.Header())
        writer.write_data([mrd.StreamItem.Acquisition(acquisition), unknown])
        writer.write_data([mrd.StreamItem.WaveformUint32(wave), mrd.StreamItem.ImageInt32(image)])
    _, (readout, waveform, picture) = read_back(out.getvalue())
    np.testing.assert_array_equal(readout.data, acquisition.data)
    np.testing.assert_array_equal(readout.traj, acquisition.trajectory.T)
    assert (readout.flags, readout.scan_counter, list(readout.user_int)) == (2**21, 0, [-5] + 7 * [0])
    np.testing.assert_array_equal(waveform.data, wave.data)
    assert (waveform.waveform_id, waveform.time_stamp) == (4, 9)
    np.testing.assert_array_equal(picture.data, image.data)
    assert (picture.meta["x"], picture.image_type) == ("0.1", ismrmrd.IMTYPE_PHASE)


def test_the_phantom_of_mrd_tools_becomes_a_file(tmp_path: Path) -> None:
    from mrd.tools import phantom

    path = tmp_path / "phantom.mrd"
    with path.open("wb") as file:
        phantom.generate(file, 16, 3, 2, 1, 0.05)
    assert convert(path, tmp_path / "phantom.h5") == 48
    with ScanFile(tmp_path / "phantom.h5") as scan, mrd.BinaryMrdReader(str(path)) as reader:
        theirs = reader.read_header().encoding[0].encoded_space.matrix_size.x
        assert scan.header.encoding[0].encodedSpace.matrixSize.x == theirs == 32
        for ours, read in zip(scan.acquisitions(), reader.read_data(), strict=True):
            np.testing.assert_array_equal(ours.data, read.value.data)
            assert ours.scan_counter == read.value.head.scan_counter


def test_files_there_and_back(tmp_path: Path) -> None:
    assert convert(small_scan(), tmp_path / "scan.mrd") == convert(tmp_path / "scan.mrd", tmp_path / "scan.h5")
    with ScanFile(small_scan()) as before, ScanFile(tmp_path / "scan.h5") as after:
        assert before.header == after.header
        for one, other in zip(before.items(), after.items(), strict=True):
            assert_same(one, other)
    with ImageFile(tmp_path / "images.h5", HEADER.encode()) as images:
        for image in odd_images():
            images.append(image)
    convert(tmp_path / "images.h5", tmp_path / "images.mrd", like=tmp_path / "scan.mrd")
    convert(tmp_path / "images.mrd", tmp_path / "again.h5")
    before, after = read_images(tmp_path / "images.h5"), read_images(tmp_path / "again.h5")
    for series in before:
        assert_same(before[series][0], after[series][0])


def test_what_is_lost_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    one = odd_readout()
    head = one.getHead()
    head.available_channels, head.sample_time_us = 9, 1 / 3
    one = ismrmrd.Acquisition(head, one.data, one.traj)
    schema = in_2_2(installed_schema().text)
    with caplog.at_level(logging.WARNING):
        read_back(stream_of(scan_items()[0], [one, one], schema))
    said = sorted(record.message for record in caplog.records)
    assert len(said) == 2
    assert said[0].startswith("available_channels")
    assert "nanoseconds" in said[1]


def test_a_trajectory_as_mrds_own_converter_writes_it_is_understood(caplog: pytest.LogCaptureFixture) -> None:
    """ismrmrd_to_mrd of mrd-python 2.2.1 copies v1's (samples, dims)."""
    acquisition = mrd.Acquisition(
        data=np.ones((1, 5), np.complex64), trajectory=np.arange(10, dtype=np.float32).reshape(5, 2)
    )
    out = io.BytesIO()
    with mrd.BinaryMrdWriter(out) as writer:
        writer.write_header(mrd.Header())
        writer.write_data([mrd.StreamItem.Acquisition(acquisition)])
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(read_back(out.getvalue())[1][0].traj, acquisition.trajectory)
    assert "(samples, basis)" in caplog.text


@pytest.mark.parametrize(("phase", "is_refused"), [(np.zeros(7), False), (np.full(7, 0.1), True)])
def test_phases_of_2_2_are_refused_unless_they_are_zero(phase: np.ndarray, is_refused: bool) -> None:
    from gadgets.consoles.mrd2.item_records import acquisition_of, acquisition_record
    from gadgets.consoles.mrd2.said_once import Losses

    record = acquisition_record(odd_readout(), True, Losses()) | {"phase": phase}
    if is_refused:
        with pytest.raises(DataError, match="phase array"):
            acquisition_of(record, Losses())
    else:
        assert_same(acquisition_of(record, Losses()), odd_readout())


def test_nanoseconds_are_ticks_of_two_and_a_half_milliseconds() -> None:
    from gadgets.consoles.mrd2.said_once import Losses
    from gadgets.consoles.mrd2.units import both_stamps, ticks

    assert both_stamps("timeStamp", 4) == {"timeStamp": 4, "timeStampNs": 10_000_000}
    losses = Losses()
    assert ticks({"timeStampNs": 10_000_000}, "timeStamp", losses) == 4
    assert not losses.said
    assert ticks({"timeStampNs": 11_300_000}, "timeStamp", losses) == 5
    assert ticks({"timeStampNs": (2**32 + 3) * 2_500_000}, "timeStamp", losses) == 3
    assert len(losses.said) == 2
    assert ticks({"timeStamp": 7, "timeStampNs": 0}, "timeStamp", losses) == 7


def test_without_a_schema_both_remedies_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "mrd", None)
    with pytest.raises(ParameterError, match=r"--like FILE\.mrd.*pip install mrd-python"):
        schema_like(None)
    with pytest.raises(ParameterError, match=r"NAME\.mrd"):
        convert(small_scan(), tmp_path / "other.h5")


def test_counters_that_v1_cannot_hold_are_refused() -> None:
    acquisition = mrd.Acquisition(data=np.ones((1, 5), np.complex64))
    acquisition.head.idx.slice = 70_000
    out = io.BytesIO()
    with mrd.BinaryMrdWriter(out) as writer:
        writer.write_header(mrd.Header())
        writer.write_data([mrd.StreamItem.Acquisition(acquisition)])
    with pytest.raises(StreamError, match="slice is 70000"):
        read_back(out.getvalue())


@pytest.mark.parametrize("kind", ["header", "items"])
def test_a_stream_cut_at_any_byte_says_so(kind: str) -> None:
    header, items = scan_items()
    whole = stream_of(header, [items[0], *odd_images()[:1]])
    start = len(installed_schema().text)
    lengths = range(1, start, 997) if kind == "header" else range(start, len(whole), 3)
    for length in lengths:
        with pytest.raises(StreamError, match="cut"):
            read_back(whole[:length])


def test_a_stream_without_items_or_header_says_so() -> None:
    header, _ = scan_items()
    with pytest.raises(StreamError, match="none of its 0 items"):
        read_back(stream_of(header, []))
    with pytest.raises(StreamError, match="no header"):
        read_back(stream_of(None, [odd_readout()]))
    with pytest.raises(StreamError, match="no MRD v2 stream"):
        read_back(b"Hello, world")


def test_mrd_python_2_2_reads_and_writes_the_same(tmp_path: Path) -> None:
    python = mrd22_python()
    if python is None:
        pytest.skip("no interpreter with mrd-python 2.2: set MALIBU_MRD22_PYTHON, or make .pythons/mrd22 (Python 3.12)")
    phantom, scan, copy = (tmp_path / name for name in ("phantom.mrd", "scan.mrd", "copy.mrd"))
    with phantom.open("wb") as file:
        subprocess.run([python, "-m", "mrd.tools.phantom", "-m", "16", "-c", "2"], stdout=file, check=True, env={})
    assert convert(phantom, tmp_path / "phantom.h5") == 16  # lines; that of 2.1 has 32 noise scans before
    header, items = scan_items()
    items = [*items, odd_readout(), *odd_images()]
    scan.write_bytes(stream_of(header, items, schema_like(phantom)))
    copying = (
        "import mrd, sys\n"
        "with mrd.BinaryMrdReader(sys.argv[1]) as r, mrd.BinaryMrdWriter(sys.argv[2]) as w:\n"
        "    w.write_header(r.read_header()); w.write_data(r.read_data())"
    )
    subprocess.run([python, "-c", copying, scan, copy], check=True, env={})
    read_header, back = read_back(copy.read_bytes())
    assert read_header == header
    for one, other in zip(items, back, strict=True):
        assert_same(one, other)
