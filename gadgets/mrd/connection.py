"""A Gadgetron connection that cannot hang, cannot cut short silently, and reports errors.

This module takes the place of gadgetron-python's loop, which ends quietly on an unknown message, as
:mod:`gadgets.mrd.wire` does of its socket, which spins for ever when a peer dies inside a message.
"""

import contextlib
import logging
import re
import threading
from collections.abc import Iterator
from functools import cached_property
from types import TracebackType
from typing import Any
from xml.etree.ElementTree import Element

import ismrmrd
from gadgetron.external.connection import Connection

from gadgets.errors import OPERATOR_ERRORS, ParameterError, Stopped, StreamError, shortened, signals_as_errors
from gadgets.mrd.dialects import Dialect, GadgetronDialect
from gadgets.mrd.header import parse_header
from gadgets.mrd.headers.numbers import as_gadgetron_writes
from gadgets.mrd.intake.receiver import Receiver
from gadgets.mrd.later import CancelledError, Job, LaterWork
from gadgets.mrd.wire.items import SENDABLE_TYPES
from gadgets.mrd.wire.opening import GuardedConnection
from gadgets.mrd.wire.reading import END, ItemReader
from gadgets.mrd.wire.sockets import CLOSE_BYTES, LINGER_S, ExactSocket, send_error

log = logging.getLogger(__name__)

