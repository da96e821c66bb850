"""The FIRE protocol as consoles speak it, byte by byte; the pixels are those of a replay."""

import socket
import struct
import threading
from pathlib import Path

import numpy as np
import pytest

from gadgets.consoles.fire.connection import Choice, FireConnection
from gadgets.consoles.fire.opening import NothingCameError
from gadgets.mrd.files import ScanFile
from gadgets.mrd.wire.reading import END as END_OF_STREAM
from tests.gadgets.consoles.conftest import QUICK, QUICK_IMAGES, Spoken
from tests.support.fire import CONFIG_TEXT, DUMMY_HEADER, by_name, by_text, header, parameters, send
from tests.support.peer import ACQUISITION, CLOSE, TEXT, WAVEFORM, message, series_of, with_length
from tests.support.replays import replay_here

END = message(CLOSE)


def opened(xml: bytes, **values: object) -> list[bytes]:
    return [by_name("multitasking"), header(xml), parameters(**(QUICK | QUICK_IMAGES | values))]


def test_pixels_are_those_of_a_replay(
    spoken: Spoken, xml: bytes, readouts: list[bytes], small_scan: Path, tmp_path: Path
) -> None:
    answer = spoken([*opened(xml), *readouts, END])
    expected = replay_here(small_scan, tmp_path / "images.h5", dialect="fire", **QUICK, **QUICK_IMAGES)
    assert (answer.closes, answer.after_close, answer.errors) == (1, 0, [])
    assert {series_of(head) for head, *_ in answer.images} == set(expected) == {1, 2}
    for series, images in expected.items():
        came = [pixels for head, _, pixels in answer.images if series_of(head) == series]
        assert len(came) == len(images)
        for pixels, image in zip(came, images, strict=True):
            assert pixels.dtype == np.uint16
            np.testing.assert_array_equal(pixels, image.data)
    assert any(line.startswith("WRN      the scan is short") for line in answer.lines)


def test_plain_dialect_sends_what_gadgetron_gets(
    spoken: Spoken, xml: bytes, readouts: list[bytes], small_scan: Path, tmp_path: Path
) -> None:
    answer = spoken([*opened(xml, dialect="gadgetron"), *readouts, END])
    expected = replay_here(small_scan, tmp_path / "images.h5", **QUICK, **QUICK_IMAGES)
    for (_, _, pixels), image in zip(
        answer.images, [one for images in expected.values() for one in images], strict=True
    ):
        assert pixels.dtype == np.float32
        np.testing.assert_array_equal(pixels, image.data)


@pytest.mark.parametrize("number", [TEXT, CONFIG_TEXT])
def test_parameters_are_text_or_values_under_either_spelling(
    spoken: Spoken, xml: bytes, readouts: list[bytes], number: int
) -> None:
    given = {
        "reconstruction": "backprojection",
        "rank": "4",
        "temporalmodel": "realtime",
        "Frames": "0:8:4",
        "keepectopic": "True",
        "skip_inversions": 2,
        "images": ["realtime"],
        "matrix": None,
        "weights": "",
    }
    answer = spoken([by_text("multitasking"), header(xml), parameters(number, **given), *readouts, END])
    assert [series_of(head) for head, *_ in answer.images] == [2, 2]
    assert '"keep_ectopic": true' in answer.images[0][1]


def test_configuration_may_be_xml_and_json_may_replace_it(spoken: Spoken, xml: bytes, readouts: list[bytes]) -> None:
    text = "<configuration>" + "".join(f"<{name}>{value}</{name}>" for name, value in QUICK.items())
    answer = spoken([by_text(text + "<images>time_average</images></configuration>"), header(xml), *readouts, END])
    assert [series_of(head) for head, *_ in answer.images] == [1]
    chosen = parameters(config="nonsense", customconfig="multitasking.xml", **QUICK, images="time_average")
    answer = spoken([by_name("something else"), header(xml), chosen, *readouts, END])
    assert [series_of(head) for head, *_ in answer.images] == [1]


def test_server_s_settings_stand_below_the_console_s(spoken: Spoken, xml: bytes, readouts: list[bytes]) -> None:
    set_at_start = QUICK | {"images": "realtime"}
    named = [by_name("openrecon"), header(xml)]
    assert {series_of(one[0]) for one in spoken([*named, *readouts, END], **set_at_start).images} == {2}
    given = parameters(images="time_average")
    assert {series_of(one[0]) for one in spoken([*named, given, *readouts, END], **set_at_start).images} == {1}


