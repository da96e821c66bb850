import contextlib
import socket
import struct
import threading
import time
import tracemalloc
from collections.abc import Callable

import ismrmrd
import numpy as np
import pytest
from gadgetron.external.connection import Connection
from hypothesis import given, settings, strategies as st

from gadgets.errors import ParameterError, StreamError
from gadgets.mrd.connection import GadgetStream
from gadgets.mrd.wire.sockets import ExactSocket
from tests.support.peer import CONFIG, HEADER, Reader, message, with_length

HEADER_XML = b"""<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><experimentalConditions>
<H1resonanceFrequency_Hz>123200000</H1resonanceFrequency_Hz></experimentalConditions></ismrmrdHeader>"""


@given(st.binary(min_size=1, max_size=3000), st.data())
@settings(max_examples=40, deadline=None)
def test_reads_are_exact_however_the_bytes_arrive(payload: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(payload)), max_size=5)))
    counts = data.draw(st.lists(st.integers(1, 500), max_size=5))
    left, right = socket.socketpair()
    with left, right:
        exact, taken = ExactSocket(left, 5, 5), 0
        for start, stop in zip([0, *cuts], [*cuts, len(payload)], strict=True):
            right.sendall(payload[start:stop])
        right.shutdown(socket.SHUT_WR)
        for count in counts:
            if taken + count > len(payload):
                with pytest.raises(StreamError, match=f"{len(payload) - taken} of {count} bytes"):
                    exact.read(count)
                return
            assert exact.read(count) == payload[taken : taken + count]
            taken += count


def test_peer_that_closes_inside_a_message_costs_no_time() -> None:
    left, right = socket.socketpair()
    with left:
        exact = ExactSocket(left)
        right.sendall(struct.pack("<H", 1008) + b"abc")
        right.close()
        start = time.monotonic()
        assert exact.next_id() == 1008
        with pytest.raises(StreamError, match="cut inside message 1: 3 of 340 bytes"):
            exact.read(340)
        assert time.monotonic() - start < 1


def test_half_a_message_id_is_a_cut() -> None:
    left, right = socket.socketpair()
    with left:
        right.sendall(b"\xf0")
        right.close()
        with pytest.raises(StreamError, match="cut inside"):
            ExactSocket(left).next_id()


def test_impossible_length_is_refused_before_memory_is_taken() -> None:
    left, right = socket.socketpair()
    with left, right, pytest.raises(StreamError, match="the stream is corrupt"):
        ExactSocket(left).read(2**40)


def test_close_is_sent_once() -> None:
    left, right = socket.socketpair()
    with right:
        exact = ExactSocket(left)
        exact.close()
        exact.close()
        assert right.recv(100) == struct.pack("<H", 4)


def opened(config: bytes) -> tuple[Connection, socket.socket]:
    left, right = socket.socketpair()
    right.sendall(message(CONFIG, with_length(config)) + message(HEADER, with_length(HEADER_XML)))
    return Connection(left), right


def test_configuration_that_is_absent_or_broken() -> None:
    connection, peer = opened(b"")
    with peer:
        assert GadgetStream(connection, "test").configuration is None
    connection, peer = opened(b"<configuration><rank>4</configuration>")
    with peer, pytest.raises(ParameterError, match="not valid XML"):
        _ = GadgetStream(connection, "test").configuration


@pytest.mark.parametrize("dtype", [np.int16, np.float64, np.complex128, np.uint32])
def test_pixel_types_that_gadgetron_refuses_are_never_sent(dtype: type) -> None:
    connection, peer = opened(b"")
    image = ismrmrd.Image.from_array(np.zeros((4, 4), dtype), transpose=False)
    with peer, pytest.raises(TypeError, match="fail in Gadgetron"):
        GadgetStream(connection, "test").send(image)


def test_data_after_close_are_an_error_after_the_images() -> None:
    connection, peer = opened(b"")
    peer.sendall(struct.pack("<H", 4) + b"more")
    peer.shutdown(socket.SHUT_WR)
    with peer, pytest.raises(StreamError, match="data after CLOSE"), GadgetStream(connection, "test") as stream:
        assert list(stream) == []


