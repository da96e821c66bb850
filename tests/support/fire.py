"""A console that speaks FIRE byte by byte, with no code of malibu."""

import contextlib
import json
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

import ismrmrd
import numpy as np

from tests.support.peer import ACQUISITION, CLOSE, IMAGE, TEXT, Reader, message, with_length

NAME, CONFIG_TEXT, XML = 1, 2, 3
DUMMY_HEADER = b"Dummy XML header"
MINI_HEAD = "PFBhcmFtTG9uZy4iTnVtYmVyT2ZTbGljZXMiPiB7IDggfQ=="


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


def slices(count: int = 8, series: int = 1, size: int = 16) -> list[ismrmrd.Image]:
    """Slices as a scanner sends them: int16, a mini header in the Meta."""
    ramp = np.arange(count * size * size).reshape(count, size, size)
    images = []
    for number, pixels in enumerate(ramp):
        image = ismrmrd.Image.from_array(pixels.astype(np.int16), transpose=False, image_series_index=series)
        head = image.getHead()
        head.slice, head.image_index = number, number + 1
        head.position[:], head.field_of_view[:] = (0, 0, 2.0 * number), (160, 160, 2)
        head.read_dir[:], head.phase_dir[:], head.slice_dir[:] = (1, 0, 0), (0, 1, 0), (0, 0, 1)
        image.setHead(head)
        image.meta = ismrmrd.Meta({"IceMiniHead": MINI_HEAD, "SliceNo": str(number)})
        images.append(image)
    return images
