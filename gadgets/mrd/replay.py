"""A scan file through a gadget over the wire protocol, images back into a file."""

import contextlib
import logging
import re
import socket
import threading
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import ismrmrd
from gadgetron.external import constants, readers, writers
from gadgetron.external.connection import Connection

from gadgets.errors import OPERATOR_ERRORS, RemoteError, StreamError
from gadgets.mrd.connection import ExactSocket, read_error
from gadgets.mrd.files import ImageFile, Source
from gadgets.mrd.header import anonymous

log = logging.getLogger(__name__)


# Gadgetron hangs on a header whose version is not that of its own ISMRMRD library; the element is optional.
_VERSION = re.compile(rb"<((?:\w+:)?version)>[^<]*</\1>\s*")

_WRITERS = {
    ismrmrd.Acquisition: writers.write_acquisition,
    ismrmrd.Waveform: writers.write_waveform,
    ismrmrd.Image: writers.write_image,
}


class Gadget(Protocol):
    """What Gadgetron's Python main program calls."""

    def handle(self, connection: Connection) -> None:
        """Serve one measurement."""
        ...


@dataclass
class Progress:
    """Callbacks of a replay; by default nothing is shown.

    Attributes
    ----------
    sent : callable
        Called after each readout with how many were sent in all.
    image : callable
        Called with each image that came back.
    """

    sent: Callable[[int], None] = field(default=lambda count: None)
    image: Callable[[ismrmrd.Image], None] = field(default=lambda image: None)


def replay(
    scan: Source,
    output: Path,
    configuration: bytes,
    sock: socket.socket,
    timeout_s: float,
    progress: Progress,
) -> int:
    """Send a scan to the other end of a socket and write the images that come back.

    Parameters
    ----------
    scan : Source
        Raw data, or images for a gadget that takes them.
    output : Path
        ISMRMRD image file; appears only if everything went well.
    configuration : bytes
        XML for the CONFIG message.
    sock : socket.socket
        Connected to a gadget or a Gadgetron; closed at the end.
    timeout_s : float
        Longest wait for the next image.
    progress : Progress

    Returns
    -------
    int
        Number of images.

    Raises
    ------
    RemoteError
        If the other side reported an error, or sent no image at all.
    StreamError
        If the stream broke.
    """
    connection = ExactSocket(sock, timeout_s, timeout_s)
    sender = _Sender(connection, scan, configuration, progress)
    header_xml = ismrmrd.xsd.ToXML(anonymous(scan.header)).encode()
    try:
        with ImageFile(output, header_xml) as images:
            sender.start()
            texts: list[str] = []
            for image in _images(connection, texts):
                images.append(image)
                progress.image(image)
            if not images.count:
                said = f"; the server said: {' | '.join(texts)}" if texts else ", nor an error"
                raise RemoteError(f"no image came back{said}; see the server's log")
            sender.finish()
            return images.count
    except (RemoteError, StreamError) as error:
        if images.count:
            kept = f"{error} ({images.count} images that came before are kept in {images.incomplete_path})"
            raise type(error)(kept) from error
        raise
    finally:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        sock.close()
        sender.join()


class _Sender(threading.Thread):
    """Sends a scan while the main thread receives; keeps an error of its own for :meth:`finish`."""

    def __init__(self, connection: ExactSocket, scan: Source, configuration: bytes, progress: Progress) -> None:
        super().__init__(name="malibu-replay-sender", daemon=True)
        self._connection, self._scan, self._configuration = connection, scan, configuration
        self._progress = progress
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._send()
        except BaseException as error:
            self._error = error

    def _send(self) -> None:
        connection = self._connection
        for message_id, text in (
            (constants.GADGET_MESSAGE_CONFIG, self._configuration),
            (constants.GADGET_MESSAGE_HEADER, _VERSION.sub(b"", self._scan.header_xml, count=1)),
        ):
            connection.write(constants.GadgetMessageIdentifier.pack(message_id))
            writers.write_byte_string(connection, text)
        for number, item in enumerate(self._scan.items(), start=1):
            _WRITERS[type(item)](connection, item)
            self._progress.sent(number)
        connection.write(constants.GadgetMessageIdentifier.pack(constants.GADGET_MESSAGE_CLOSE))

    def finish(self) -> None:
        """Wait for the last byte; raise what stopped the sending."""
        self.join()
        if self._error is not None:
            raise StreamError(f"the scan was not sent completely: {self._error}") from self._error


def _images(connection: ExactSocket, texts: list[str]) -> Iterator[ismrmrd.Image]:
    """Images until the other side closes; its texts, as which Gadgetron forwards errors, are logged and collected."""
    while True:
        message_id = connection.next_id()
        if message_id == constants.GADGET_MESSAGE_CLOSE:
            return
        if message_id == constants.GADGET_MESSAGE_ERROR:
            raise RemoteError(read_error(connection))
        if message_id == constants.GADGET_MESSAGE_TEXT:
            texts.append(readers.read_byte_string(connection).decode(errors="replace").rstrip("\0\n"))
            log.warning("the server says: %s", texts[-1])
            connection.message_done()
            continue
        if message_id != constants.GADGET_MESSAGE_ISMRMRD_IMAGE:
            raise StreamError(f"the reconstruction sent an unknown message id {message_id}")
        image = readers.read_image(connection)
        connection.message_done()
        yield image


def connect(host: str, port: int) -> socket.socket:
    """Connect to a running Gadgetron.

    Raises
    ------
    RemoteError
        If nobody listens there.
    """
    try:
        return socket.create_connection((host, port), timeout=10)
    except OSError as error:
        raise RemoteError(f"no Gadgetron answers at {host}:{port}: {error}") from error


@contextlib.contextmanager
def hosted(gadget: Gadget) -> Iterator[socket.socket]:
    """Run a gadget behind a socket pair, as ``python3 -m gadgetron`` runs it behind TCP.

    Parameters
    ----------
    gadget : Gadget

    Yields
    ------
    socket.socket
        The client's end.

    Raises
    ------
    Exception
        What the gadget raised, if it is a defect and not an error that the client was told.
    """
    client, server = socket.socketpair()
    raised: list[BaseException] = []

    def serve() -> None:
        try:
            with Connection(server) as connection:
                gadget.handle(connection)
        except BaseException as error:
            raised.append(error)
        finally:
            server.close()

    thread = threading.Thread(target=serve, name="malibu-gadget", daemon=True)
    thread.start()
    try:
        yield client
    finally:
        client.close()
        thread.join()
        if raised and not isinstance(raised[0], OPERATOR_ERRORS):
            raise raised[0]


def configuration_message(configuration: ElementTree.Element | None, overrides: dict[str, str]) -> bytes:
    """The CONFIG message for a gadget: its ``<configuration>`` with some parameters replaced.

    Parameters
    ----------
    configuration : Element or None
    overrides : dict of str to str

    Returns
    -------
    bytes
        XML.
    """
    element = configuration if configuration is not None else ElementTree.Element("configuration")
    for name, value in overrides.items():
        for old in [child for child in element if name in (child.tag, child.get("name"))]:
            element.remove(old)
        ElementTree.SubElement(element, "property", {"name": name, "value": value})
    return ElementTree.tostring(element)