def test_peer_that_never_closes_its_side_does_not_hold_the_gadget() -> None:
    connection, peer = opened(b"")
    peer.sendall(struct.pack("<H", 4))
    start = time.monotonic()
    with peer, GadgetStream(connection, "test") as stream:
        assert list(stream) == []
    assert time.monotonic() - start < 3


def test_peer_that_takes_nothing_does_not_hold_the_gadget_for_ever() -> None:
    connection, peer = opened(b"")
    stream = GadgetStream(connection, "test")
    stream.set_timeouts(0.3, 0.3)
    image = ismrmrd.Image.from_array(np.zeros((4000, 1000), np.float32), transpose=False)
    with peer, pytest.raises(StreamError, match="no longer takes data"):
        stream.send(image)


def test_a_reader_that_is_slow_but_steady_is_waited_for() -> None:
    """Each pause is far below the timeout; all of them together are above it."""
    left, right = socket.socketpair()
    count, taken = 3_000_000, 0
    exact = ExactSocket(left, message_timeout_s=0.6)
    thread = threading.Thread(target=exact.write, args=(np.arange(count // 4, dtype=np.uint32),))
    start = time.monotonic()
    with left, right:
        thread.start()
        while taken < count:
            time.sleep(0.08)
            taken += len(right.recv(200_000))
        thread.join(5)
    assert taken == count
    assert time.monotonic() - start > 1


def test_a_large_claim_takes_no_memory() -> None:
    left, right = socket.socketpair()
    with left:
        right.sendall(b"abc")
        right.close()
        tracemalloc.start()
        with pytest.raises(StreamError, match="3 of 900000000 bytes"):
            ExactSocket(left).read(900_000_000)
        assert tracemalloc.get_traced_memory()[1] < 40e6
        tracemalloc.stop()


@pytest.mark.parametrize("declaration", [b'<?xml version="1.0"?>', b'<?xml version="1.0" encoding="UTF-8"?>\n', b"\0"])
def test_a_bare_declaration_is_no_configuration(declaration: bytes) -> None:
    connection, peer = opened(declaration)
    with peer:
        assert GadgetStream(connection, "test").configuration is None


def test_error_text_is_utf8_with_a_64_bit_length() -> None:
    connection, peer = opened(b"")

    def fail() -> None:
        with pytest.raises(StreamError), GadgetStream(connection, "test"):
            raise StreamError("160×160 is wrong")

    thread = threading.Thread(target=fail)
    thread.start()
    peer.shutdown(socket.SHUT_WR)
    text = "malibu test: 160×160 is wrong".encode()
    assert peer.recv(200) == struct.pack("<HQ", 8, len(text)) + text
    thread.join(5)
    assert not thread.is_alive()
    peer.close()


def test_an_error_never_lands_inside_an_image_that_is_being_sent() -> None:
    """A result that follows is on its way to a slow peer when the gadget fails."""
    connection, peer = opened(b"")
    peer.sendall(struct.pack("<H", 4))
    pixels = np.arange(1500 * 1500, dtype=np.float32).reshape(1500, 1500)
    begun = threading.Event()

    def later(watch: Callable[[], None]) -> None:
        begun.set()
        for _ in range(3):
            stream.send(ismrmrd.Image.from_array(pixels, transpose=False))

    def fail() -> None:
        with connection, stream:
            stream.later(later)
            assert begun.wait(5)
            time.sleep(0.3)
            raise StreamError("the scan is broken")

    stream = GadgetStream(connection, "test")
    gadget = threading.Thread(target=_quietly, args=(fail,))
    gadget.start()
    with peer:
        time.sleep(0.6)
        peer.settimeout(20)
        answer = Reader(peer).everything()
    gadget.join()
    assert answer.errors == ["malibu test: the scan is broken"]
    assert 0 < len(answer.images) < 3
    assert all(np.array_equal(image.squeeze(), pixels) for _, _, image in answer.images)


def _quietly(function: Callable[[], None]) -> None:
    with contextlib.suppress(StreamError):
        function()
