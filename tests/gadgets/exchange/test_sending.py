"""Objects to archives over the loopback interface: taken, refused, unanswered."""

import itertools
import json
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from pynetdicom import AE, evt
from pynetdicom.sop_class import MRImageStorage, Verification

from gadgets.errors import ParameterError, RemoteError
from gadgets.exchange import sending
from gadgets.exchange.dicom_output import DicomOptions, write_dicom
from gadgets.exchange.sending import Archive, archive_of, send_dicom
from tests.support.marker import found, free_port, listening, marker_images, needs, with_meta
from tests.support.volume_scans import header_of


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Five MR images and a Parametric Map."""
    images = with_meta(marker_images(np.eye(3), dtype=np.uint16), DataRole=["Quantitative", "T1MAP"])
    return write_dicom(header_of((1, 32, 27)), images, tmp_path / "sent", DicomOptions(parametric_map=True))


@needs("storescp")
def test_storescp_takes_every_object_and_a_repeat_doubles_nothing(paths: list[Path], tmp_path: Path) -> None:
    port, received = free_port(), tmp_path / "received"
    received.mkdir()
    with listening([str(found("storescp")), "-od", str(received), str(port)], port):
        taken: list[int] = []
        for _ in range(2):
            assert send_dicom(paths, Archive("127.0.0.1", port), taken.append) == 6
    assert taken == [1, 2, 3, 4, 5, 6] * 2
    assert len(list(received.iterdir())) == 6


@needs("Orthanc")
def test_orthanc_takes_every_object_and_a_repeat_doubles_nothing(paths: list[Path], tmp_path: Path) -> None:
    port, http = free_port(), free_port()
    settings = {
        "StorageDirectory": str(tmp_path / "orthanc"),
        "IndexDirectory": str(tmp_path / "orthanc"),
        "DicomPort": port,
        "HttpPort": http,
        "DicomAet": "ORTHANC",
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [],
    }
    (tmp_path / "orthanc.json").write_text(json.dumps(settings))
    with listening([str(found("Orthanc")), str(tmp_path / "orthanc.json")], port):
        for _ in range(2):
            assert send_dicom(paths, Archive("127.0.0.1", port, "ORTHANC")) == 6
        with urllib.request.urlopen(f"http://127.0.0.1:{http}/statistics", timeout=10) as answer:
            counts = json.load(answer)
    assert (counts["CountInstances"], counts["CountSeries"], counts["CountStudies"]) == (6, 2, 1)


@contextmanager
def archive(store: Callable[[int, evt.Event], int], title: str | None = None) -> Iterator[Archive]:
    """An archive of pynetdicom that answers the n-th object with a status, and lets in who calls it by its title."""
    numbers = itertools.count(1)
    entity = AE(ae_title="PACS")
    entity.add_supported_context(Verification)
    entity.add_supported_context(MRImageStorage)
    entity.require_called_aet = title is not None
    port = free_port()
    handlers = [(evt.EVT_C_STORE, lambda event: store(next(numbers), event))]
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
    try:
        yield Archive("127.0.0.1", port, "PACS")
    finally:
        server.shutdown()


def test_refused_objects_are_named_by_their_numbers(paths: list[Path]) -> None:
    answers = {2: 0xA700, 3: 0xB000, 4: 0xC123}
    with archive(lambda number, event: answers.get(number, 0)) as there, pytest.raises(RemoteError) as caught:
        send_dicom(paths, there)
    text = str(caught.value)
    assert "did not take 3 of 6 objects" in text
    assert "object 2: it has no room left (status 0xA700)" in text
    assert "object 4: it does not understand the object (status 0xC123)" in text
    assert "object 6: no presentation context for this kind of object was accepted" in text
    assert "object 3" not in text


def test_association_that_breaks_says_how_far_it_came(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "ANSWER_S", 2.0)  # an archive that aborts does not always say so

    def store(number: int, event: evt.Event) -> int:
        if number == 2:
            event.assoc.abort()
        return 0

    with archive(store) as there, pytest.raises(RemoteError, match=r"broke at object [23] of 6 .*: nothing doubles"):
        send_dicom(paths, there)


def test_archive_that_does_not_know_its_name_refuses(paths: list[Path]) -> None:
    with archive(lambda number, event: 0, "PACS") as there:
        wrong = Archive(there.host, there.port, "OTHER", "MALIBU")
        with pytest.raises(RemoteError, match=r"refused the association .*called 'OTHER'"):
            send_dicom(paths, wrong)


def test_nobody_answers(paths: list[Path]) -> None:
    with pytest.raises(RemoteError, match=r"no DICOM archive answers at 127\.0\.0\.1"):
        send_dicom(paths, Archive("127.0.0.1", free_port()))


def test_what_is_no_archive_ends_in_an_error_and_not_in_a_hang(
    paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "CONNECT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: (server.accept(), time.sleep(3)), daemon=True).start()
        with pytest.raises(RemoteError, match="no DICOM archive answers"):
            send_dicom(paths, Archive("127.0.0.1", server.getsockname()[1]))


@pytest.mark.parametrize("address", ["pacs", "pacs:", ":104", "pacs:x", "pacs:0", "pacs:70000"])
def test_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ParameterError, match="give host:port"):
        archive_of(address)


@pytest.mark.parametrize("title", ["", " ", "A" * 17, "A\\B", "Ä"])
def test_title_that_is_none_is_refused(title: str) -> None:
    with pytest.raises(ParameterError, match="no application entity title"):
        archive_of("pacs:104", title)
