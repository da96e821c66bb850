"""CONFIG and HEADER of a connection, read so that a peer that dies before them costs neither time nor CPU.

gadgetron-python reads both before it imports the gadget, by a socket that spins for ever when the peer is gone.
:mod:`gadgets.mrd.wire.takeover` puts this connection in the place of its own in the processes of malibu's gadgets.
"""

import contextlib
import socket
import struct
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

from gadgetron.external import connection, constants
from gadgetron.external.connection import Connection

from gadgets.errors import OPERATOR_ERRORS, StreamError
from gadgets.mrd.header import parse_header
from gadgets.mrd.intake.receiver import Receiver
from gadgets.mrd.wire.items import read_acquisition, read_image
from gadgets.mrd.wire.reading import ItemReader
from gadgets.mrd.wire.sockets import ExactSocket, send_error

# Configurations are kilobytes, headers with many user parameters a megabyte.
_LARGEST_TEXT = 2**26

OPENING_S = 600.0
"""What a Gadgetron is waited for: it has started this process itself."""


class GuardedConnection(Connection):
    """gadgetron-python's connection with malibu's socket from the first byte.

    Parameters
    ----------
    sock : socket.socket
    opening_s, idle_s : float
        Longest pause before the header, and after it until a gadget sets its own.

    Attributes
    ----------
    take_turn : callable or None
        Gives a context manager for a device: waits until a reconstruction may begin.
    watchers : list of callable
        Each is called with each image that was sent.
    reader : ItemReader
    receiver : Receiver
        Takes the items from the moment on at which the header was read.

    Raises
    ------
    StreamError
        If the peer does not send CONFIG and HEADER.
    """

    take_turn: Callable[[int], contextlib.AbstractContextManager[None]] | None = None

    def __init__(self, sock: socket.socket, opening_s: float = OPENING_S, idle_s: float = OPENING_S) -> None:
        self.socket = ExactSocket(sock, idle_timeout_s=opening_s)
        self._idle_s = idle_s
        self.watchers: list[Callable[[Any], None]] = []
        self.readers = self._default_readers() | {
            constants.GADGET_MESSAGE_ISMRMRD_ACQUISITION: read_acquisition,
            constants.GADGET_MESSAGE_ISMRMRD_IMAGE: read_image,
        }
        self.writers = self._default_writers()
        self.filters: list[Any] = []
        try:
            config, header = self._opened()
        except Exception as error:
            self._refuse(error)
            raise
        self.raw_bytes = Connection.Struct(config=config, header=header)
        # Readouts are taken while the gadget and its libraries are still being loaded.
        self.reader = self._item_reader()
        self.receiver = Receiver(self.reader, self.socket)

    def _opened(self) -> tuple[bytes, bytes]:
        """Read configuration and header."""
        config = self._text(constants.GADGET_MESSAGE_CONFIG, "CONFIG")
        header = self._text(constants.GADGET_MESSAGE_HEADER, "HEADER")
        self.socket.idle_timeout_s = self._idle_s
        return config, header

    def send(self, image: Any) -> None:
        """Send an image, and show it to who watches."""
        self._send(image)
        for watch in self.watchers:
            watch(image)

    def _send(self, image: Any) -> None:
        super().send(image)

    def received(self, measurement: Any) -> None:
        """Look at a complete measurement before it is reconstructed: here nobody does."""

    def _refuse(self, error: Exception) -> None:
        text = str(error) if isinstance(error, OPERATOR_ERRORS) else f"{type(error).__name__}: {error}"
        with contextlib.suppress(StreamError):
            self.report(f"malibu: {text}")
        self.end()

    def _item_reader(self) -> ItemReader:
        return ItemReader(self.socket, self.readers)

    def end(self) -> None:
        """Send CLOSE, let the peer read everything, and close."""
        self.socket.close()

    def __exit__(self, *error: object) -> None:
        self.end()

    def set_defaults(self, parameters: Mapping[str, str]) -> None:
        """Add parameters to a ``<configuration>``, or to none; those that it sets itself stay."""
        from gadgets.configuration import set_values  # not before a Gadgetron is listened to: it brings pydantic

        if self.config is None and self.raw_bytes.config.strip():
            return  # no XML: the gadget will say so
        element = self.config if self.config is not None else ElementTree.Element("configuration")
        already = set_values(element)
        for name, value in parameters.items():
            if name not in already:
                ElementTree.SubElement(element, "property", {"name": name, "value": value})
        self.raw_bytes.config, self.config = ElementTree.tostring(element), element

    @cached_property
    def config(self) -> ElementTree.Element | None:
        """The ``<configuration>``; None if there is none, or it is no XML."""
        try:
            return ElementTree.fromstring(self.raw_bytes.config)  # noqa: S314 - expat limits expansion
        except (ElementTree.ParseError, ValueError, LookupError):
            return None

    @cached_property
    def header(self) -> Any:
        """The ISMRMRD header.

        Raises
        ------
        DataError
            If it is none.
        """
        return parse_header(self.raw_bytes.header)

    def report(self, text: str) -> None:
        """Tell the operator what went wrong, as an ERROR message.

        Raises
        ------
        StreamError
            If the peer is gone.
        """
        send_error(self.socket, text)

    @contextlib.contextmanager
    def turn(self, device_id: int) -> Iterator[None]:
        """Wait until a reconstruction may begin: at once, unless a server shares what there is between several."""
        with contextlib.nullcontext() if self.take_turn is None else self.take_turn(device_id):
            yield

    def _text(self, number: int, name: str) -> bytes:
        try:
            came = self.socket.next_id()
            if came != number:
                raise StreamError(f"message id {came} came")
            return read_text(self.socket)
        except StreamError as error:
            raise StreamError(f"the connection did not open with {name}: {error}") from error


def read_text(source: ExactSocket) -> bytes:
    """Read a text whose message id was read: its length, and its bytes.

    Raises
    ------
    StreamError
        If it cannot be one.
    """
    (length,) = struct.unpack("<I", source.read(4))
    if length > _LARGEST_TEXT:
        raise StreamError(f"it claims {length} bytes: the stream is corrupt")
    text = source.read(length)
    source.message_done()
    return text


def take_over() -> None:
    """Let ``python3 -m gadgetron`` open its connection with :class:`GuardedConnection` in this process."""
    connection.Connection = GuardedConnection
