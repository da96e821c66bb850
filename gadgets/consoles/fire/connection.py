"""A FIRE connection as a gadget sees it: Gadgetron's, with other words at the beginning and at the end."""

import contextlib
import logging
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ismrmrd
from gadgetron.external import constants

from gadgets.consoles.fire.opening import HEADER, TEXT, NothingCameError, Opening, read_opening
from gadgets.errors import MalibuError, StreamError, shortened
from gadgets.mrd.connection import __name__ as stream_log
from gadgets.mrd.replay import Gadget
from gadgets.mrd.wire.items import write_image
from gadgets.mrd.wire.opening import OPENING_S, GuardedConnection, read_text
from gadgets.mrd.wire.reading import ItemReader
from gadgets.mrd.wire.sockets import CLOSE_BYTES, ExactSocket

log = logging.getLogger(__name__)

_ITEMS = (
    constants.GADGET_MESSAGE_ISMRMRD_ACQUISITION,
    constants.GADGET_MESSAGE_ISMRMRD_IMAGE,
    constants.GADGET_MESSAGE_ISMRMRD_WAVEFORM,
)

_LEVELS = {logging.DEBUG: "DBG", logging.INFO: "INFO", logging.WARNING: "WRN"}
"""How a line of the console's log begins; it goes by the first three letters."""

_EMPTY_HEADER = (
    b'<?xml version="1.0"?><ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><experimentalConditions>'
    b"<H1resonanceFrequency_Hz>0</H1resonanceFrequency_Hz></experimentalConditions></ismrmrdHeader>"
)
"""Stands for the placeholder that is sent with images that have no header: it says nothing."""

_LONGEST_LINE = 2000


@dataclass(frozen=True)
class Choice:
    """What is done for a console.

    Attributes
    ----------
    make : callable
        Makes the gadget.
    configuration : bytes
        CONFIG message.
    before : tuple
        Readouts of earlier measurements that belong to this one.
    keep : callable or None
        Takes the measurement when it is complete, before it is reconstructed.
    """

    make: Callable[[], Gadget]
    configuration: bytes
    before: tuple[Any, ...] = ()
    keep: Callable[[Any], None] | None = None


class FireReader(ItemReader):
    """Reads items; texts between them are logged and passed over.

    Parameters
    ----------
    source : ExactSocket
    readers : mapping of int to callable
    before : sequence
        Items that come first, from earlier connections.
    """

    def __init__(self, source: ExactSocket, readers: Mapping[int, Callable[[Any], Any]], before: Sequence[Any]) -> None:
        super().__init__(source, readers)
        self._before = deque(before)

    def next(self) -> Any:
        """Give the next item."""
        return self._before.popleft() if self._before else super().next()

    def next_id(self) -> int:
        """Give the id of the next message that is no text.

        Raises
        ------
        StreamError
            If the stream ends, or a second header comes: one connection carries one measurement.
        """
        while (number := super().next_id()) == TEXT:
            log.warning("a text of %d bytes came after the first item: it is not used", len(read_text(self._source)))
        if number == HEADER:
            raise StreamError("a second header came; open a connection for each measurement")
        return number


class FireConnection(GuardedConnection):
    """A console's connection, opened: configuration and parameters are a gadget's ``<configuration>`` now.

    Parameters
    ----------
    sock : socket.socket
    choose : callable
        Gives what is done for a console that said this at the beginning.
    opening_s, idle_s : float
        Longest pause before the header, and after it until a gadget sets its own.

    Attributes
    ----------
    choice : Choice

    Raises
    ------
    NothingCameError
        If the peer closes before its header; nothing is sent then.
    MalibuError
        If the connection does not open, or asks for what there is not; the console has the text as a log line.
    """

    def __init__(
        self,
        sock: socket.socket,
        choose: Callable[[Opening], Choice],
        opening_s: float = OPENING_S,
        idle_s: float = OPENING_S,
    ) -> None:
        self._choose = choose
        self._writing, self._lines = threading.RLock(), deque[str](maxlen=100)
        self._count = 0
        self._failed = self._is_deaf = False
        with contextlib.ExitStack() as logging_here:
            logging_here.enter_context(LogLines(self))  # from the first line on, the receiving thread's among them
            super().__init__(sock, opening_s, idle_s)
            self._logging_here = logging_here.pop_all()

    def __exit__(self, *error: object) -> None:
        with self._logging_here:
            super().__exit__(*error)

    def _opened(self) -> tuple[bytes, bytes]:
        opening = read_opening(self.socket, self._idle_s)
        header = opening.header
        if not header.lstrip().startswith(b"<"):
            log.warning("no header came with the data, but %d bytes of text", len(header))
            header = _EMPTY_HEADER
        self.choice = self._choose(opening)
        return self.choice.configuration, header

    def _refuse(self, error: Exception) -> None:
        if isinstance(error, NothingCameError):
            self.socket.drop()
        else:
            super()._refuse(error)

    def _item_reader(self) -> ItemReader:
        return FireReader(self.socket, {number: self.readers[number] for number in _ITEMS}, self.choice.before)

    def _send(self, image: ismrmrd.Image) -> None:
        """Send an image, after the lines that wait."""
        with self._writing:
            self.say_lines()
            write_image(self.socket, image)
            self._count += 1

    def log_line(self, level: int, text: str) -> None:
        """Send a line to the console's log; from other threads than the main one it goes with what follows."""
        self._lines.append(f"{_LEVELS.get(level, 'ERR'):<8} {shortened(text, _LONGEST_LINE)}")
        if threading.current_thread() is threading.main_thread() and not self._is_deaf:
            try:
                self.say_lines()
            except MalibuError:  # its timeout is not waited for again with each line; the next image ends the stream
                self._is_deaf = True

    def say_lines(self) -> None:
        """Send the lines that wait."""
        with self._writing:
            while self._lines:
                data = self._lines.popleft().encode(errors="replace") + b"\0"
                self.socket.write(struct.pack("<HI", TEXT, len(data)) + data)

    def received(self, measurement: Any) -> None:
        """Let a complete measurement be kept, where that was asked for."""
        if self.choice.keep is not None:
            self.choice.keep(measurement)

    def report(self, text: str) -> None:
        """Send an error as a line of the console's log: FIRE has no message for it."""
        self._failed = True
        self._lines.append(f"{'ERR':<8} {shortened(text, _LONGEST_LINE)}")
        self.say_lines()

    def end(self) -> None:
        """Close; without CLOSE where nothing came back, so that the console knows that there is nothing."""
        with contextlib.suppress(MalibuError):
            self.say_lines()
        self.socket.close(b"" if self._failed and not self._count else CLOSE_BYTES)


class LogLines(logging.Handler):
    """Sends malibu's log of a connection to its console; a context manager.

    Parameters
    ----------
    connection : FireConnection
    """

    def __init__(self, connection: FireConnection) -> None:
        super().__init__(logging.INFO)
        self._connection = connection

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record.

        What ends a stream is told by :meth:`FireConnection.report`, once.
        """
        if record.name == stream_log and record.levelno >= logging.ERROR:
            return
        self._connection.log_line(record.levelno, record.getMessage())

    def __enter__(self) -> "LogLines":
        logging.getLogger("gadgets").addHandler(self)
        logging.getLogger("recon").addHandler(self)
        return self

    def __exit__(self, *error: object) -> None:
        logging.getLogger("gadgets").removeHandler(self)
        logging.getLogger("recon").removeHandler(self)
