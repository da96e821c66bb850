"""A scan through a stand-in for a Gadgetron server: the images of a local replay, and errors that arrive."""

import socket
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import h5py
import numpy as np
import pytest

from gadgets.configuration import configuration_of
from gadgets.errors import RemoteError
from gadgets.mrd.files import ScanFile, read_images
from gadgets.mrd.replay import Progress, configuration_message, connect, hosted, replay
from gadgets.multitasking.gadget import MultitaskingGadget
from tests.support.gadgetron import BARE, StandIn, running_gadgetron
from tests.support.peer import CLOSE, CONFIG, HEADER, message, with_length
from tests.support.replays import SHIPPED_XML, needs_torch

PYTHON = Path(sys.executable)
SMALL = {"reconstruction": "backprojection", "rank": "5", "images": "time_average t1_map basis_maps"}


def stream_with(**parameters: str) -> str:
    """The shipped stream with other parameters."""
    document = ElementTree.fromstring(SHIPPED_XML)
    external = next(document.iter("external"))
    external.remove(external.find("configuration"))
    external.append(ElementTree.fromstring(configuration_message(None, parameters)))
    return ElementTree.tostring(document, encoding="unicode")


def replayed_there(server: StandIn, scan: Path, output: Path, document: str) -> None:
    with ScanFile(scan) as file, connect(server.host, server.port) as sock:
        replay(file, output, document.encode(), sock, 60.0, Progress())


def replayed_here(scan: Path, output: Path, document: str) -> None:
    element = configuration_of(document, "MultitaskingGadget")
    with ScanFile(scan) as file, hosted(MultitaskingGadget()) as sock:
        replay(file, output, configuration_message(element, {}), sock, 60.0, Progress())


def give_long_numbers(path: Path) -> None:
    """Put numbers into the header that neither single precision nor six decimals hold."""
    with h5py.File(path, "r+") as file:
        xml = file["dataset/xml"][0]
        for before, after in ((b"<TI>5.0<", b"<TI>5.12345678901<"), (b"<x>270.0<", b"<x>270.123456789<")):
            assert before in xml
            xml = xml.replace(before, after)
        xml = xml.replace(b"<y>270.0<", b"<y>270.123456789<")
        file["dataset/xml"][0] = xml.replace(b">5.0</flipAngle_deg>", b">5.0000004567</flipAngle_deg>")


def test_images_are_those_of_a_local_replay_bit_for_bit(tmp_path: Path, editable_copy: Path) -> None:
    give_long_numbers(editable_copy)
    document = stream_with(**SMALL)
    with running_gadgetron(PYTHON) as server:
        replayed_there(server, editable_copy, tmp_path / "there.h5", document)
    assert b"123456789" not in server.seen[1][1]
    replayed_here(editable_copy, tmp_path / "here.h5", document)
    there, here = read_images(tmp_path / "there.h5"), read_images(tmp_path / "here.h5")
    assert there.keys() == here.keys()
    for number, images in here.items():
        for mine, other in zip(images, there[number], strict=True):
            assert mine.data.dtype == other.data.dtype
            assert np.array_equal(mine.data, other.data)
            assert list(mine.field_of_view) == list(other.field_of_view)


def test_an_error_of_the_gadget_arrives(tmp_path: Path, short_file: Path) -> None:
    with (
        running_gadgetron(PYTHON) as server,
        pytest.raises(RemoteError, match="malibu MultitaskingGadget: unknown parameter 'rnak'; did you mean 'rank'"),
    ):
        replayed_there(server, short_file, tmp_path / "images.h5", stream_with(rnak="5"))
    assert not list(tmp_path.iterdir())


@needs_torch
def test_a_stream_without_configuration_gets_the_defaults(tmp_path: Path, short_file: Path) -> None:
    document = ElementTree.fromstring(SHIPPED_XML)
    external = next(document.iter("external"))
    external.remove(external.find("configuration"))
    with running_gadgetron(PYTHON) as server:
        replayed_there(server, short_file, tmp_path / "images.h5", ElementTree.tostring(document, encoding="unicode"))
    assert server.seen[0][1] == BARE
    assert len(read_images(tmp_path / "images.h5")) > 5


def test_the_stand_in_refuses_a_header_of_another_version() -> None:
    header = b'<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><version>7</version></ismrmrdHeader>'
    with running_gadgetron(PYTHON) as server, socket.create_connection((server.host, server.port)) as sock:
        sock.sendall(message(CONFIG, with_length(SHIPPED_XML.encode())) + message(HEADER, with_length(header)))
        answer = sock.makefile("rb").read()
    assert b"Unsupported ISMRMRD header version 7" in answer
    assert answer.endswith(message(CLOSE))
