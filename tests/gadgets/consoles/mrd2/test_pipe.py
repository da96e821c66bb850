"""``malibu stream`` between two pipes: the pixels of ``malibu replay``, and one clear line where it fails."""

import io
import os
import subprocess
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gadgets.consoles.mrd2.conversion import convert
from gadgets.consoles.mrd2.yardl.yardl_stream import StreamReader
from gadgets.errors import StreamError
from gadgets.mrd.files import ScanFile, read_images
from gadgets.simulated.radial import protocol_with, write_simulation
from recon.simulation.chest import simulate_scan
from tests.support.command import ENVIRONMENT, MALIBU, malibu
from tests.support.mrd2 import in_2_2, installed_schema, scan_items, small_scan, stream_of

mrd = pytest.importorskip("mrd")

LONGEST_S = 120


def stream(data: bytes, *arguments: str, code: int = 0) -> tuple[bytes, str]:
    run = subprocess.run(
        [MALIBU, "stream", *arguments],
        input=data, capture_output=True, check=False, env=ENVIRONMENT, timeout=LONGEST_S,
    )  # fmt: skip
    assert run.returncode == code, run.stderr
    return run.stdout, run.stderr.decode()


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pipe") / "scan.h5"
    write_simulation(simulate_scan(protocol_with("tiny", {"duration_s": "6", "coils": "2"}), 1), path)
    return path


@pytest.fixture(scope="module")
def replayed(scan: Path) -> dict[int, list[Any]]:
    images = scan.with_name("replayed.h5")
    malibu("replay", scan, "-o", images)
    return read_images(images)


@pytest.mark.parametrize("version", ["installed", "as 2.2"])
def test_images_are_those_of_a_replay_bit_for_bit(version: str, scan: Path, replayed: dict[int, list[Any]]) -> None:
    schema = installed_schema() if version == "installed" else in_2_2(installed_schema().text)
    with ScanFile(scan) as file:
        data = stream_of(file.header, list(file.items()), schema)
    out, said = stream(data)
    assert "MultitaskingGadget" in said
    path = scan.with_name(f"{version}.mrd")
    path.write_bytes(out)
    convert(path, path.with_suffix(".h5"))
    streamed = read_images(path.with_suffix(".h5"))
    assert streamed.keys() == replayed.keys()
    for series, images in replayed.items():
        assert len(images) == len(streamed[series])
        for one, other in zip(images, streamed[series], strict=True):
            assert one.data.dtype == other.data.dtype
            np.testing.assert_array_equal(one.data, other.data)
            assert one.meta["DataRole"] == other.meta["DataRole"]
            assert bytes(one.getHead())[:-4] == bytes(other.getHead())[:-4]  # the Meta tell how long stages took
    if version == "installed":
        with mrd.BinaryMrdReader(str(path)) as reader:
            assert reader.read_header().subject_information is None
            assert len(list(reader.read_data())) == sum(map(len, replayed.values()))


def test_a_cut_stream_ends_with_one_line_and_without_end_mark(scan: Path) -> None:
    with ScanFile(scan) as file:
        data = stream_of(file.header, list(file.items()))
    out, said = stream(data[: len(data) // 2], code=1)
    (error,) = [line for line in said.splitlines() if line.startswith("error:")]
    assert "the stream was cut after" in error
    assert error == said.splitlines()[-1]
    with pytest.raises(StreamError, match="cut"):
        list(StreamReader(io.BytesIO(out).read).items())


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (lambda: b"", "the input is empty"),
        (lambda: small_scan().read_bytes(), "use malibu replay FILE, or malibu convert"),
        (lambda: b"<xml/>", "no MRD v2 stream"),
        (lambda: stream_of(None, scan_items()[1]), "no header"),
        (lambda: stream_of(scan_items()[0], []), "none of its 0 items"),
    ],
    ids=["empty", "HDF5", "text", "no header", "no items"],
)
def test_what_is_no_scan_is_told_in_one_line(data: Any, text: str) -> None:
    out, said = stream(data(), code=1)
    assert out == b""
    assert text in said
    assert len(said.splitlines()) == 1


def test_items_are_taken_while_the_stream_is_open(scan: Path) -> None:
    """The output's header comes as soon as the first readout has: nothing waits for the end of the input."""
    with ScanFile(scan) as file:
        items = list(file.items())[:8]
        data = stream_of(file.header, items)[:-1]
    process = subprocess.Popen(
        [MALIBU, "stream"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
    )
    watchdog = threading.Timer(LONGEST_S, process.kill)
    watchdog.start()
    try:
        process.stdin.write(data)
        process.stdin.flush()
        assert os.read(process.stdout.fileno(), 5) == b"yardl"
        assert process.poll() is None
    finally:
        process.stdin.close()
        process.stdout.read()
        assert process.wait() == 1
        assert b"cut after 8 items" in process.stderr.read()
        watchdog.cancel()
