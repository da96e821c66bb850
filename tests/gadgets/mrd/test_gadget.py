"""`python3 -m gadgetron PORT gadgets.multitasking MultitaskingGadget` against a peer of bytes."""

from pathlib import Path

import ismrmrd
import numpy as np
import pytest

from tests.support.peer import ACQUISITION, CLOSE, TEXT, Peer, message, scan_messages
from tests.support.replays import needs_torch, replay_here

SMALL = (
    b"<configuration><rank>4</rank><frames>0:20:10</frames><reconstruction>backprojection</reconstruction>"
    b"<images>time_average realtime basis_maps temporal_basis</images></configuration>"
)


def with_parameters(parameters: bytes = b"") -> bytes:
    """A configuration for which no network runs."""
    return b"<configuration><reconstruction>backprojection</reconstruction>" + parameters + b"</configuration>"


@needs_torch
def test_images_equal_those_of_replay_bit_for_bit(tiny_file: Path, tmp_path: Path) -> None:
    """With the shipped configuration: the shipped network included."""
    series = replay_here(tiny_file, tmp_path / "images.h5", reconstruction="unrolled")
    replayed = [image for images in series.values() for image in images]
    with Peer() as peer:
        peer.send(b"".join(scan_messages(tiny_file)) + message(CLOSE))
        answer = peer.receive()
        code, stderr, _ = peer.finish()
    assert (code, answer.errors, answer.closes) == (0, [], 1), stderr
    assert len(answer.images) == len(replayed)
    for (header, attributes, pixels), image in zip(answer.images, replayed, strict=True):
        assert pixels.tobytes() == image.data.tobytes()
        sent, kept = ismrmrd.ImageHeader.from_buffer_copy(header), image.getHead()
        sent.attribute_string_len = kept.attribute_string_len = 0
        assert bytes(sent) == bytes(kept)
        meta = ismrmrd.Meta.deserialize(attributes)
        assert {k: v for k, v in meta.items() if k != "MalibuStageSeconds"} == {
            k: v for k, v in image.meta.items() if k != "MalibuStageSeconds"
        }
        assert "research use only" in meta["ImageComments"]


def test_second_close_does_no_harm(short_file: Path) -> None:
    with Peer() as peer:
        peer.send(b"".join(scan_messages(short_file, SMALL)) + 2 * message(CLOSE))
        answer = peer.receive()
        code, stderr, _ = peer.finish()
    assert (code, answer.errors, answer.closes) == (0, [], 1), stderr
    assert len(answer.images) == 1 + 2 + 4 + 1
    assert "CLOSE more than once" in stderr


def broken_streams(messages: list[bytes]) -> dict[str, tuple[bytes, str]]:
    whole, most = b"".join(messages), b"".join(messages[:-10])
    return {
        "cut inside a message": (whole[:-100], "cut inside message"),
        "cut between messages": (most, "without CLOSE"),
        "unknown id": (most + message(4711, b"????"), "unknown message id 4711"),
        "text": (most + message(TEXT, b"\x02\0\0\0hi"), "unknown message id 5"),
    }


@pytest.mark.parametrize("case", ["cut inside a message", "cut between messages", "unknown id", "text"])
def test_broken_stream_is_an_error_within_seconds_and_sends_no_images(short_file: Path, case: str) -> None:
    data, text = broken_streams(scan_messages(short_file, SMALL))[case]
    with Peer() as peer:
        peer.send(data)
        peer.socket.shutdown(1)
        answer = peer.receive()
        code, stderr, seconds = peer.finish()
    assert code != 0
    assert not answer.images
    assert [text in error for error in answer.errors] == [True], (answer.errors, stderr)
    assert seconds < 5


def test_last_in_measurement_starts_the_reconstruction_before_the_stream_ends(short_file: Path) -> None:
    """Images come while the stream is open; a second measurement reuses the noise scan and gets series of its own."""
    messages = scan_messages(short_file, SMALL)
    imaging = b"".join(messages[2 + 4 :])
    with Peer() as peer:
        peer.send(b"".join(messages))
        first = [peer.receive_message() for _ in range(8)]
        peer.send(imaging + message(CLOSE))
        second = peer.receive()
        code, stderr, _ = peer.finish()
    assert (code, second.errors, second.closes) == (0, [], 1), stderr
    assert len(second.images) == len(first)
    for (before, _, pixels), (after, _, again) in zip(first, second.images, strict=True):
        headers = [ismrmrd.ImageHeader.from_buffer_copy(header) for header in (before, after)]
        assert headers[1].image_series_index == headers[0].image_series_index + 20
        assert np.array_equal(pixels, again)


def test_killed_peer_ends_the_process(short_file: Path) -> None:
    messages = scan_messages(short_file, SMALL)
    with Peer() as peer:
        peer.send(b"".join(messages[:50]))
        peer.socket.close()
        code, stderr, seconds = peer.finish()
    assert code != 0
    assert seconds < 20  # most of it is the fresh interpreter that still imports
    assert "ended without CLOSE" in stderr or "connection was lost" in stderr


def test_unread_rest_of_the_stream_is_drained_after_an_error(short_file: Path) -> None:
    """The error comes at once, though the peer sends more than any socket buffer holds before it listens."""
    messages = scan_messages(short_file, b"<configuration><rnak>4</rnak></configuration>")
    readout = messages[-1]
    with Peer() as peer:
        peer.send(b"".join(messages) + (20_000_000 // len(readout)) * readout + message(CLOSE))
        answer = peer.receive()
        code, _, _ = peer.finish()
    assert code != 0
    assert answer.errors == ["malibu MultitaskingGadget: unknown parameter 'rnak'; did you mean 'rank'?"]
    assert not answer.images


def test_stall_inside_a_message_is_an_error(short_file: Path) -> None:
    quick = with_parameters(b"<message_timeout_s>0.5</message_timeout_s>")
    messages = scan_messages(short_file, quick)
    with Peer() as peer:
        peer.send(b"".join(messages[:20]) + message(ACQUISITION, b"half a header"))
        answer = peer.receive()
        code, _, _ = peer.finish()
    assert code != 0
    assert "stalled: no data for 0.5 s" in answer.errors[0]


def test_pause_between_messages_is_an_error_after_the_idle_timeout(short_file: Path) -> None:
    quick = with_parameters(b"<idle_timeout_s>0.5</idle_timeout_s>")
    with Peer() as peer:
        peer.send(b"".join(scan_messages(short_file, quick)[:20]))
        answer = peer.receive()
        code, _, _ = peer.finish()
    assert code != 0
    assert "no message for 0.5 s" in answer.errors[0]


def test_defect_in_the_gadget_reaches_the_client(short_file: Path) -> None:
    with Peer("BrokenGadget", "tests.support.broken") as peer:
        peer.send(b"".join(scan_messages(short_file)) + message(CLOSE))
        answer = peer.receive()
        code, stderr, _ = peer.finish()
    assert code != 0
    assert answer.errors == ["malibu BrokenGadget: ZeroDivisionError: a defect"]
    assert "Traceback" in stderr


def test_pixel_values_are_finite_and_of_accepted_types(short_file: Path) -> None:
    with Peer() as peer:
        peer.send(b"".join(scan_messages(short_file, with_parameters())) + message(CLOSE))
        answer = peer.receive()
    assert {pixels.dtype for _, _, pixels in answer.images} == {np.dtype("f4"), np.dtype("c8"), np.dtype("u2")}
    assert all(np.isfinite(pixels).all() for _, _, pixels in answer.images)
