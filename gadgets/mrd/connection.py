"""A Gadgetron connection that cannot hang, cannot cut short silently, and reports errors.

gadgetron-python opens the connection and (de)serialises the items; this module takes the place of its socket, which
spins for ever when a peer dies inside a message, and of its loop, which ends quietly on an unknown message.
"""

import contextlib
import io
import logging
import select
import socket
import struct
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, cast
from xml.etree.ElementTree import Element

import ismrmrd
from gadgetron.external import constants
from gadgetron.external.connection import Connection

from gadgets.errors import OPERATOR_ERRORS, ParameterError, StreamError

log = logging.getLogger(__name__)

CLOSE_BYTES = constants.GadgetMessageIdentifier.pack(constants.GADGET_MESSAGE_CLOSE)
SENDABLE_TYPES = (ismrmrd.DATATYPE_USHORT, ismrmrd.DATATYPE_FLOAT, ismrmrd.DATATYPE_CXFLOAT)
"""Pixel types that every Gadgetron writer takes; int16 fails in the server."""

# A field of more than 1 GiB means that the stream is out of step, not that so much data comes.
_LARGEST_READ = 2**30
# After an error the rest of the stream is read until it pauses for this long.
_DRAIN_PAUSE_S = 10.0
# A closing socket reads on until the peer is silent for this long: closing early resets it.
_LINGER_S = 0.5


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
        if count > _LARGEST_READ:
            raise StreamError(f"message {self.messages + 1} claims a field of {count} bytes: the stream is corrupt")
        try:
            data = self._stream.read(count)
        except TimeoutError as error:
            raise StreamError(
                f"message {self.messages + 1} stalled: no data for {self.message_timeout_s:g} s (message_timeout_s)"
            ) from error
        except OSError as error:
            raise self._lost(error) from error
        if len(data) < count:
            raise StreamError(
                f"the stream was cut inside message {self.messages + 1}: {len(data)} of {count} bytes came"
            )
        return data

    def _lost(self, error: OSError) -> StreamError:
        self.in_step = False
        return StreamError(f"the connection was lost after {self.messages} messages: {error}")

    def write(self, data: Any) -> None:
        """Write all of it.

        Raises
        ------
        StreamError
            If the peer is gone, or takes nothing within the message timeout.
        """
        try:
            self.socket.settimeout(self.message_timeout_s)
            self.socket.sendall(data)
        except OSError as error:
            raise StreamError(f"the peer no longer takes data: {error}") from error

    def discard_until_silence(self, pause_s: float) -> bytes:
        """Read and drop whatever comes until the peer closes or pauses; return the first bytes of it."""
        start = b""
        deadline = time.monotonic() + self.idle_timeout_s
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
        self.trailing = self._buffered() + self.discard_until_silence(_LINGER_S)
        self._stream.close()
        self.socket.close()

    def _buffered(self) -> bytes:
        with contextlib.suppress(OSError):
            self.socket.settimeout(0)
            return self._stream.peek()[:64]
        return b""


class GadgetStream:
    """The items of a Gadgetron connection, guarded; a context manager around a gadget's work.

    An exception inside the ``with`` block is sent to the client as an ERROR message, the rest of the stream is read
    and dropped so that the peer does not block, and the exception goes on, so that the process exits non-zero.

    Parameters
    ----------
    connection : gadgetron.external.connection.Connection
        As handed over by ``python3 -m gadgetron``: config and header are already read.
    gadget : str
        Name of the gadget, for messages.
    """

    def __init__(self, connection: Connection, gadget: str) -> None:
        self.header = connection.header
        self._connection = connection
        self._gadget = gadget
        self._socket = ExactSocket(connection.socket.socket)
        self._ended = False
        connection.socket = self._socket

    @property
    def configuration(self) -> Element | None:
        """The ``<configuration>`` element, None where Gadgetron has none.

        Raises
        ------
        ParameterError
            If it is not valid XML.
        """
        raw = self._connection.raw_bytes.config or b""
        if self._connection.config is None and raw.strip(b"\0 \r\n\t"):
            raise ParameterError("the <configuration> of the gadget is not valid XML")
        return self._connection.config

    def set_timeouts(self, message_timeout_s: float, idle_timeout_s: float) -> None:
        """Set the longest pauses inside and between messages."""
        self._socket.message_timeout_s = message_timeout_s
        self._socket.idle_timeout_s = idle_timeout_s

    def __iter__(self) -> Iterator[Any]:
        """Yield the deserialised items until CLOSE.

        Raises
        ------
        StreamError
            On an unknown message, a cut or stalled stream, or an end without CLOSE.
        """
        while True:
            message_id = self._socket.next_id()
            if message_id == constants.GADGET_MESSAGE_CLOSE:
                self._ended = True
                return
            reader = self._connection.readers.get(message_id)
            if reader is None:
                raise StreamError(f"unknown message id {message_id} after {self._socket.messages} messages")
            item = reader(self._socket)
            self._socket.message_done()
            yield item

    def waits(self, seconds: float) -> bool:
        """Whether a message comes within some seconds; it is not taken."""
        return self._socket.waits(seconds)

    def send(self, image: ismrmrd.Image) -> None:
        """Send an image.

        Raises
        ------
        TypeError
            If its pixel type is one that Gadgetron's writers refuse.
        """
        if image.data_type not in SENDABLE_TYPES:
            raise TypeError(f"images of ISMRMRD data type {image.data_type} fail in Gadgetron; send uint16 or float32")
        self._connection.send(image)

    def send_as_received(self, image: ismrmrd.Image) -> None:
        """Send on an image that came from the peer, whatever its pixel type."""
        self._connection.send(image)

    def __enter__(self) -> "GadgetStream":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._report(error)
            return
        self._socket.close()
        rest = self._socket.trailing
        if rest.replace(CLOSE_BYTES, b""):
            raise StreamError("the peer sent data after CLOSE; they are not in the images")
        if rest:
            log.warning("the peer sent CLOSE more than once")

    def _report(self, error: BaseException) -> None:
        text = str(error) if isinstance(error, OPERATOR_ERRORS) else f"{type(error).__name__}: {error}"
        log.error("%s: %s", self._gadget, text)
        with contextlib.suppress(StreamError):
            send_error(self._socket, f"malibu {self._gadget}: {text}")
        self._drain()

    def _drain(self) -> None:
        if self._ended:
            return
        self._socket.idle_timeout_s = min(self._socket.idle_timeout_s, _DRAIN_PAUSE_S)
        if self._socket.in_step:
            with contextlib.suppress(Exception):  # the first error is the one to report
                for _ in self:
                    pass
                return
        self._socket.discard_until_silence(_LINGER_S)


def send_error(destination: ExactSocket, text: str) -> None:
    """Send an ERROR message (id 8: u64 length, UTF-8 text), which Gadgetron's client prints."""
    data = text.encode()
    destination.write(
        constants.GadgetMessageIdentifier.pack(constants.GADGET_MESSAGE_ERROR) + struct.pack("<Q", len(data)) + data
    )


def read_error(source: ExactSocket) -> str:
    """Read the text of an ERROR message whose id was read."""
    (length,) = struct.unpack("<Q", source.read(8))
    return source.read(length).decode(errors="replace")
