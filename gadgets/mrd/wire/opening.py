"""CONFIG and HEADER of a connection, read so that a peer that dies before them costs neither time nor CPU.

gadgetron-python reads both before it imports the gadget, by a socket that spins for ever when the peer is gone.
:mod:`gadgets.mrd.wire.takeover` puts this connection in the place of its own in the processes of malibu's gadgets.
"""

import contextlib
import socket
import struct
import xml.etree.ElementTree as ElementTree
from functools import cached_property
from typing import Any

from gadgetron.external import connection, constants
from gadgetron.external.connection import Connection

from gadgets.errors import StreamError
from gadgets.mrd.header import parse_header
from gadgets.mrd.intake.receiver import Receiver
from gadgets.mrd.wire.items import read_acquisition, read_image
from gadgets.mrd.wire.reading import ItemReader
from gadgets.mrd.wire.sockets import ExactSocket, send_error

# Configurations are kilobytes, headers with many user parameters a megabyte.
_LARGEST_TEXT = 2**26


class GuardedConnection(Connection):
    """gadgetron-python's connection with malibu's socket from the first byte.

    Parameters
    ----------
    sock : socket.socket

    Attributes
    ----------
    reader : ItemReader
    receiver : Receiver
        Takes the items from the moment on at which the header was read.

    Raises
    ------
    StreamError
        If the peer does not send CONFIG and HEADER.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.socket = ExactSocket(sock)
        self.readers = self._default_readers() | {
            constants.GADGET_MESSAGE_ISMRMRD_ACQUISITION: read_acquisition,
            constants.GADGET_MESSAGE_ISMRMRD_IMAGE: read_image,
        }
        self.writers = self._default_writers()
        self.filters: list[Any] = []
        try:
            config = self._text(constants.GADGET_MESSAGE_CONFIG, "CONFIG")
            header = self._text(constants.GADGET_MESSAGE_HEADER, "HEADER")
        except StreamError as error:
            with contextlib.suppress(StreamError):
                send_error(self.socket, f"malibu: {error}")
            self.socket.close()
            raise
        self.raw_bytes = Connection.Struct(config=config, header=header)
        # Readouts are taken while the gadget and its libraries are still being loaded.
        self.reader = ItemReader(self.socket, self.readers)
        self.receiver = Receiver(self.reader, self.socket)

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

    def _text(self, number: int, name: str) -> bytes:
        try:
            came = self.socket.next_id()
            if came != number:
                raise StreamError(f"message id {came} came")
            (length,) = struct.unpack("<I", self.socket.read(4))
            if length > _LARGEST_TEXT:
                raise StreamError(f"it claims {length} bytes: the stream is corrupt")
            text = self.socket.read(length)
        except StreamError as error:
            raise StreamError(f"the connection did not open with {name}: {error}") from error
        self.socket.message_done()
        return text


def take_over() -> None:
    """Let ``python3 -m gadgetron`` open its connection with :class:`GuardedConnection` in this process."""
    connection.Connection = GuardedConnection