@pytest.mark.parametrize(
    ("opening", "told"),
    [
        (
            [by_name("nobody")],
            "no configuration 'nobody' is known here; known are asl, multitasking, multitasking_distributed",
        ),
        ([by_name("multitasking"), parameters(rnak=4)], "did you mean 'rank'"),
        ([by_name("multitasking"), parameters(rank="many")], "rank"),
        ([by_name("multitasking"), parameters(rank=4, Rank="8")], "twice"),
        ([by_name("multitasking"), parameters(rank={"of": 4})], "'rank' has a dict for a value"),
        ([by_name("multitasking"), message(TEXT, with_length(b"{rank}\0"))], "not valid JSON"),
        ([by_name("multitasking"), message(TEXT, with_length(b"[1]\0"))], "is not of the form"),
        ([by_text("<configuration><rank>4</configuration>")], "not valid XML"),
    ],
)
def test_what_cannot_be_is_told_and_nothing_comes(
    spoken: Spoken, xml: bytes, readouts: list[bytes], opening: list[bytes], told: str
) -> None:
    answer = spoken([opening[0], header(xml), *opening[1:], *readouts, END])
    assert len(answer.errors) == 1
    assert told in answer.errors[0]
    assert (answer.images, answer.closes) == ([], 0)


@pytest.mark.parametrize("parts", [[], [END], [by_name("multitasking"), END], [by_name("multitasking")]])
def test_dependency_queries_and_looks_end_without_a_word(spoken: Spoken, parts: list[bytes]) -> None:
    answer = spoken(parts, hang_up=True)
    assert (answer.images, answer.errors) == ([], [])


@pytest.mark.parametrize("hang_up", [True, False])
def test_missing_close_is_an_error_after_the_images(
    spoken: Spoken, xml: bytes, readouts: list[bytes], hang_up: bool
) -> None:
    """A scan whose last readout is flagged is whole: its images come, whatever the console does then."""
    answer = spoken([*opened(xml, idle_timeout_s="1"), *readouts], hang_up=hang_up)
    assert len(answer.images) == 11
    assert len(answer.errors) == 1
    assert ("without CLOSE" if hang_up else "no message for 1 s") in answer.errors[0]


def test_cut_scan_is_an_error_without_images(spoken: Spoken, xml: bytes, readouts: list[bytes]) -> None:
    answer = spoken([*opened(xml), *readouts[:50], readouts[50][:77]], hang_up=True)
    assert "cut inside message" in answer.errors[0]
    assert (answer.images, answer.closes) == ([], 0)


def test_texts_between_readouts_are_passed_over(spoken: Spoken, xml: bytes, readouts: list[bytes]) -> None:
    text = message(TEXT, with_length(b"scanner says hello\0"))
    answer = spoken([*opened(xml), *readouts[:50], text, *readouts[50:], END])
    assert len(answer.images) == 11
    assert any("a text of 19 bytes came" in line for line in answer.lines)
    assert not any("hello" in line for line in answer.lines)


@pytest.mark.parametrize("number", [0, 3, 8, 999, 1001, 1023, 65535])
def test_unknown_messages_end_the_scan(spoken: Spoken, xml: bytes, readouts: list[bytes], number: int) -> None:
    answer = spoken([*opened(xml), *readouts[:50], message(number, with_length(b"\0")), END])
    assert len(answer.errors) == 1
    assert answer.closes == 0


def test_waveforms_are_taken(spoken: Spoken, xml: bytes, readouts: list[bytes], small_scan: Path) -> None:
    with ScanFile(small_scan) as file:
        waves = [message(WAVEFORM, bytes(wave.getHead()) + wave.data.tobytes()) for wave in file.waveforms()]
    assert waves
    assert len(waves[0]) >= 2 + 40
    answer = spoken([*opened(xml), *waves, *readouts, END])
    assert len(answer.images) == 11


def test_readouts_without_a_header_are_refused(spoken: Spoken, readouts: list[bytes]) -> None:
    answer = spoken([*opened(DUMMY_HEADER), *readouts, END])
    assert "has no encoding" in answer.errors[0]


def test_claimed_sizes_are_refused(spoken: Spoken, xml: bytes, readouts: list[bytes]) -> None:
    head = bytearray(readouts[0][2:342])
    struct.pack_into("<HHH", head, 34, 65535, 65535, 65535)
    answer = spoken([*opened(xml), message(ACQUISITION, bytes(head)), END])
    assert "corrupt" in answer.errors[0]


@pytest.mark.parametrize("parts", [[], [by_name("multitasking")]])
def test_who_connects_and_is_silent_does_not_keep_others_waiting(parts: list[bytes]) -> None:
    client, server = socket.socketpair()
    with client:
        send(client, parts)
        with pytest.raises(NothingCameError, match=r"no message for 0\.3 s"):
            FireConnection(server, lambda said: Choice(lambda: None, b""), opening_s=0.3)
        assert client.recv(10) == b""


def test_after_the_header_the_sequence_is_waited_for(xml: bytes) -> None:
    client, server = socket.socketpair()
    with client:
        send(client, [by_name("multitasking"), header(xml)])
        threading.Timer(0.6, send, (client, [END])).start()
        with FireConnection(server, lambda said: Choice(lambda: None, b""), opening_s=0.3, idle_s=30) as connection:
            assert connection.receiver.take(5) is END_OF_STREAM
