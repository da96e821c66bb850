"""A replay over the wire: what the other end is sent, and what becomes of its answers."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import ismrmrd
import numpy as np
import pytest
from gadgetron.external.connection import Connection

from gadgets.configuration import configuration_of
from gadgets.errors import RemoteError, ScanFileError, StreamError
from gadgets.mrd.files import ScanFile
from gadgets.mrd.replay import Progress, configuration_message, connect, hosted, replay
from gadgets.multitasking.gadget import MultitaskingGadget
from tests.support.peer import CLOSE, ERROR, IMAGE, TEXT, message, with_length
from tests.support.replays import SHIPPED_XML, needs_torch, replay_here, rewrite_readouts


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


def read_all(stream) -> int:
    rest = bytearray()
    while not rest.endswith(message(CLOSE)):
        rest += stream.read1(2**16)
    return len(rest)


def some_image() -> bytes:
    image = ismrmrd.Image.from_array(np.ones((4, 4), np.float32), transpose=False, image_series_index=7)
    return message(IMAGE, image.to_bytes())


def test_remote_gadgetron_gets_the_whole_configuration_and_its_images_are_written(
    tmp_path: Path, short_file: Path
) -> None:
    def answer(sock, stream, seen) -> None:
        seen["bytes"] = read_all(stream)
        sock.sendall(message(TEXT, with_length(b"working")) + some_image() + message(CLOSE))

    with fake_gadgetron(answer) as (host, port, seen):
        assert send_to(host, port, short_file, tmp_path / "images.h5") == 1
    assert seen["config"] == (2, SHIPPED_XML.encode())
    assert seen["header"][0] == 3
    assert seen["bytes"] > 160 * 2 * 128 * 8
    with h5py.File(tmp_path / "images.h5") as file:
        assert np.all(file["dataset/image_7/data"][:] == 1)


def test_header_is_sent_without_the_version_that_gadgetron_hangs_on(tmp_path: Path, editable_copy: Path) -> None:
    with h5py.File(editable_copy, "r+") as file:
        file["dataset/xml"][0] = file["dataset/xml"][0].replace(b"<measurementI", b"<version>2</version><measurementI")
    with ScanFile(editable_copy) as file:
        written = file.header_xml
    assert b"<version>" in written

    def answer(sock, stream, seen) -> None:
        read_all(stream)
        sock.sendall(some_image() + message(CLOSE))

    with fake_gadgetron(answer) as (host, port, seen):
        send_to(host, port, editable_copy, tmp_path / "images.h5")
    sent = seen["header"][1]
    assert b"version>" not in sent
    assert ismrmrd.xsd.CreateFromDocument(sent).encoding == ismrmrd.xsd.CreateFromDocument(written).encoding
    assert len(written) - len(sent) < 70  # the version, and the free text of the sequence type


@pytest.mark.parametrize(
    ("last_words", "said"),
    [
        (
            message(TEXT, with_length(b"Gadget failed: no such module\0")),
            "the server said: Gadget failed: no such module;",
        ),
        (b"", "nor an error; see the server's log"),
    ],
)
def test_no_image_at_all_is_a_failure_and_replaces_no_output(
    tmp_path: Path, short_file: Path, last_words: bytes, said: str
) -> None:
    """Gadgetron forwards the error of a gadget as a text, and closes as if all were well."""
    (tmp_path / "images.h5").write_text("good")
    with (
        fake_gadgetron(lambda sock, stream, seen: sock.sendall(last_words + message(CLOSE))) as (host, port, _),
        pytest.raises(RemoteError, match=said),
    ):
        send_to(host, port, short_file, tmp_path / "images.h5")
    assert (tmp_path / "images.h5").read_text() == "good"


def test_images_before_a_failure_are_kept_as_incomplete(tmp_path: Path, short_file: Path) -> None:
    def answer(sock, stream, seen) -> None:
        sock.sendall(some_image() + message(ERROR, struct.pack("<Q", 6) + b"broken"))

    with (
        fake_gadgetron(answer) as (host, port, _),
        pytest.raises(RemoteError, match=r"broken .1 images that came before are kept in .*images.incomplete.h5"),
    ):
        send_to(host, port, short_file, tmp_path / "images.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["images.incomplete.h5"]


@pytest.mark.parametrize(
    ("text", "is_error"),
    [
        (b"malibu MultitaskingGadget: rank 200 is above", True),
        (b"Exception in gadget FFT: map::at", True),
        (b"ERROR   no space", True),
        (b"reconstruction of slice 3 failed", True),
        (b"INFO    relative error 0.02", False),
        (b"terrorised by progress: 50 %", False),
    ],
)
def test_an_error_as_text_after_images_is_a_failure(
    tmp_path: Path, short_file: Path, text: bytes, is_error: bool
) -> None:
    def answer(sock, stream, seen) -> None:
        read_all(stream)
        sock.sendall(some_image() + message(TEXT, with_length(text)) + message(CLOSE))

    (tmp_path / "images.h5").write_bytes(b"old")
    with fake_gadgetron(answer) as (host, port, _):
        if is_error:
            with pytest.raises(RemoteError, match=rf"{text.decode()} .1 images that came before are kept"):
                send_to(host, port, short_file, tmp_path / "images.h5")
        else:
            assert send_to(host, port, short_file, tmp_path / "images.h5") == 1
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == (["images.h5", "images.incomplete.h5"] if is_error else ["images.h5"])
    assert ((tmp_path / "images.h5").read_bytes() == b"old") == is_error


def test_a_scan_that_cannot_be_read_ends_the_waiting_and_is_the_cause(tmp_path: Path, editable_copy: Path) -> None:
    """The server would wait for more, and the client for its answer."""
    rewrite_readouts(
        editable_copy, lambda number, record: record["head"].__setitem__("active_channels", 2 if number < 99 else 0)
    )

    def answer(sock, stream, seen) -> None:
        seen["bytes"] = len(stream.read())

    start = time.monotonic()
    with (
        fake_gadgetron(answer) as (host, port, _),
        pytest.raises(ScanFileError, match=r"readout 100 of 164 .row 99.: its head says 128 samples of 0 coils"),
    ):
        send_to(host, port, editable_copy, tmp_path / "images.h5")
    assert time.monotonic() - start < 5


def test_an_output_that_cannot_be_written_ends_everything_at_once(tmp_path: Path, short_file: Path) -> None:
    (tmp_path / "file").touch()
    start = time.monotonic()
    for output, text in (
        (tmp_path / "file" / "images.h5", "cannot be written"),
        (tmp_path, "is a folder"),
        (short_file, "is the input itself"),
    ):
        with (
            pytest.raises(ScanFileError, match=text),
            ScanFile(short_file) as file,
            hosted(MultitaskingGadget()) as sock,
        ):
            replay(file, output, b"<configuration/>", sock, 600.0, Progress())
    assert time.monotonic() - start < 10
    with ScanFile(short_file) as file:
        assert len(file) == 164


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
    with pytest.raises(RemoteError, match=r"no server answers at 127\.0\.0\.1"):
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
    assert b"patientWeight" not in header


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
