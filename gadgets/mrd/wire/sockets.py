"""A socket that reads exactly, waits for a bounded time, and closes so that the peer can read everything."""

import contextlib
import io
import select
import socket
import struct
import time
from typing import Any, cast

from gadgetron.external import constants

from gadgets.errors import StreamError, shortened

CLOSE_BYTES = constants.GadgetMessageIdentifier.pack(constants.GADGET_MESSAGE_CLOSE)
LARGEST_FIELD = 2**30
"""A field of more than 1 GiB means that the stream is out of step, not that so much data comes."""

# Memory is taken as the data come, so that a claimed length costs nothing.
_READ_AT_ONCE = 2**24
# A write waits for a pause of the reader, not for the whole image: it goes out in pieces of this size.
_WRITTEN_AT_ONCE = 2**18
# A closing socket reads on until the peer is silent for this long: closing early resets it.
LINGER_S = 0.5
_LONGEST_ERROR = 2000


class ExactSocket:
    """Reads exactly, with timeouts, and closes once; takes the place of gadgetron's ``SocketWrapper``.

    Parameters
    ----------
    sock : socket.socket
    message_timeout_s : float
        Longest pause inside a message.
    idle_timeout_s : float
        Longest pause between messages.
    """

    def __init__(self, sock: socket.socket, message_timeout_s: float = 30.0, idle_timeout_s: float = 600.0) -> None:
        self.socket = sock
        self.message_timeout_s = message_timeout_s
        self.idle_timeout_s = idle_timeout_s
        self.messages = 0
        self.in_step = True
        self.trailing = b""
        self._stream = cast(io.BufferedReader, sock.makefile("rb", buffering=2**20))
        self._closed = False

    def next_id(self) -> int:
        """Wait for the next message and return its id.

        Raises
        ------
        StreamError
            If the peer ends the stream without CLOSE, or nothing comes within the idle timeout.
        """
        self.socket.settimeout(self.idle_timeout_s)
        try:
            first = self._stream.read(1)
        except TimeoutError as error:
            self.in_step = False
            raise StreamError(f"no message for {self.idle_timeout_s:g} s (idle_timeout_s)") from error
        except OSError as error:
            raise self._lost(error) from error
        if not first:
            self.in_step = False
            raise StreamError(
                f"the stream ended without CLOSE after {self.messages} messages: the peer died or was cut"
            )
        self.in_step = False
        self.socket.settimeout(self.message_timeout_s)
        return struct.unpack("<H", first + self.read(1))[0]

    def waits(self, seconds: float) -> bool:
        """Whether something comes within some seconds, CLOSE or the end of the stream included; nothing is taken."""
        return bool(self._buffered()) or bool(select.select([self.socket], [], [], seconds)[0])

    def message_done(self) -> None:
        """Note that a whole message was read."""
        self.messages += 1
        self.in_step = True

    def read(self, count: int) -> bytes:
        """Read exactly ``count`` bytes of a message.

        Raises
        ------
        StreamError
            If the peer closes or stalls before, or the count cannot be right.
        """
        if count > LARGEST_FIELD:
            raise StreamError(f"message {self.messages + 1} claims a field of {count} bytes: the stream is corrupt")
        if count <= _READ_AT_ONCE:
            return self._part(count, 0, count)
        parts: list[bytes] = []
        for start in range(0, count, _READ_AT_ONCE):
            parts.append(self._part(min(_READ_AT_ONCE, count - start), start, count))
        return b"".join(parts)

    def _part(self, size: int, before: int, count: int) -> bytes:
        try:
            data = self._stream.read(size)
        except TimeoutError as error:
            raise StreamError(
                f"message {self.messages + 1} stalled: no data for {self.message_timeout_s:g} s (message_timeout_s)"
            ) from error
        except OSError as error:
            raise self._lost(error) from error
        if len(data) < size:
            raise StreamError(
                f"the stream was cut inside message {self.messages + 1}: {before + len(data)} of {count} bytes came"
            )
        return data

    def _lost(self, error: OSError) -> StreamError:
        self.in_step = False
        return StreamError(f"the connection was lost after {self.messages} messages: {error}")

    def write(self, data: Any) -> None:
        """Write all of it, however slowly the peer takes it.

        Raises
        ------
        StreamError
            If the peer is gone, or takes nothing within the message timeout.
        """
        rest = memoryview(data).cast("B")
        try:
            self.socket.settimeout(self.message_timeout_s)
            while len(rest):
                rest = rest[self.socket.send(rest[:_WRITTEN_AT_ONCE]) :]
        except OSError as error:
            raise StreamError(f"the peer no longer takes data: {error}") from error

    def discard_until_silence(self, pause_s: float, longest_s: float | None = None) -> bytes:
        """Read and drop whatever comes until the peer closes or pauses; return the first bytes of it."""
        start = b""
        deadline = time.monotonic() + (self.idle_timeout_s if longest_s is None else longest_s)
        with contextlib.suppress(OSError):
            self.socket.settimeout(pause_s)
            while time.monotonic() < deadline and (data := self.socket.recv(2**16)):
                start = (start + data)[:64]
        return start

    def close(self) -> None:
        """Send CLOSE, let the peer read everything, and close; a second call does nothing.

        What the peer still sends is read before: closing a TCP socket with unread data would reset the connection
        and could take images with it that the peer has not read yet.
        """
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(OSError):
            self.socket.settimeout(self.message_timeout_s)
            self.socket.sendall(CLOSE_BYTES)
            self.socket.shutdown(socket.SHUT_WR)
        self.trailing = self._buffered() + self.discard_until_silence(LINGER_S)
        self._stream.close()
        self.socket.close()

    def drop(self) -> None:
        """Close at once and without a word."""
        self._closed = True
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError, ValueError):
            self._stream.close()
        self.socket.close()

    def _buffered(self) -> bytes:
        with contextlib.suppress(OSError):
            self.socket.settimeout(0)
            return self._stream.peek()[:64]
        return b""


def send_error(destination: ExactSocket, text: str) -> None:
    """Send an ERROR message (id 8: u64 length, UTF-8 text), which Gadgetron's client prints."""
    data = shortened(text, _LONGEST_ERROR).encode(errors="replace")
    destination.write(
        constants.GadgetMessageIdentifier.pack(constants.GADGET_MESSAGE_ERROR) + struct.pack("<Q", len(data)) + data
    )


def read_error(source: ExactSocket) -> str:
    """Read the text of an ERROR message whose id was read."""
    (length,) = struct.unpack("<Q", source.read(8))
    return shortened(source.read(length).decode(errors="replace"), _LONGEST_ERROR)
