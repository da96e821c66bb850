"""Readouts per second from the wire into arrays, for Gadgetron and for FIRE: `python tests/benchmarks/intake.py`.

A sender in a process of its own writes readouts of 8 coils × 320 samples with trajectory, as a console would.
"""

import multiprocessing
import socket
import time
from collections.abc import Callable

import ismrmrd
import numpy as np
from gadgetron.external import constants

from gadgets.consoles.fire.connection import Choice, FireConnection
from gadgets.mrd.connection import GadgetStream
from gadgets.mrd.header import parse_header, read_header
from gadgets.mrd.intake.measurement import Measurement
from gadgets.mrd.wire.opening import GuardedConnection
from gadgets.multitasking.gadget import MultitaskingGadget
from gadgets.multitasking.parameters import MultitaskingParameters
from gadgets.multitasking.readouts import slices_of

READOUTS, COILS, SAMPLES = 16000, 8, 320
HEADER = """<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><experimentalConditions>
<H1resonanceFrequency_Hz>123200000</H1resonanceFrequency_Hz></experimentalConditions><encoding>
<encodedSpace><matrixSize><x>320</x><y>320</y><z>1</z></matrixSize>
<fieldOfView_mm><x>540</x><y>540</y><z>8</z></fieldOfView_mm></encodedSpace>
<reconSpace><matrixSize><x>160</x><y>160</y><z>1</z></matrixSize>
<fieldOfView_mm><x>270</x><y>270</y><z>8</z></fieldOfView_mm></reconSpace>
<encodingLimits/><trajectory>goldenangle</trajectory></encoding></ismrmrdHeader>"""


def stream_bytes() -> bytes:
    rng = np.random.default_rng(0)
    data = rng.standard_normal((COILS, SAMPLES, 2)).astype(np.float32).view(np.complex64)[..., 0]
    radius = (np.arange(SAMPLES) - SAMPLES // 2) / SAMPLES
    readouts = []
    for number in range(2):
        trajectory = np.stack([radius * np.cos(number), radius * np.sin(number)], axis=1).astype(np.float32)
        acquisition = ismrmrd.Acquisition(data=data, trajectory=trajectory)
        if number == 0:
            acquisition.set_flag(ismrmrd.ACQ_IS_NAVIGATION_DATA)
        readouts.append(
            constants.GadgetMessageIdentifier.pack(constants.GADGET_MESSAGE_ISMRMRD_ACQUISITION)
            + acquisition.to_bytes()
        )
    return b"".join(readouts)


def send(port: int, end_of_text: bytes) -> None:
    pair = stream_bytes()
    with socket.create_connection(("127.0.0.1", port)) as sock:
        for message_id, said in ((2, b"<configuration/>"), (3, HEADER.encode())):
            text = said + end_of_text
            sock.sendall(constants.GadgetMessageIdentifier.pack(message_id) + constants.uint32.pack(len(text)) + text)
        for _ in range(READOUTS // 20):
            sock.sendall(10 * pair)
        sock.sendall(constants.GadgetMessageIdentifier.pack(constants.GADGET_MESSAGE_CLOSE))
        while sock.recv(4096):
            ...


def fire(sock: socket.socket) -> FireConnection:
    return FireConnection(sock, lambda opening: Choice(MultitaskingGadget, opening.configuration.encode()))


def measure(console: str, connected: Callable[[socket.socket], GuardedConnection], end_of_text: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        arguments = (server.getsockname()[1], end_of_text)
        sender = multiprocessing.get_context("spawn").Process(target=send, args=arguments)
        sender.start()
        with connected(server.accept()[0]) as connection, GadgetStream(connection, "benchmark") as stream:
            measurement, start = Measurement(), time.perf_counter()
            measurement.receive(stream, MultitaskingGadget().accept)
            received = time.perf_counter()
            slices_of(measurement, read_header(parse_header(HEADER)), MultitaskingParameters(tr_ms=3.6))
            end = time.perf_counter()
        sender.join()
    print(f"{console}: wire → readouts: {READOUTS / (received - start):,.0f} readouts/s of {COILS}×{SAMPLES}")
    print(f"{console}: wire → arrays:   {READOUTS / (end - start):,.0f} readouts/s; a console sends 280")


def main() -> None:
    for _ in range(2):
        measure("Gadgetron", GuardedConnection, b"")
        measure("FIRE", fire, b"\0")


if __name__ == "__main__":
    main()
