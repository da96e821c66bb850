"""Items to the other end of a socket while its images and texts are taken."""

import contextlib
import logging
import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import ismrmrd
from gadgetron.external import constants, readers, writers

from gadgets.errors import RemoteError, StreamError, shortened
from gadgets.mrd.headers.identifiers import anonymous_xml
from gadgets.mrd.wire.items import read_image, write_image
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
    r"\s*malibu \w+:|ERR|(?!\s*(DEBUG|DBG|INFO|WARN|WRN)).*\b\w*(error|exception|failed|failure)\b", re.I | re.S
)
_TALK = ("DBG", "DEBUG", "INFO")
_LONGEST_TEXT = 1000
# Readouts between two calls of Progress.sent: drawing a bar takes longer than sending a readout.
_TOLD_EVERY = 64
# How long a sender that nobody needs any longer is waited for.
_END_S = 5.0


class Items(Protocol):
    """What is sent: the header, and the items as they come.

    Attributes
    ----------
    header : ismrmrd.xsd.ismrmrdHeader
    item_count : int
        How many there are; asked when all were sent.
    """

    @property
    def header(self) -> Any:
        """The scan's."""

    @property
    def item_count(self) -> int:
        """How many items were sent."""

    def items(self) -> Iterator[Any]:
        """Readouts and waveforms, or images."""


class Images(Protocol):
    """Where images go.

    Attributes
    ----------
    count : int
        How many there are already.
    """

    count: int

    def append(self, image: ismrmrd.Image) -> None:
        """Take one."""


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


def exchange(
    items: Items, images: Images, configuration: bytes, sock: socket.socket, timeout_s: float, progress: Progress
) -> None:
    """Send a scan to the other end of a socket, and pass the images on as they come back.

    Parameters
    ----------
    items : Items
    images : Images
    configuration, sock, timeout_s, progress
        As in :func:`gadgets.mrd.replay.replay`.

    Raises
    ------
    Exception
        As in :func:`gadgets.mrd.replay.replay`, and whatever the items or images raise.
    """
    connection = ExactSocket(sock, timeout_s, timeout_s)
    sender = _Sender(connection, items, configuration, progress)
    try:
        sender.start()
        try:
            _receive(connection, images, progress)
            sender.finish()
        except (RemoteError, StreamError) as error:
            cause = sender.source_error or error
            raise cause from (None if cause is error else error)
    finally:
        connection.drop()
        sender.wait()


def _receive(connection: ExactSocket, images: Images, progress: Progress) -> None:
    """Take images and texts until the other side closes."""
    texts: list[str] = []
    try:
        for image in _images(connection, texts):
            images.append(image)
            progress.image(image)
    except StreamError as error:
        told = [text for text in texts if _ERROR_TEXT.match(text)]
        if not told:
            raise
        raise RemoteError(f"the server said: {shortened(' | '.join(told), _LONGEST_TEXT)}") from error
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

    def __init__(self, connection: ExactSocket, scan: Items, configuration: bytes, progress: Progress) -> None:
        super().__init__(name="malibu-replay-sender", daemon=True)
        self._connection, self._scan, self._configuration = connection, scan, configuration
        self._progress = progress
        self._error: StreamError | None = None
        self.source_error: Exception | None = None

    def run(self) -> None:
        try:
            self._send()
        except Exception as error:
            if isinstance(error, StreamError) and self.source_error is None:
                self._error = error
                return
            self.source_error = error
            with contextlib.suppress(OSError):
                self._connection.socket.shutdown(socket.SHUT_RDWR)

    def _taken(self) -> Iterator[Any]:
        """The items; an error of theirs, which may be of a stream as the connection's are, is noted as such."""
        try:
            yield from self._scan.items()
        except Exception as error:
            self.source_error = error
            raise

    def _send(self) -> None:
        connection = self._connection
        for message_id, text in (
            (constants.GADGET_MESSAGE_CONFIG, self._configuration),
            (constants.GADGET_MESSAGE_HEADER, anonymous_xml(self._scan.header)),
        ):
            connection.write(constants.GadgetMessageIdentifier.pack(message_id))
            writers.write_byte_string(connection, text)
        for number, item in enumerate(self._taken(), start=1):
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
            level = logging.INFO if texts[-1].startswith(_TALK) else logging.WARNING
            log.log(level, "the server says: %s", texts[-1])
            connection.message_done()
            continue
        if message_id != constants.GADGET_MESSAGE_ISMRMRD_IMAGE:
            raise StreamError(f"the reconstruction sent an unknown message id {message_id}")
        image = read_image(connection)
        connection.message_done()
        yield image
