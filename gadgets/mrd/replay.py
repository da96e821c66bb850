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

from gadgets.errors import GADGET_THREAD, OPERATOR_ERRORS, RemoteError, ScanFileError, StreamError, shortened
from gadgets.files import check_output
from gadgets.mrd.files import ImageFile, Source
from gadgets.mrd.headers.identifiers import anonymous_xml
from gadgets.mrd.wire.items import read_image, write_image
from gadgets.mrd.wire.opening import GuardedConnection
from gadgets.mrd.wire.sockets import ExactSocket, read_error

log = logging.getLogger(__name__)

_WRITERS = {
    ismrmrd.Acquisition: writers.write_acquisition,
    ismrmrd.Waveform: writers.write_waveform,
    ismrmrd.Image: write_image,
}

# A server that fails after some images says so in a text and closes as if all were well. The first pattern is how
# errors of malibu's gadgets begin; log lines of FIRE name their level, and only errors count among them.
_ERROR_TEXT = re.compile(
    r"\s*malibu \w+:|(?!\s*(DEBUG|DBG|INFO|WARN|WRN)).*\b\w*(error|exception|failed|failure)\b", re.I | re.S
)
_LONGEST_TEXT = 1000
# Readouts between two calls of Progress.sent: drawing a bar takes longer than sending a readout.
_TOLD_EVERY = 64
# A gadget in this process whose client is gone is not waited for any longer.
_END_S = 5.0


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
        Called after every few readouts with how many were sent in all.
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
    ScanFileError
        If the scan cannot be read, or the output not be written.
    """
    check_output(output, scan.path)
    check_output(output.with_name(f"{output.stem}.incomplete.h5"), scan.path)
    connection = ExactSocket(sock, timeout_s, timeout_s)
    sender = _Sender(connection, scan, configuration, progress)
    try:
        with ImageFile(output, anonymous_xml(scan.header)) as images:
            sender.start()
            try:
                _receive(connection, images, progress)
                sender.finish()
            except (RemoteError, StreamError) as error:
                cause = sender.source_error or error
                if images.count and isinstance(cause, (RemoteError, StreamError, ScanFileError)):
                    kept = f"{cause} ({images.count} images that came before are kept in {images.incomplete_path})"
                    raise type(cause)(kept) from error
                raise cause from (None if cause is error else error)
            return images.count
    finally:
        connection.drop()
        sender.wait()


def _receive(connection: ExactSocket, images: ImageFile, progress: Progress) -> None:
    """Take images and texts until the other side closes."""
    texts: list[str] = []
    for image in _images(connection, texts):
        images.append(image)
        progress.image(image)
    said = f"the server said: {shortened(' | '.join(texts), _LONGEST_TEXT)}" if texts else ""
    if not images.count:
        raise RemoteError(f"no image came back{f'; {said}' if said else ', nor an error'}; see the server's log")
    if any(_ERROR_TEXT.match(text) for text in texts):
        raise RemoteError(f"the reconstruction failed after some images; {said}")


class _Sender(threading.Thread):
    """Sends a scan while the main thread receives.

    An error of the scan's file ends the connection, so that neither side waits for what cannot come; an error of the
    connection is left to the receiving side, which learns the cause.

    Attributes
    ----------
    source_error : Exception or None
        Why the scan could not be read.
    """

    def __init__(self, connection: ExactSocket, scan: Source, configuration: bytes, progress: Progress) -> None:
        super().__init__(name="malibu-replay-sender", daemon=True)
        self._connection, self._scan, self._configuration = connection, scan, configuration
        self._progress = progress
        self._error: StreamError | None = None
        self.source_error: Exception | None = None

    def run(self) -> None:
        try:
            self._send()
        except StreamError as error:
            self._error = error
        except Exception as error:
            self.source_error = error
            with contextlib.suppress(OSError):
                self._connection.socket.shutdown(socket.SHUT_RDWR)

    def _send(self) -> None:
        connection = self._connection
        for message_id, text in (
            (constants.GADGET_MESSAGE_CONFIG, self._configuration),
            (constants.GADGET_MESSAGE_HEADER, anonymous_xml(self._scan.header)),
        ):
            connection.write(constants.GadgetMessageIdentifier.pack(message_id))
            writers.write_byte_string(connection, text)
        for number, item in enumerate(self._scan.items(), start=1):
            _WRITERS[type(item)](connection, item)
            if number % _TOLD_EVERY == 0:
                self._progress.sent(number)
        self._progress.sent(self._scan.item_count)
        connection.write(constants.GadgetMessageIdentifier.pack(constants.GADGET_MESSAGE_CLOSE))

    def finish(self) -> None:
        """Wait for the last byte; raise what stopped the sending."""
        self.join()
        error = self.source_error or self._error
        if error is not None:
            raise StreamError(f"the scan was not sent completely: {error}") from error

    def wait(self) -> None:
        """Wait for the end of the thread, if it was started."""
        if self.ident is not None:
            self.join(_END_S)


def _images(connection: ExactSocket, texts: list[str]) -> Iterator[ismrmrd.Image]:
    """Images until the other side closes; its texts, as which Gadgetron forwards errors, are logged and collected."""
    while True:
        message_id = connection.next_id()
        if message_id == constants.GADGET_MESSAGE_CLOSE:
            return
        if message_id == constants.GADGET_MESSAGE_ERROR:
            raise RemoteError(read_error(connection))
        if message_id == constants.GADGET_MESSAGE_TEXT:
            said = readers.read_byte_string(connection).decode(errors="replace").rstrip("\0\n")
            texts.append(shortened(said, _LONGEST_TEXT))
            log.warning("the server says: %s", texts[-1])
            connection.message_done()
            continue
        if message_id != constants.GADGET_MESSAGE_ISMRMRD_IMAGE:
            raise StreamError(f"the reconstruction sent an unknown message id {message_id}")
        image = read_image(connection)
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
            with GuardedConnection(server) as connection:
                gadget.handle(connection)
        except BaseException as error:
            raised.append(error)
        finally:
            server.close()

    thread = threading.Thread(target=serve, name=GADGET_THREAD, daemon=True)
    thread.start()
    longest_s: float | None = _END_S
    try:
        yield client
        longest_s = None
    finally:
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
        client.close()
        thread.join(longest_s)
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
