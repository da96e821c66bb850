"""A peer that speaks Gadgetron's protocol byte by byte, with no code of malibu or gadgetron-python."""

import os
import signal
import socket
import struct
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

CONFIG, HEADER, CLOSE, TEXT, ERROR = 2, 3, 4, 5, 8
ACQUISITION, IMAGE, WAVEFORM = 1008, 1022, 1026
IMAGE_HEADER_BYTES = 198
PIXELS = {1: "<u2", 2: "<i2", 5: "<f4", 7: "<c8"}


@dataclass
class Answer:
    """What the gadget sent, in order."""

    images: list[tuple[bytes, str, np.ndarray]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    closes: int = 0


def message(number: int, payload: bytes = b"") -> bytes:
    return struct.pack("<H", number) + payload


def with_length(text: bytes) -> bytes:
    return struct.pack("<I", len(text)) + text


def scan_messages(path: Path, configuration: bytes = b"<configuration/>") -> list[bytes]:
    """CONFIG, HEADER and one message per readout of a file, read with h5py alone; no CLOSE."""
    with h5py.File(path) as file:
        messages = [
            message(CONFIG, with_length(configuration)),
            message(HEADER, with_length(bytes(file["dataset/xml"][0]))),
        ]
        for record in file["dataset/data"][:]:
            body = record["head"].tobytes() + record["traj"].tobytes() + record["data"].tobytes()
            messages.append(message(ACQUISITION, body))
    return messages


def _as_a_server_starts_it() -> None:
    """No standard input, and signals as they are by default: a test run in the background ignores SIGINT."""
    os.close(0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Reader:
    """Reads what a gadget sends off a socket."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock

    def _read(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise EOFError(f"{len(data)} of {count} bytes")
            data += part
        return bytes(data)

    def everything(self) -> Answer:
        """Read until the gadget closes the connection."""
        answer = Answer()
        while True:
            try:
                (number,) = struct.unpack("<H", self._read(2))
            except (EOFError, ConnectionError):
                return answer
            if number == CLOSE:
                answer.closes += 1
            elif number == ERROR:
                (length,) = struct.unpack("<Q", self._read(8))
                answer.errors.append(self._read(length).decode())
            else:
                assert number == IMAGE, f"unexpected message id {number}"
                answer.images.append(self._read_image())

    def image(self) -> tuple[bytes, str, np.ndarray]:
        """Read one message, which must be an image."""
        assert struct.unpack("<H", self._read(2)) == (IMAGE,)
        return self._read_image()

    def _read_image(self) -> tuple[bytes, str, np.ndarray]:
        header = self._read(IMAGE_HEADER_BYTES)
        (length,) = struct.unpack("<Q", self._read(8))
        attributes = self._read(length).decode()
        (pixel_type,) = struct.unpack_from("<H", header, 2)
        matrix = struct.unpack_from("<3H", header, 16)
        (channels,) = struct.unpack_from("<H", header, 34)
        dtype = np.dtype(PIXELS[pixel_type])
        count = channels * int(np.prod(matrix))
        pixels = np.frombuffer(self._read(count * dtype.itemsize), dtype)
        return header, attributes, pixels.reshape(channels, *reversed(matrix))

    def error(self) -> str:
        """Read one message, which must be an error."""
        assert struct.unpack("<H", self._read(2)) == (ERROR,)
        (length,) = struct.unpack("<Q", self._read(8))
        return self._read(length).decode()


def series_of(header: bytes) -> int:
    """Series number in the head of an image."""
    return int(struct.unpack_from("<H", header, 128)[0])


class Peer:
    """Starts the gadget as Gadgetron does, behind ``<distributed>`` without a target, and talks to it."""

    def __init__(
        self, gadget: str | None = "MultitaskingGadget", module: str = "gadgets.multitasking", **environment: str
    ) -> None:
        server = socket.create_server(("127.0.0.1", 0))
        server.settimeout(20)
        port = str(server.getsockname()[1])
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gadgetron", port, module, *([] if gadget is None else [gadget])],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=_as_a_server_starts_it,
            env=os.environ | environment,
        )
        self.socket = server.accept()[0]
        self.socket.settimeout(60)
        server.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self) -> Answer:
        """Read until the gadget closes the connection."""
        return Reader(self.socket).everything()

    def receive_message(self) -> tuple[bytes, str, np.ndarray]:
        """Read one message, which must be an image."""
        return Reader(self.socket).image()

    def finish(self, timeout_s: float = 60) -> tuple[int, str, float]:
        """Wait for the process: its exit code, stderr, and the seconds it took from now."""
        start = time.monotonic()
        _, stderr = self.process.communicate(timeout=timeout_s)
        return self.process.returncode, stderr.decode(), time.monotonic() - start

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()
        self.process.kill()
        self.process.wait()
