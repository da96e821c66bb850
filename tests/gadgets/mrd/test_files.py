"""Files that malibu writes, read by others; replays that fail leave nothing that looks complete."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import ismrmrd
import numpy as np
import pytest
from gadgetron.external.connection import Connection

from gadgets.configuration import configuration_of
from gadgets.errors import RemoteError, StreamError
from gadgets.files import complete_file
from gadgets.mrd.files import ScanFile
from gadgets.mrd.replay import Progress, configuration_message, connect, hosted, replay
from gadgets.multitasking.gadget import MultitaskingGadget
from gadgets.multitasking.series import SERIES
from recon.errors import DataError
from recon.multitasking.selection import frame_spokes
from recon.simulation.chest import PRESETS
from tests.support.peer import CLOSE, ERROR, IMAGE, TEXT, message, with_length
from tests.support.replays import SHIPPED_XML, needs_torch, replay_here

TICK_MS = 1


def test_simulated_scan_read_with_h5py_by_hand(tiny_file: Path) -> None:
    protocol = PRESETS["tiny"]
    with h5py.File(tiny_file) as file:
        heads = file["dataset/data"]["head"]
        first = file["dataset/data"][protocol.noise_readouts + 1]
        assert file["dataset/xml"].shape == (1,)
    noise = (heads["flags"] >> 18) & 1 == 1
    navigator = (heads["flags"] >> 22) & 1 == 1
    assert np.flatnonzero(noise).tolist() == list(range(protocol.noise_readouts))
    assert navigator[~noise].tolist() == [True, False] * (protocol.readouts // 2)
    assert (heads["flags"][-1] >> 24) & 1 == 1
    assert heads["scan_counter"].tolist() == list(range(1, len(heads) + 1))
    assert first["data"].shape == (2 * protocol.coils * protocol.samples,)
    reach = np.abs(first["traj"]).max()
    assert 0.49 < reach <= 0.5
    imaging = heads[~noise]
    assert imaging["idx"]["segment"].max() == protocol.readouts_per_inversion // 2 - 1
    assert np.all(np.diff(imaging["idx"]["repetition"].astype(int)) >= 0)
    elapsed = np.diff(imaging["acquisition_time_stamp"].astype(int)) * TICK_MS
    assert set(elapsed.tolist()) <= {5, 10}  # TR, and TR with the inversion's delay
    assert np.all(imaging["physiology_time_stamp"][:, 0] < 1700)


def test_simulated_scan_read_with_ismrmrd_dataset(tiny_file: Path) -> None:
    protocol = PRESETS["tiny"]
    dataset = ismrmrd.Dataset(str(tiny_file), "dataset", mode="r")
    header = ismrmrd.xsd.CreateFromDocument(dataset.read_xml_header())
    assert dataset.number_of_acquisitions() == protocol.noise_readouts + protocol.readouts
    readout = dataset.read_acquisition(protocol.noise_readouts + 5)
    assert readout.data.shape == (protocol.coils, protocol.samples)
    assert readout.traj.shape == (protocol.samples, 2)
    assert dataset.number_of_waveforms() > 0
    assert {dataset.read_waveform(number).waveform_id for number in range(2)} == {0, 2}
    dataset.close()
    encoding = header.encoding[0]
    assert (encoding.encodedSpace.matrixSize.x, encoding.reconSpace.matrixSize.x) == (128, 64)
    assert encoding.reconSpace.fieldOfView_mm.x == 270
    sequence = header.sequenceParameters
    assert (sequence.TR, sequence.TI, sequence.flipAngle_deg) == ([5.0], [5.0], [5.0])
    assert encoding.trajectory.value == "goldenangle"


def test_truth_beside_the_scan(tiny_file: Path) -> None:
    protocol = PRESETS["tiny"]
    with h5py.File(tiny_file.with_suffix(".truth.h5")) as truth:
        assert truth["images"].shape == (len(truth["image_time_s"]), 64, 64)
        assert truth["coil_maps"].shape == (4, 64, 64)
        absent = truth["tissue"].attrs["names"].tolist().index("infarct")
        assert set(np.unique(truth["tissue"])) == set(range(len(truth["tissue"].attrs["names"]))) - {absent}
        assert truth["shape"].attrs["names"].tolist()[truth["shape"][32, 36]] == "left ventricle"
        assert truth["signal/blood"].shape == (protocol.readouts,)
        assert 1800 <= truth["signal/blood"].attrs["t1_ms"] <= 2000
        assert truth["t1_ms"][32, 32] > 700
        for name in ("cardiac_phase", "respiratory_phase", "displacement_mm", "time_s", "is_ectopic", "contraction"):
            assert truth[f"readout/{name}"].shape == (protocol.readouts,)


def test_images_read_with_h5py_by_hand(tiny_file: Path, tiny_images: dict[int, list[ismrmrd.Image]]) -> None:
    expected = {
        "time_average": (1, "<f4"),
        "realtime": (40, "<f4"),
        "basis_maps": (32, None),
        "temporal_basis": (1, None),
        "cine_bright": (20, "<f4"),
        "cine_dark": (20, "<f4"),
        "t1_recovery": (20, "<f4"),
        "t1_map": (1, "<u2"),
        "t1_uncertainty": (1, "<u2"),
        "gating": (1, "<f4"),
    }
    with h5py.File(tiny_file.with_name("images.h5")) as file:
        assert set(file["dataset"]) == {"xml", *(f"image_{SERIES[kind].number}" for kind in expected)}
        for kind, (count, dtype) in expected.items():
            group = file[f"dataset/image_{SERIES[kind].number}"]
            header, data = group["header"][:], group["data"]
            assert header["image_index"].tolist() == list(range(1, count + 1))
            assert set(header["image_series_index"]) == {SERIES[kind].number}
            assert data.dtype == (dtype or np.dtype([("real", "<f4"), ("imag", "<f4")]) if dtype is None else dtype)
            assert data.shape[1:3] == (1, 1)
            for text in group["attributes"][:]:
                assert b"research use only" in text
                assert text.isascii()  # ismrmrd's own reader decodes it as ASCII
    with ismrmrd.File(str(tiny_file.with_name("images.h5")), "r") as file:
        assert len(file["dataset"]["image_2"].images) == 40


def test_meta_of_every_image(tiny_images: dict[int, list[ismrmrd.Image]]) -> None:
    from gadgets import __version__

    for kind, number in SERIES.items():
        for image in tiny_images.get(number, ()):
            meta = image.meta
            assert meta["MalibuUnresolved"] == "respiration"
            assert meta["MalibuVersion"] == __version__
            assert meta["MalibuReconstruction"] == "backprojection"
            assert '"rank": 32' in meta["MalibuParameters"]
            assert float(meta["WindowWidth"]) > 0
            assert meta["GADGETRON_WindowCenter"] == meta["WindowCenter"]
            assert meta["GADGETRON_ImageComment"] == meta["ImageComments"]
            assert "rescue_folder" not in meta["MalibuParameters"]
            is_complex = kind in ("basis_maps", "temporal_basis")
            assert image.image_type == (ismrmrd.IMTYPE_COMPLEX if is_complex else ismrmrd.IMTYPE_MAGNITUDE)
    magnitude = tiny_images[2][-1]
    center, width = float(magnitude.meta["WindowCenter"]), float(magnitude.meta["WindowWidth"])
    inside = np.mean(magnitude.data <= center + width / 2)
    assert inside > 0.98
    assert len({image.meta["WindowWidth"] for image in tiny_images[2]}) == 1


def test_frames_on_demand() -> None:
    inversion = np.repeat([1, 2, 3], [100, 100, 30])
    auto = frame_spokes("auto", inversion)
    assert len(auto) == 40
    assert (auto[0], auto[-1]) == (100, 199)
    assert frame_spokes("10:20:5", inversion).tolist() == [10, 15]
    assert frame_spokes("-3:", inversion).tolist() == [227, 228, 229]
    with pytest.raises(DataError, match="selects none of the 230"):
        frame_spokes("300:400", inversion)


def test_file_takes_its_name_only_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail() -> None:
        with complete_file(path) as partial:
            partial.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_only_the_images_asked_for_are_sent(tmp_path: Path, short_file: Path) -> None:
    images = replay_here(short_file, tmp_path / "images.h5", rank="3", images="basis_maps")
    assert {number: len(group) for number, group in images.items()} == {SERIES["basis_maps"].number: 3}
    assert "MalibuStageSeconds" in images[SERIES["basis_maps"].number][0].meta


@contextmanager
def fake_gadgetron(answer) -> Iterator[tuple[str, int, dict]]:
    """A TCP server that reads CONFIG and HEADER like Gadgetron and leaves the rest to ``answer(socket, seen)``."""
    seen: dict = {}
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        sock, _ = server.accept()
        with sock, sock.makefile("rb") as stream:
            for name in ("config", "header"):
                number, length = struct.unpack("<HI", stream.read(6))
                seen[name] = (number, stream.read(length))
            answer(sock, stream, seen)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield (*server.getsockname(), seen)
    finally:
        server.close()
        thread.join(20)


def send_to(host: str, port: int, scan: Path, output: Path) -> int:
    with ScanFile(scan) as file, connect(host, port) as sock:
        return replay(file, output, SHIPPED_XML.encode(), sock, 20.0, Progress())


def some_image() -> bytes:
    image = ismrmrd.Image.from_array(np.ones((4, 4), np.float32), transpose=False, image_series_index=7)
    return message(IMAGE, image.to_bytes())


def test_remote_gadgetron_gets_the_whole_configuration_and_its_images_are_written(
    tmp_path: Path, short_file: Path
) -> None:
    def answer(sock, stream, seen) -> None:
        rest = bytearray()
        while not rest.endswith(message(CLOSE)):
            rest += stream.read1(2**16)
        seen["bytes"] = len(rest)
        sock.sendall(message(TEXT, with_length(b"working")) + some_image() + message(CLOSE))

    with fake_gadgetron(answer) as (host, port, seen):
        assert send_to(host, port, short_file, tmp_path / "images.h5") == 1
    assert seen["config"] == (2, SHIPPED_XML.encode())
    assert seen["header"][0] == 3
    assert seen["bytes"] > 160 * 2 * 128 * 8
    with h5py.File(tmp_path / "images.h5") as file:
        assert np.all(file["dataset/image_7/data"][:] == 1)


def test_images_before_a_failure_are_kept_as_incomplete(tmp_path: Path, short_file: Path) -> None:
    def answer(sock, stream, seen) -> None:
        sock.sendall(some_image() + message(ERROR, struct.pack("<Q", 6) + b"broken"))

    with (
        fake_gadgetron(answer) as (host, port, _),
        pytest.raises(RemoteError, match=r"broken .1 images that came before are kept in .*images.incomplete.h5"),
    ):
        send_to(host, port, short_file, tmp_path / "images.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["images.incomplete.h5"]


@pytest.mark.parametrize("last_words", [b"", message(4711), message(IMAGE, b"half")])
def test_server_that_breaks_off_is_an_error(tmp_path: Path, short_file: Path, last_words: bytes) -> None:
    with (
        fake_gadgetron(lambda sock, stream, seen: sock.sendall(last_words)) as (host, port, _),
        pytest.raises(StreamError),
    ):
        send_to(host, port, short_file, tmp_path / "images.h5")
    assert not list(tmp_path.iterdir())


def test_nobody_at_home(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(RemoteError, match=r"no Gadgetron answers at 127\.0\.0\.1"):
        connect("127.0.0.1", port)


class DefectiveGadget:
    def handle(self, connection: Connection) -> None:
        raise ZeroDivisionError("before the stream was guarded")


def test_defect_of_a_hosted_gadget_is_raised_as_it_is(tmp_path: Path, short_file: Path) -> None:
    with (
        pytest.raises(ZeroDivisionError, match="before the stream"),
        ScanFile(short_file) as file,
        hosted(DefectiveGadget()) as sock,
    ):
        replay(file, tmp_path / "images.h5", b"<configuration/>", sock, 20.0, Progress())


def replay_with_patient(scan: Path, output: Path, **overrides: str) -> None:
    with h5py.File(scan, "r+") as file:
        xml = file["dataset/xml"][0]
        subject = b"<subjectInformation><patientName>DOE^JANE</patientName><patientWeight_kg>70</patientWeight_kg>"
        subject += b"<patientID>4711</patientID><patientBirthdate>1970-01-01</patientBirthdate></subjectInformation>"
        start = xml.index(b"<measurementInformation>")
        file["dataset/xml"][0] = xml[:start] + subject + xml[start:]
    element = configuration_of(SHIPPED_XML, "MultitaskingGadget")
    with ScanFile(scan) as file, hosted(MultitaskingGadget()) as sock:
        replay(file, output, configuration_message(element, overrides), sock, 60.0, Progress())


@needs_torch
def test_patient_is_in_no_output_and_no_log(
    tmp_path: Path, editable_copy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    replay_with_patient(editable_copy, tmp_path / "images.h5", rank="3")
    with h5py.File(tmp_path / "images.h5") as file:
        header = bytes(file["dataset/xml"][0])
    written = (tmp_path / "images.h5").read_bytes() + caplog.text.encode()
    for identifier in (b"DOE", b"4711", b"1970-01-01"):
        assert identifier not in header
        assert identifier not in written
    assert b"<patientWeight_kg>70" in header


@needs_torch
def test_failed_scan_is_kept_when_asked_and_can_be_replayed(tmp_path: Path, editable_copy: Path) -> None:
    rescue = tmp_path / "rescued"
    wrong = {"rank": "200", "temporal_model": "realtime"}
    with pytest.raises(RemoteError, match="rank 200 is above"):
        replay_with_patient(editable_copy, tmp_path / "images.h5", **wrong, rescue_folder=str(rescue))
    (kept,) = rescue.iterdir()
    assert b"DOE" not in kept.read_bytes()
    again = replay_here(kept, tmp_path / "again.h5", rank="3")
    straight = replay_here(editable_copy, tmp_path / "straight.h5", rank="3")
    assert np.array_equal(again[1][0].data, straight[1][0].data)
