"""A console that speaks FIRE byte by byte, with no code of malibu."""

import contextlib
import json
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from tests.support.peer import ACQUISITION, CLOSE, IMAGE, TEXT, Reader, message, with_length

NAME, CONFIG_TEXT, XML = 1, 2, 3
DUMMY_HEADER = b"Dummy XML header"


@dataclass
class FireAnswer:
    """What came back, in order."""

    images: list[tuple[bytes, str, np.ndarray]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    closes: int = 0
    after_close: int = 0

    @property
    def errors(self) -> list[str]:
        return [line for line in self.lines if line.startswith("ERR")]


class FireReader(Reader):
    """Reads until the server shuts the connection."""

    def answer(self) -> FireAnswer:
        answer = FireAnswer()
        while True:
            try:
                (number,) = struct.unpack("<H", self._read(2))
            except (EOFError, ConnectionError):
                return answer
            answer.after_close += answer.closes
            if number == CLOSE:
                answer.closes += 1
            elif number == TEXT:
                (length,) = struct.unpack("<I", self._read(4))
                text = self._read(length)
                assert text.endswith(b"\0")
                answer.lines.append(text[:-1].decode())
            else:
                assert number == IMAGE, f"unexpected message id {number}"
                answer.images.append(self._read_image())


def by_name(name: str) -> bytes:
    return message(NAME, name.encode().ljust(1024, b"\0"))


def by_text(text: str) -> bytes:
    return message(CONFIG_TEXT, with_length(text.encode() + b"\0"))


def header(xml: bytes) -> bytes:
    return message(XML, with_length(xml + b"\0"))


def parameters(number: int = TEXT, **values: object) -> bytes:
    text = json.dumps({"version": "1.1.0", "parameters": values})
    return message(number, with_length(text.encode() + b"\0"))


def items_of(messages: list[bytes]) -> list[bytes]:
    """Readouts of what :func:`tests.support.peer.scan_messages` gives."""
    return [one for one in messages if one[:2] == struct.pack("<H", ACQUISITION)]


def send(sock: socket.socket, parts: Iterable[bytes]) -> None:
    """Send; a server that ended early is no fault of the console's."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for part in parts:
            sock.sendall(part)
