"""The server as a process: who connects early is served, whoever goes wrong harms nobody else."""

import inspect
import json
import os
import re
import signal
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from gadgets.cli.serve import serve
from gadgets.errors import ParameterError
from gadgets.mrd.files import read_images
from tests.support.command import malibu
from tests.support.connections import QUICK, Scan, main, small_scan
from tests.support.fire import FireAnswer, send
from tests.support.peer import CLOSE, CONFIG, HEADER, Reader, message, with_length
from tests.support.server import Server


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Scan:
    return small_scan(tmp_path_factory.mktemp("scan"))


def test_good_consoles_get_their_images_beside_every_kind_of_broken_one() -> None:
    """As many connections as there are ways to go wrong, and four good ones for each."""
    assert main(50) == 0


def test_side_by_side_and_after_a_worker_s_death(scan: Scan, tmp_path: Path) -> None:
    with Server(tmp_path / "log", "--workers", "2") as server:
        answers: list[FireAnswer] = []
        consoles = [threading.Thread(target=lambda: answers.append(server.speak(scan.whole()))) for _ in range(4)]
        for console in consoles:
            console.start()
        for console in consoles:
            console.join(100)
        assert [len(answer.images) for answer in answers] == [1, 1, 1, 1]
        workers = server.workers()
        assert len(workers) == 2
        os.kill(workers[0], signal.SIGKILL)
        until_s = time.monotonic() + 300
        while (now := server.workers()) == workers or len(now) < 2:
            assert time.monotonic() < until_s
            time.sleep(0.1)
        assert [len(server.speak(scan.whole()).images) for _ in range(3)] == [1, 1, 1]
    assert server.exit_code == 0
    assert "ended with exit code -9" in server.log.read_text()
    assert not server.workers()


def test_a_scan_that_is_cut_by_the_server_s_end_is_kept(scan: Scan, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    with Server(tmp_path / "log", "--set", f"rescue_folder={kept}") as server:
        sock = server.connect()
        sock.sendall(b"".join(scan.whole()[:-20]))
        until_s = time.monotonic() + 300
        while "is loaded" not in (text := server.log.read_text()) and "NUFFT back end" not in text:
            assert time.monotonic() < until_s, text
            time.sleep(0.1)
        time.sleep(0.5)
    sock.close()
    assert server.exit_code == 0
    assert len(list(kept.glob("malibu-rescue-*.h5"))) == 1


def test_gadgetron_s_connect_mode(scan: Scan, tmp_path: Path) -> None:
    """A Gadgetron dials, and sends its <configuration>, a header and items; errors are ERROR messages."""
    quick = {name: value for name, value in QUICK.items() if name != "skipinversions"} | {"skip_inversions": "0"}
    sets = [word for name, value in quick.items() for word in ("--set", f"{name}={value}")]
    with Server(tmp_path / "log", "--console", "gadgetron", *sets) as server:
        answers = []
        for configuration in (b"<configuration/>", b"", b"<configuration><rank>0</rank></configuration>"):
            with server.connect() as sock:
                opening = message(CONFIG, with_length(configuration)) + message(HEADER, with_length(scan.xml))
                send(sock, [opening, *scan.readouts, message(CLOSE)])
                answers.append(Reader(sock).everything())
    assert [len(answer.images) for answer in answers] == [1, 1, 0]
    assert answers[0].images[0][2].dtype == np.float32
    assert answers[0].closes == 1
    assert "rank" in answers[2].errors[0]


def test_a_port_that_is_taken_is_told(scan: Scan) -> None:
    from gadgets.consoles.serving.port import listen

    with listen("127.0.0.1", 0) as taken, pytest.raises(ParameterError, match="choose another --host or --port"):
        listen("127.0.0.1", taken.getsockname()[1])


def test_replay_speaks_with_the_server(tmp_path: Path) -> None:
    """A user's file through the server is what it is without one; an error is what the server's log says."""
    pytest.importorskip("torch")
    scan, here, there = tmp_path / "scan.h5", tmp_path / "here.h5", tmp_path / "there.h5"
    malibu("simulate-scan", scan, "--duration-s", "1.2", "--coils", "2")
    config = tmp_path / "quick.xml"
    quick = {**QUICK, "skip_inversions": "0", "dialect": "fire"}
    del quick["skipinversions"]
    config.write_text(f"<configuration>{''.join(f'<{k}>{v}</{k}>' for k, v in quick.items())}</configuration>")
    with Server(tmp_path / "log") as server:
        server.connect().close()
        malibu("replay", scan, "-o", there, "--host", "127.0.0.1", "--port", str(server.port), "--config", config)
        config.write_text(
            "<configuration><golden_angle_deg>1</golden_angle_deg><basis>/none.npy</basis></configuration>"
        )
        arguments = ("--host", "127.0.0.1", "--port", str(server.port), "--config", config)
        _, said = malibu("replay", scan, "-o", tmp_path / "no.h5", *arguments, code=1)
    assert "ERR" in said
    assert "/none.npy" in said
    config.write_text(f"<configuration>{''.join(f'<{k}>{v}</{k}>' for k, v in quick.items())}</configuration>")
    malibu("replay", scan, "-o", here, "--config", config)
    for ours, theirs in zip(read_images(here)[1], read_images(there)[1], strict=True):
        np.testing.assert_array_equal(ours.data, theirs.data)


def test_copies_and_the_page_show_the_images_that_were_sent(scan: Scan, tmp_path: Path) -> None:
    pydicom, nibabel = pytest.importorskip("pydicom"), pytest.importorskip("nibabel")
    folders = {name: tmp_path / name for name in ("dicom", "nifti")}
    options = [word for name, folder in folders.items() for word in (f"--{name}", str(folder))]
    with Server(tmp_path / "log", *options, "--view") as server:
        answers = [server.speak(scan.whole()) for _ in range(2)]
        until_s = time.monotonic() + 300
        while server.log.read_text().count("NIfTI files are in") < 2:
            assert time.monotonic() < until_s, server.log.read_text()
            time.sleep(0.1)
        address = re.search(r"watch at (http://127\.0\.0\.1:\d+/\S+)", server.log.read_text())[1]
        with urllib.request.urlopen(f"{address}items") as answer:
            shown = [item["kind"] for item in json.load(answer)]
    assert shown == 2 * ["begin", "image", "end"]
    pixels = answers[0].images[0][2][0, 0]
    objects = [pydicom.dcmread(path) for path in sorted(folders["dicom"].rglob("*.dcm"))]
    assert [one.SOPInstanceUID for one in objects] == 2 * [objects[0].SOPInstanceUID]
    np.testing.assert_array_equal(objects[0].pixel_array, pixels)
    assert len(list(folders["dicom"].iterdir())) == 2
    volumes = [nibabel.load(path) for path in folders["nifti"].rglob("*.nii.gz")]
    assert len(volumes) == 2


def test_nobody_else_reaches_a_server_unless_told() -> None:
    assert inspect.signature(serve).parameters["host"].default == "127.0.0.1"
