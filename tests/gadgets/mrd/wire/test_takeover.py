"""The connection is malibu's before gadgetron-python reads from it: a server that dies at the start ends its gadget."""

import configparser
import resource
import struct
from pathlib import Path

import pytest

from gadgets.mrd.wire.takeover import runs_a_gadget_of_malibu
from tests.support.peer import CLOSE, CONFIG, HEADER, Peer, message, scan_messages, with_length
from tests.support.replays import ROOT, needs_torch

GROUP, HOOK = "xsdata.plugins.class_types", "gadgets.mrd.wire.takeover"


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """Environment in which setup.cfg's entry point is installed, whatever the age of malibu's own installation."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert HOOK in setup["options.entry_points"][GROUP]
    folder = tmp_path / "takeover-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: takeover\nVersion: 1\n")
    (folder / "entry_points.txt").write_text(f"[{GROUP}]\nmalibu = {HOOK}\n")
    return {"PYTHONPATH": f"{tmp_path}:{ROOT}"}


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (b"", "did not open with CONFIG: the stream ended without CLOSE after 0 messages"),
        (struct.pack("<HI", CONFIG, 90) + b"<con", "did not open with CONFIG: the stream was cut inside message 1"),
        (
            message(CONFIG, with_length(b"<configuration/>")),
            "did not open with HEADER: the stream ended without CLOSE after 1 messages",
        ),
    ],
)
def test_a_server_that_dies_at_the_start_ends_its_gadget(installed: dict[str, str], sent: bytes, text: str) -> None:
    before_s = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    with Peer(**installed) as peer:
        peer.send(sent)
        peer.socket.shutdown(1)
        code, stderr, seconds = peer.finish()
    assert code == 1
    assert text in stderr
    assert seconds < 20  # most of it is the fresh interpreter that still imports
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before_s < 15


def test_a_header_that_cannot_be_read_is_an_error_at_the_client(installed: dict[str, str]) -> None:
    header = b'<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><patientName>DOE</patientName></ismrmrdHeader>'
    with Peer(**installed) as peer:
        peer.send(message(CONFIG, with_length(b"<configuration/>")) + message(HEADER, with_length(header)))
        peer.send(message(CLOSE))
        answer = peer.receive()
        code, stderr, _ = peer.finish()
    assert code == 1
    assert "the ISMRMRD header" in answer.errors[0]
    assert "DOE" not in stderr


@needs_torch
def test_a_scan_goes_through_as_before(installed: dict[str, str], short_file: Path) -> None:
    small = b"<configuration><rank>3</rank><images>time_average</images></configuration>"
    with Peer(**installed) as peer:
        peer.send(b"".join(scan_messages(short_file, small)) + message(CLOSE))
        answer = peer.receive()
        code, stderr, _ = peer.finish()
    assert (code, answer.errors, answer.closes, len(answer.images)) == (0, [], 1, 1), stderr


def test_only_processes_of_malibus_gadgets_are_touched() -> None:
    start = ["/usr/bin/python3", "-m", "gadgetron", "9012"]
    assert runs_a_gadget_of_malibu([*start, "gadgets.multitasking", "MultitaskingGadget"])
    assert not runs_a_gadget_of_malibu([*start, "mine.gadgets", "Gadget"])
    assert not runs_a_gadget_of_malibu(start)
    assert not runs_a_gadget_of_malibu(["python", "-m", "pytest", "gadgets.x", "y"])
