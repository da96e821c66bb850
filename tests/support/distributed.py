"""A stand-in for a Gadgetron with ``<distributed>``: one gadget process before it, and one for each slice.

Read in Gadgetron 4.7 (core/distributed/AcquisitionDistributor.cpp, apps/gadgetron/connection/nodes/Distributed.cpp and
config/Config.cpp): a readout goes to the worker of its ``idx.slice``, noise too; the first of a slice opens it. What
is no readout passes by. A worker's configuration is written anew, without ``target`` and without ``<configuration>``.
The images of all workers go back in the order in which they come.
"""

import socket
import struct
import threading
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

from gadgets import multitasking
from gadgets.errors import OPERATOR_ERRORS
from gadgets.mrd.replay import hosted
from gadgets.mrd.wire.takeover import SLICE_GADGET
from tests.support.gadgetron import BARE
from tests.support.peer import ACQUISITION, CLOSE, CONFIG, ERROR, HEADER, Answer, Peer, Reader, message, with_length

HEAD_BYTES, SAMPLES_AT, COILS_AT, DIMENSIONS_AT, SLICE_AT = 340, 34, 38, 176, 248


class Hosted:
    """A gadget in this process, with a peer's methods; without a target, that which malibu takes behind the loss."""

    def __init__(self, target: str | None) -> None:
        self._hosting = hosted(getattr(multitasking, target or SLICE_GADGET)())
        self.socket = self._hosting.__enter__()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self) -> Answer:
        return Reader(self.socket).everything()

    def __enter__(self) -> "Hosted":
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(*OPERATOR_ERRORS):
            self._hosting.__exit__(None, None, None)


Start = Callable[[ElementTree.Element], Peer | Hosted]


def started(execute: ElementTree.Element) -> Peer:
    """Start the gadget of an ``<execute>`` in a process of its own."""
    return Peer(execute.get("target"), execute.get("name"))


def here(execute: ElementTree.Element) -> Hosted:
    """Start it in this process."""
    return Hosted(execute.get("target"))


@dataclass
class Distribution:
    """What became of a scan.

    Attributes
    ----------
    answers : dict of int to Answer
        Of each slice's worker.
    errors : list of str
        Of the gadget before the distribution.
    sent : dict of int to list of bytes
        Readouts that each worker was sent.
    """

    answers: dict[int, Answer] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    sent: dict[int, list[bytes]] = field(default_factory=dict)


def distribute(document: str, header: bytes, items: list[bytes], start: Start = here) -> Distribution:
    """Send a scan through a configuration with ``<distributed>``.

    Parameters
    ----------
    document : str
        XML.
    header : bytes
    items : list of bytes
        Messages of the scan, without CLOSE.
    start : callable
        Gives a peer for an ``<execute>``.
    """
    before, behind = ElementTree.fromstring(document).find("stream")
    assert behind.find("distributor/property").attrib == {"name": "parallel_dimension", "value": "slice"}
    execute = behind.find("stream/external/execute")
    execute.attrib.pop("target")
    found, threads = Distribution(), []
    with ExitStack() as stack:
        first = stack.enter_context(start(before.find("execute")))
        first.send(opening(ElementTree.tostring(before.find("configuration")), header))
        sender = threading.Thread(target=lambda: first.send(b"".join(items) + message(CLOSE)), daemon=True)
        sender.start()
        workers: dict[int, Peer | Hosted] = {}
        for number, readout in passed_on(first.socket, found.errors):
            if number not in workers:
                worker = workers[number] = stack.enter_context(start(execute))
                worker.send(opening(BARE, header))
                take = threading.Thread(target=lambda n=number, w=worker: found.answers.update({n: w.receive()}))
                take.start()
                threads.append(take)
            found.sent.setdefault(number, []).append(readout)
            workers[number].send(message(ACQUISITION, readout))
        for worker in workers.values():
            worker.send(message(CLOSE))
        for thread in threads:
            thread.join(60)
    return found


def opening(configuration: bytes, header: bytes) -> bytes:
    return message(CONFIG, with_length(configuration)) + message(HEADER, with_length(header))


def passed_on(sock: socket.socket, errors: list[str]) -> Iterator[tuple[int, bytes]]:
    """Slice and bytes of each readout that the first gadget sends, until it closes."""
    with sock.makefile("rb") as stream:
        while len(start := stream.read(2)) == 2 and (number := struct.unpack("<H", start)[0]) != CLOSE:
            if number == ERROR:
                errors.append(stream.read(struct.unpack("<Q", stream.read(8))[0]).decode())
                continue
            assert number == ACQUISITION, f"message id {number} would pass by the workers"
            head = stream.read(HEAD_BYTES)
            places = SAMPLES_AT, COILS_AT, DIMENSIONS_AT, SLICE_AT
            samples, coils, dimensions, slice_index = (struct.unpack_from("<H", head, place)[0] for place in places)
            yield slice_index, head + stream.read(samples * (8 * coils + 4 * dimensions))
