"""What was received is kept when a gadget fails or is told to end, and nothing hides the cause."""

import signal
import stat
import time
from pathlib import Path

import ismrmrd
import numpy as np
import pytest

from gadgets.errors import ParameterError, RemoteError
from gadgets.mrd.files import ScanFile
from gadgets.mrd.intake.measurement import Measurement
from gadgets.mrd.rescue import check_rescue_folder, rescued
from tests.support.peer import CLOSE, Peer, message, scan_messages
from tests.support.replays import needs_torch, replay_here


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_keeps_the_scan_and_tells_the_client(
    tmp_path: Path, short_file: Path, number: signal.Signals, code: int
) -> None:
    folder = tmp_path / "rescue"
    configuration = (
        f"<configuration><reconstruction>backprojection</reconstruction><rescue_folder>{folder}</rescue_folder>"
        "</configuration>"
    )
    with Peer() as peer:
        peer.send(b"".join(scan_messages(short_file, configuration.encode())[:73]))
        deadline = time.monotonic() + 60
        while not folder.is_dir() and time.monotonic() < deadline:
            time.sleep(0.1)  # made when the parameters were read
        time.sleep(2)
        peer.process.send_signal(number)
        answer = peer.receive()
        ended = peer.finish()
    assert ended[0] == code, ended[1]
    assert answer.errors == [f"malibu MultitaskingGadget: the process was told to end ({number.name})"]
    (kept,) = folder.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    with ScanFile(kept) as scan:
        assert len(scan) == 71


def test_a_folder_that_cannot_be_written_is_refused_before_the_scan(tmp_path: Path, short_file: Path) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "rescue"
    with pytest.raises(ParameterError, match=r"rescue_folder: the folder .*file/rescue cannot be written"):
        check_rescue_folder(str(folder))
    with Peer() as peer:
        configuration = f"<configuration><rescue_folder>{folder}</rescue_folder></configuration>"
        peer.send(b"".join(scan_messages(short_file, configuration.encode())[:5]) + message(CLOSE))
        answer = peer.receive()
    assert "rescue_folder: the folder" in answer.errors[0]


class Measured(Measurement):
    """A measurement whose readouts cannot be written."""

    acquisitions = property(lambda self: 1 / 0)


def test_a_rescue_that_fails_does_not_hide_the_cause(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    measurement = Measured()
    measurement.add(ismrmrd.Acquisition.from_array(np.ones((1, 4), np.complex64)))

    def fail() -> None:
        with rescued(measurement, ismrmrd.xsd.ismrmrdHeader, str(tmp_path)):
            raise MemoryError("the cause")

    with pytest.raises(MemoryError, match="the cause"):
        fail()
    assert "the raw data could not be kept" in caplog.text
    assert not list(tmp_path.iterdir())


@needs_torch
@pytest.mark.parametrize("preview", ["false", "true"])
def test_a_scan_is_kept_if_no_network_can_be_loaded_with_a_preview_or_without(
    preview: str, tmp_path: Path, short_file: Path
) -> None:
    folder = tmp_path / "rescue"
    settings = {"weights": "/nowhere.safetensors", "rescue_folder": str(folder), "preview": preview}
    with pytest.raises(RemoteError, match="weights"):
        replay_here(short_file, tmp_path / "images.h5", reconstruction="mdcn", **settings)
    assert len(list(folder.iterdir())) == 1


def test_two_scans_of_one_stream_are_kept_beside_each_other(tmp_path: Path, short_file: Path) -> None:
    with ScanFile(short_file) as scan:
        first, header = Measurement.of(scan.items()), scan.header
    second = Measurement(number=1)
    for readout in first.acquisitions[-20:]:
        second.add(readout)
    for measurement in (first, second):
        with pytest.raises(ZeroDivisionError), rescued(measurement, header, str(tmp_path)):
            _ = 1 / 0
    assert len(list(tmp_path.glob("malibu-rescue-*.h5"))) == 2
