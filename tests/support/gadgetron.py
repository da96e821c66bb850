"""A stand-in for a Gadgetron server: it does to a client and to a gadget what the real one was seen to do.

Gadgetron 4.7: it refuses headers of another version, keeps header numbers in single precision, starts the gadget of the
first ``<external>`` by the first ``python`` on its PATH, sends a bare XML declaration where that has no
``<configuration>``, hands an ERROR of the gadget on as TEXT and then closes as if all were well, and fails at pixel
types other than uint16, float32 and complex64.
"""

import os
import shutil
import socket
import struct
import subprocess
import threading
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.peer import CLOSE, CONFIG, ERROR, HEADER, IMAGE, IMAGE_HEADER_BYTES, TEXT, message, with_length

VERSION = "2.9"
BARE = b'<?xml version="1.0"?>\n'
PIXEL_BYTES = {1: 2, 5: 4, 7: 8}
_FLOATS = {"TR", "TE", "TI", "flipAngle_deg", "echo_spacing", "systemFieldStrength_T", "relativeReceiverNoiseBandwidth"}


@dataclass
class StandIn:
    """The running server.

    Attributes
    ----------
    host, port : str, int
    written : str
        How it writes numbers: ``%f`` in older ISMRMRD libraries, ``%.9g`` in newer ones.
    seen : list of (int, bytes)
        What the gadget was sent as CONFIG and HEADER.
    """

    host: str
    port: int
    written: str
    environment: dict[str, str]
    seen: list[tuple[int, bytes]] = field(default_factory=list)
    log: str = ""

    def serve(self, server: socket.socket) -> None:
        with suppress(OSError):
            client = server.accept()[0]
            with client, client.makefile("rb") as stream:
                try:
                    self._stream(client, stream)
                except RuntimeError as error:
                    client.sendall(message(TEXT, with_length(str(error).encode())) + message(CLOSE))

    def _stream(self, client: socket.socket, stream: Any) -> None:
        document = ElementTree.fromstring(_text(stream, CONFIG))
        header = self._rewritten(_text(stream, HEADER))
        external = next(document.iter("external"))
        execute, configuration = external.find("execute"), external.find("configuration")
        config = BARE if configuration is None else ElementTree.tostring(configuration)
        with socket.create_server(("localhost", 0)) as own:
            port = str(own.getsockname()[1])
            python = shutil.which("python", path=self.environment["PATH"]) or shutil.which("python3")
            process = subprocess.Popen(
                [python, "-m", "gadgetron", port, execute.get("name"), execute.get("target")],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=self.environment,
            )
            own.settimeout(60)
            gadget = own.accept()[0]
        self.seen += [(CONFIG, config), (HEADER, header)]
        with gadget, gadget.makefile("rb") as answers:
            for number, text in self.seen:
                gadget.sendall(message(number, with_length(text)))
            threading.Thread(target=_copy, args=(stream, gadget), daemon=True).start()
            try:
                for answer in _answers(answers):
                    client.sendall(answer)
            finally:
                with suppress(OSError):
                    gadget.shutdown(socket.SHUT_RDWR)
                self.log = process.communicate(timeout=60)[1].decode()

    def _rewritten(self, header: bytes) -> bytes:
        root = ElementTree.fromstring(header)
        for element in root.iter():
            name = element.tag.rpartition("}")[2]
            if name == "version" and element.text != VERSION:
                raise RuntimeError(f"Unsupported ISMRMRD header version {element.text}")  # the real one hangs
            axes = element if name == "fieldOfView_mm" else [element] if name in _FLOATS else []
            for number in axes:
                (single,) = struct.unpack("<f", struct.pack("<f", float(number.text)))
                number.text = self.written % single
        return ElementTree.tostring(root)


def _text(stream: Any, expected: int) -> bytes:
    number, length = struct.unpack("<HI", stream.read(6))
    if number != expected:
        raise RuntimeError(f"illegal message id {number}")
    return stream.read(length)


def _copy(stream: Any, gadget: socket.socket) -> None:
    with suppress(OSError, ValueError):
        while data := stream.read1(2**16):
            gadget.sendall(data)


def _answers(stream: Any) -> Iterator[bytes]:
    """Turn the messages of the gadget into those of the server."""
    while len(start := stream.read(2)) == 2:
        (number,) = struct.unpack("<H", start)
        if number == CLOSE:
            break
        if number == ERROR:
            (length,) = struct.unpack("<Q", stream.read(8))
            yield message(TEXT, with_length(stream.read(length)))
            break
        if number != IMAGE:
            raise RuntimeError(f"illegal message id {number}")
        header = stream.read(IMAGE_HEADER_BYTES)
        attributes = stream.read(8)
        attributes += stream.read(struct.unpack("<Q", attributes)[0])
        (pixel_type,) = struct.unpack_from("<H", header, 2)
        if pixel_type not in PIXEL_BYTES:
            raise RuntimeError("map::at")
        x, y, z = struct.unpack_from("<3H", header, 16)
        (channels,) = struct.unpack_from("<H", header, 34)
        yield start + header + attributes + stream.read(x * y * z * channels * PIXEL_BYTES[pixel_type])
    yield message(CLOSE)


@contextmanager
def running_gadgetron(python: Path, written: str = "%f", **environment: str) -> Iterator[StandIn]:
    """Serve one client; the gadget runs with this interpreter, first on the PATH as ``python``."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        path = os.pathsep.join([str(python.parent), os.environ.get("PATH", "")])
        stand_in = StandIn(*server.getsockname(), written, os.environ | {"PATH": path} | environment)
        thread = threading.Thread(target=stand_in.serve, args=(server,), daemon=True)
        thread.start()
        yield stand_in
    thread.join(60)
