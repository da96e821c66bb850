"""A socket that reads exactly, waits for a bounded time, and closes so that the peer can read everything."""

import contextlib
import math
import select
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

from gadgetron.external import constants

from gadgets.errors import StreamError, shortened

CLOSE_BYTES = constants.GadgetMessageIdentifier.pack(constants.GADGET_MESSAGE_CLOSE)
LARGEST_FIELD = 2**30
"""A field of more than 1 GiB means that the stream is out of step, not that so much data comes."""

# Memory is taken as the data come, so that a claimed length costs nothing.
_READ_AT_ONCE = 2**24
# How long a thread waits for data before it looks at the timeout again.
_ASKED_EVERY_S = 0.25
# Bytes taken from the socket at a time: some 40 readouts of 8 coils × 320 samples.
_BUFFERED = 2**20
# A write waits for a pause of the reader, not for the whole image: it goes out in pieces of this size.
_WRITTEN_AT_ONCE = 2**18
# A closing socket reads on until the peer is silent for this long: closing early resets it.
LINGER_S = 0.5
_LONGEST_ERROR = 2000


class ExactSocket:
    """Reads exactly, with timeouts, and closes once; takes the place of gadgetron's ``SocketWrapper``.

    One thread may read while another writes: the socket itself never blocks, and each side waits by ``poll``.

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
        self._buffer = memoryview(bytearray(_BUFFERED))
        self._first = self._stop = 0
        self._unread: int | None = None
        self._closed = False
        sock.setblocking(False)

    def next_id(self) -> int:
        """Wait for the next message and return its id.

        Raises
        ------
        StreamError
            If the peer ends the stream without CLOSE, or nothing comes within the idle timeout.
        """
        if self._unread is not None:
            number, self._unread, self.in_step = self._unread, None, False
            return number
        first = bytearray(1)
        try:
            count = self._take(memoryview(first), lambda: self.idle_timeout_s)
        except TimeoutError as error:
            self.in_step = False
            raise StreamError(f"no message for {self.idle_timeout_s:g} s (idle_timeout_s)") from error
        except OSError as error:
            raise self._lost(error) from error
        self.in_step = False
        if not count:
            raise StreamError(
                f"the stream ended without CLOSE after {self.messages} messages: the peer died or was cut"
            )
        return struct.unpack("<H", bytes(first) + self.read(1))[0]

    def unread_id(self, number: int) -> None:
        """Let the id that was read last be the next one."""
        self._unread, self.in_step = number, True

    def waits(self, seconds: float) -> bool:
        """Whether something comes within some seconds, CLOSE or the end of the stream included; nothing is taken."""
        return self.has_buffered or self._ready(select.POLLIN, seconds)

    @property
    def has_buffered(self) -> bool:
        """Whether bytes were received that are not read yet."""
        return self._first < self._stop or self._unread is not None

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
        if count <= self._stop - self._first:
            self._first += count
            return bytes(self._buffer[self._first - count : self._first])
        data = bytearray()
        while len(data) < count:
            part = bytearray(min(_READ_AT_ONCE, count - len(data)))
            self._fill(memoryview(part), len(data), count)
            data += part
        return bytes(data)

    def _fill(self, part: memoryview, before: int, count: int) -> None:
        done = 0
        while done < len(part):
            try:
                got = self._take(part[done:], lambda: self.message_timeout_s)
            except TimeoutError as error:
                raise StreamError(
                    f"message {self.messages + 1} stalled: no data for {self.message_timeout_s:g} s (message_timeout_s)"
                ) from error
            except OSError as error:
                raise self._lost(error) from error
            if not got:
                raise StreamError(
                    f"the stream was cut inside message {self.messages + 1}: {before + done} of {count} bytes came"
                )
            done += got

    def _take(self, into: memoryview, timeout_s: Callable[[], float]) -> int:
        """Take some bytes, at least one; 0 at the end of the stream, TimeoutError where nothing comes."""
        if self._first == self._stop:
            if len(into) >= len(self._buffer):
                return self._received(into, timeout_s)
            self._first, self._stop = 0, self._received(self._buffer, timeout_s)
        count = min(len(into), self._stop - self._first)
        into[:count] = self._buffer[self._first : self._first + count]
        self._first += count
        return count

    def _received(self, into: memoryview, timeout_s: Callable[[], float]) -> int:
        """Read what is there; the timeout is asked for again and again, since it may be set while a thread waits."""
        start_s = time.monotonic()
        while True:
            with contextlib.suppress(BlockingIOError):
                return self.socket.recv_into(into)
            rest_s = start_s + timeout_s() - time.monotonic()
            if rest_s <= 0:
                raise TimeoutError
            self._ready(select.POLLIN, min(rest_s, _ASKED_EVERY_S))

    def _ready(self, event: int, timeout_s: float) -> bool:
        """Wait until the socket can be read or written, or is broken, for a bounded time."""
        waiting = select.poll()
        waiting.register(self.socket, event)
        return bool(waiting.poll(max(0, math.ceil(1000 * timeout_s))))

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
            while len(rest):
                with contextlib.suppress(BlockingIOError):
                    rest = rest[self.socket.send(rest[:_WRITTEN_AT_ONCE]) :]
                    continue
                if not self._ready(select.POLLOUT, self.message_timeout_s):
                    raise TimeoutError(f"nothing was taken for {self.message_timeout_s:g} s")
        except (OSError, ValueError) as error:
            raise StreamError(f"the peer no longer takes data: {error}") from error

    def discard_until_silence(self, pause_s: float, longest_s: float | None = None) -> bytes:
        """Read and drop whatever comes until the peer closes or pauses; return the first bytes of it."""
        start = bytes(self._buffer[self._first : self._stop][:64])
        self._first = self._stop = 0
        deadline = time.monotonic() + (self.idle_timeout_s if longest_s is None else longest_s)
        with contextlib.suppress(OSError, ValueError):
            while time.monotonic() < deadline and (count := self._received(self._buffer, lambda: pause_s)):
                start = (start + bytes(self._buffer[: min(count, 64)]))[:64]
        return start

    def close(self, last: bytes = CLOSE_BYTES) -> None:
        """Send CLOSE, let the peer read everything, and close; a second call does nothing.

        What the peer still sends is read before: closing a TCP socket with unread data would reset the connection
        and could take images with it that the peer has not read yet.
        """
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(StreamError, OSError):
            self.write(last)
            self.socket.shutdown(socket.SHUT_WR)
        self.trailing = self.discard_until_silence(LINGER_S)
        self.socket.close()

    def drop(self) -> None:
        """Close at once and without a word."""
        self._closed = True
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


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