# After an error the rest of the stream is read until it pauses for this long.
_DRAIN_PAUSE_S = 10.0
# A process that was told to end reads no longer than this.
_STOPPED_DRAIN_S = 5.0
# What a Gadgetron sends where the <external> has no <configuration>.
_EMPTY = re.compile(rb"\s*(<\?xml[^>]*\?>)?[\s\0]*")


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
        self._connection = connection
        self._gadget = gadget
        taken = connection.socket
        self._socket = taken if isinstance(taken, ExactSocket) else ExactSocket(taken.socket)
        self._reader = ItemReader(self._socket, connection.readers)
        self._receiver: Receiver | None = None
        self._later, self._sending, self._has_failed = LaterWork(), threading.Lock(), False
        self._guarded = connection if isinstance(connection, GuardedConnection) else None
        if self._guarded is not None:
            self._reader, self._receiver = self._guarded.reader, self._guarded.receiver
        self._dialect: Dialect = GadgetronDialect()
        self._signals = signals_as_errors()
        connection.socket = self._socket

    @cached_property
    def header(self) -> Any:
        """The ISMRMRD header, its numbers as a Gadgetron between scanner and gadget hands them on.

        Raises
        ------
        DataError
            If it is none.
        """
        return as_gadgetron_writes(parse_header(self._connection.raw_bytes.header))

    @property
    def configuration(self) -> Element | None:
        """The ``<configuration>`` element, None where Gadgetron has none.

        Raises
        ------
        ParameterError
            If it is not valid XML.
        """
        raw = self._connection.raw_bytes.config or b""
        if self._connection.config is None and not _EMPTY.fullmatch(raw):
            raise ParameterError("the <configuration> of the gadget is not valid XML")
        return self._connection.config

    def set_timeouts(self, message_timeout_s: float, idle_timeout_s: float) -> None:
        """Set the longest pauses inside and between messages."""
        self._socket.message_timeout_s = message_timeout_s
        self._socket.idle_timeout_s = idle_timeout_s

    def speak(self, dialect: Dialect) -> None:
        """Send images from now on as a console takes them."""
        self._dialect = dialect

    def turn(self, device_id: int) -> contextlib.AbstractContextManager[None]:
        """Wait until a reconstruction may begin beside those of other connections, for as long as the block lasts."""
        return contextlib.nullcontext() if self._guarded is None else self._guarded.turn(device_id)

    def received(self, measurement: Any) -> None:
        """Tell the connection of a complete measurement, before it is reconstructed."""
        if self._guarded is not None:
            self._guarded.received(measurement)

    def receive_ahead(self) -> Receiver:
        """Take items in from now on, in a thread of its own, whatever this one does; a second call does nothing."""
        if self._receiver is None:
            self._receiver = Receiver(self._reader, self._socket)
        return self._receiver

    def __iter__(self) -> Iterator[Any]:
        """Yield the deserialised items until CLOSE.

        Raises
        ------
        StreamError
            On an unknown message, a cut or stalled stream, or an end without CLOSE.
        """
        receiver = self.receive_ahead()
        while (item := receiver.take(self._socket.idle_timeout_s)) is not END:
            yield item

    def waits(self, seconds: float) -> bool:
        """Whether a message comes within some seconds; it is not taken."""
        return self.receive_ahead().has(seconds)

    def send(self, image: ismrmrd.Image) -> None:
        """Send an image.

        Raises
        ------
        TypeError
            If its pixel type is one that Gadgetron's writers refuse.
        """
        if image.data_type not in SENDABLE_TYPES:
            raise TypeError(f"images of ISMRMRD data type {image.data_type} fail in Gadgetron; send uint16 or float32")
        translated = self._dialect.translate(image)
        if translated is not None:
            self._send(translated)

    def send_as_received(self, image: ismrmrd.Image) -> None:
        """Send on an image that came from the peer, as the dialect's console takes it.

        Raises
        ------
        DataError
            If a value is too large for that.
        """
        self._send(self._dialect.as_received(image))

    def _send(self, image: ismrmrd.Image) -> None:
        with self._sending:
            if self._has_failed:  # nothing comes after an error
                raise CancelledError
            self._connection.send(image)

    def pass_on(self, message: bytes) -> None:
        """Send a whole message on to what stands behind this gadget."""
        with self._sending:
            self._socket.write(message)

    def later(self, job: Job) -> None:
        """Run a job beside what still comes; the stream ends after it, and with its error if it fails."""
        self._later.add(job)

    def __enter__(self) -> "GadgetStream":
        self._signals.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                try:
                    self._later.finish()
                except BaseException as failure:
                    self._end(failure)
                    raise
            self._end(error)
        finally:
            self._later.cancel()
            self._signals.__exit__(None, None, None)

    def _end(self, error: BaseException | None) -> None:
        if error is not None:
            self._report(error)
            return
        if self._receiver is not None:
            self._receiver.drop(LINGER_S, LINGER_S)
        if self._guarded is None:
            self._socket.close()
        else:
            self._guarded.end()
        rest = self._socket.trailing
        if rest.replace(CLOSE_BYTES, b""):
            raise StreamError("the peer sent data after CLOSE; they are not in the images")
        if rest:
            log.warning("the peer sent CLOSE more than once")

    def _report(self, error: BaseException) -> None:
        expected = isinstance(error, (*OPERATOR_ERRORS, Stopped))
        text = shortened(error if expected else f"{type(error).__name__}: {error}", 2000)
        log.error("%s: %s", self._gadget, text)
        self._has_failed = True
        if self._sending.acquire(timeout=_STOPPED_DRAIN_S):  # else a peer that takes nothing holds an image up
            with contextlib.suppress(StreamError):
                self._tell(f"malibu {self._gadget}: {text}")
            self._sending.release()
        self._drain(*((LINGER_S, _STOPPED_DRAIN_S) if isinstance(error, Stopped) else (_DRAIN_PAUSE_S, None)))

    def _tell(self, text: str) -> None:
        if self._guarded is None:
            send_error(self._socket, text)
        else:
            self._guarded.report(text)

    def _drain(self, pause_s: float, longest_s: float | None) -> None:
        """Read and drop the rest of the stream, so that the peer does not block, and end the receiving thread."""
        if self._socket.in_step and not self._reader.has_ended:
            self.receive_ahead()
        if self._receiver is not None:
            self._receiver.drop(min(pause_s, self._socket.idle_timeout_s), longest_s)
            if self._receiver.is_receiving:  # inside a message that does not go on
                self._socket.drop()
                self._receiver.join()
        if not self._reader.has_ended:
            self._socket.discard_until_silence(LINGER_S, longest_s)
