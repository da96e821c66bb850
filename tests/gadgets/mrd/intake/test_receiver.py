"""The receiving thread: order, bound, errors in their place, and nothing left of it."""

import logging
import socket
import threading
import time
from collections.abc import Iterator

import ismrmrd
import numpy as np
import pytest
from gadgetron.external import constants

from gadgets.errors import StreamError
from gadgets.mrd.intake.receiver import Receiver
from gadgets.mrd.wire.items import read_acquisition
from gadgets.mrd.wire.reading import END, ItemReader
from gadgets.mrd.wire.sockets import ExactSocket

READERS = {constants.GADGET_MESSAGE_ISMRMRD_ACQUISITION: read_acquisition}
CLOSE = constants.GadgetMessageIdentifier.pack(constants.GADGET_MESSAGE_CLOSE)


def message(number: int, samples: int = 64) -> bytes:
    readout = ismrmrd.Acquisition.from_array(np.full((1, samples), number, np.complex64))
    readout.scan_counter = number
    return constants.GadgetMessageIdentifier.pack(constants.GADGET_MESSAGE_ISMRMRD_ACQUISITION) + readout.to_bytes()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, ExactSocket]]:
    left, right = socket.socketpair()
    with left, right:
        yield left, ExactSocket(right)


def receiver_of(source: ExactSocket, limit_bytes: int = 2**20) -> Receiver:
    return Receiver(ItemReader(source, READERS), source, limit_bytes)


def taken(receiver: Receiver) -> list[int]:
    numbers = []
    while (item := receiver.take(5)) is not END:
        numbers.append(int(item.data[0, 0].real))
    return numbers


def test_items_come_in_order_and_the_end_stays_the_end(pair: tuple[socket.socket, ExactSocket]) -> None:
    peer, source = pair
    receiver = receiver_of(source)
    peer.sendall(b"".join(message(number) for number in range(40)) + CLOSE)
    assert taken(receiver) == list(range(40))
    assert receiver.take(0) is END
    assert receiver.has(0)
    receiver.join()


def test_more_than_the_bound_waits_with_the_sender_and_the_log_says_so(
    pair: tuple[socket.socket, ExactSocket], caplog: pytest.LogCaptureFixture
) -> None:
    peer, source = pair
    limit = 5 * 8 * 4096
    receiver = receiver_of(source, limit)
    sent: list[int] = []

    def send() -> None:
        for number in range(600):
            peer.sendall(message(number, 4096))
            sent.append(number)
        peer.sendall(CLOSE)

    sender = threading.Thread(target=send)
    with caplog.at_level(logging.WARNING):
        sender.start()
        deadline = time.monotonic() + 5
        while not caplog.messages and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(sent) < 300  # the rest is in no buffer: the sender stands
        assert taken(receiver) == list(range(600))
    sender.join()
    assert [message for message in caplog.messages if "the sender is held back" in message] == caplog.messages
    assert len(caplog.messages) == 1


def test_what_came_before_an_error_is_taken_first(pair: tuple[socket.socket, ExactSocket]) -> None:
    peer, source = pair
    receiver = receiver_of(source)
    peer.sendall(message(1) + message(2) + message(3)[:-20])
    peer.shutdown(socket.SHUT_WR)
    receiver.join()
    assert [int(receiver.take(0).data[0, 0].real) for _ in range(2)] == [1, 2]
    for _ in range(2):
        with pytest.raises(StreamError, match="cut inside message 3"):
            receiver.take(0)


def test_silence_is_an_error_of_who_waits_and_the_receiving_goes_on(pair: tuple[socket.socket, ExactSocket]) -> None:
    peer, source = pair
    receiver = receiver_of(source)
    with pytest.raises(StreamError, match=r"no message for 0\.1 s"):
        receiver.take(0.1)
    assert not receiver.has(0)
    peer.sendall(message(7) + CLOSE)
    assert taken(receiver) == [7]


@pytest.mark.parametrize("how", ["full", "silent", "sending"])
def test_dropping_ends_the_thread_whatever_the_peer_does(pair: tuple[socket.socket, ExactSocket], how: str) -> None:
    peer, source = pair
    receiver = receiver_of(source, 8 * 64)
    stop = threading.Event()

    def send() -> None:
        while how == "sending" and not stop.wait(0.01):
            peer.sendall(message(1))

    sender = threading.Thread(target=send)
    sender.start()
    if how == "full":
        peer.sendall(b"".join(message(number) for number in range(8)))
        assert receiver.has(5)
    receiver.drop(pause_s=0.2, longest_s=1.0)
    assert not receiver.is_receiving
    stop.set()
    sender.join()
