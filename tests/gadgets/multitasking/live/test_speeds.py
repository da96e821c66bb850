"""However a stream arrives, its images are the same, bit for bit; and a broken one ends as it did."""

import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gadgets.mrd.replay import hosted
from gadgets.multitasking.gadget import MultitaskingGadget
from tests.support.peer import ACQUISITION, CLOSE, Peer, Reader, message, scan_messages, series_of

CONFIGURATION = (
    b"<configuration><reconstruction>backprojection</reconstruction><rank>8</rank><preview>true</preview>"
    b"<images>time_average basis_maps temporal_basis cine_bright gating</images></configuration>"
)


def at_once(sock: socket.socket, data: bytes) -> None:
    sock.sendall(data)


def in_bursts(sock: socket.socket, data: bytes) -> None:
    rng, start = np.random.default_rng(5), 0
    while start < len(data):
        size = int(rng.integers(1, len(data) // 6))
        sock.sendall(data[start : start + size])
        start += size
        time.sleep(float(rng.uniform(0, 0.3)))


def slowly(sock: socket.socket, data: bytes) -> None:
    for start in range(0, len(data), 200_000):
        sock.sendall(data[start : start + 200_000])
        time.sleep(0.01)


def images_of(data: bytes, send: Callable[[socket.socket, bytes], None]) -> list[tuple[bytes, bytes]]:
    with hosted(MultitaskingGadget()) as sock:
        sock.settimeout(120)
        sender = threading.Thread(target=send, args=(sock, data))
        sender.start()
        answer = Reader(sock).everything()
        sender.join()
    assert not answer.errors
    # the last four bytes of a head are the length of its Meta, which tells seconds
    return [(header[:-4], pixels.tobytes()) for header, _, pixels in answer.images]


def test_slow_bursty_and_instant_streams_give_equal_bits(moving_file: Path) -> None:
    data = b"".join(scan_messages(moving_file, CONFIGURATION)) + message(CLOSE)
    expected = images_of(data, at_once)
    assert len(expected) > 30
    for send in (in_bursts, slowly):
        assert images_of(data, send) == expected


@pytest.mark.parametrize("how", ["stalls", "is cut", "brings NaN"])
def test_a_stream_that_breaks_while_work_is_under_way_ends_with_its_error(moving_file: Path, how: str) -> None:
    """The receiving thread sees it while previews are computed; what went out before stays, and one error follows."""
    quick = CONFIGURATION.replace(b"<rank>", b"<message_timeout_s>0.5</message_timeout_s><rank>")
    messages = scan_messages(moving_file, quick)
    half = b"".join(messages[: len(messages) // 2])
    text = {"stalls": "stalled: no data for 0.5 s", "is cut": "cut inside message", "brings NaN": "NaN or Inf"}[how]
    with hosted(MultitaskingGadget()) as sock:
        sock.settimeout(60)
        if how == "brings NaN":
            broken = bytearray(messages[len(messages) // 2])
            broken[-8:-4] = np.float32(np.nan).tobytes()
            rest = b"".join(messages[len(messages) // 2 + 1 :])
            sock.sendall(half + bytes(broken) + rest + message(CLOSE))
        else:
            sock.sendall(half + message(ACQUISITION, b"half a head"))
            if how == "is cut":
                sock.shutdown(socket.SHUT_WR)
        answer = Reader(sock).everything()
    assert [text in error for error in answer.errors] == [True], answer.errors
    assert all(series_of(header) in (13, 14) for header, _, _ in answer.images)
    assert not [thread.name for thread in threading.enumerate() if thread.name == "malibu-receiver"]


@pytest.mark.parametrize("how", ["SIGTERM", "the peer is gone"])
def test_an_interruption_leaves_no_process_and_no_file(moving_file: Path, tmp_path: Path, how: str) -> None:
    """While previews are computed and readouts come."""
    messages = scan_messages(moving_file, CONFIGURATION)
    with Peer(TMPDIR=str(tmp_path)) as peer:
        peer.send(b"".join(messages[: len(messages) // 2]))
        series = series_of(peer.receive_message()[0])
        if how == "SIGTERM":
            peer.process.send_signal(signal.SIGTERM)
        else:
            peer.socket.close()
        code, stderr, seconds = peer.finish()
    assert series == 13
    assert code == (143 if how == "SIGTERM" else 1), stderr
    assert seconds < 30
    assert list(tmp_path.iterdir()) == []
