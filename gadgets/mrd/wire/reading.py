"""Messages of a connection as items, one after the other."""

from collections.abc import Callable, Mapping
from typing import Any

from gadgetron.external import constants

from gadgets.errors import OPERATOR_ERRORS, StreamError, shortened
from gadgets.mrd.wire.sockets import ExactSocket

END = object()
"""What stands for CLOSE."""


class ItemReader:
    """Reads readouts, waveforms and images off a socket.

    Parameters
    ----------
    source : ExactSocket
    readers : mapping of int to callable
        By message id: each reads one item.

    Attributes
    ----------
    has_ended : bool
        Whether CLOSE came.
    """

    def __init__(self, source: ExactSocket, readers: Mapping[int, Callable[[Any], Any]]) -> None:
        self.has_ended = False
        self._source, self._readers = source, readers

    def next(self) -> Any:
        """Read the next item; :data:`END` where the peer closes.

        Raises
        ------
        StreamError
            On an unknown message, a cut or stalled stream, or an end without CLOSE.
        """
        message_id = self.next_id()
        if message_id == constants.GADGET_MESSAGE_CLOSE:
            self.has_ended = True
            return END
        reader = self._readers.get(message_id)
        if reader is None:
            raise StreamError(f"unknown message id {message_id} after {self._source.messages} messages")
        return self._item(message_id, reader)

    def next_id(self) -> int:
        """Give the id of the next message.

        Raises
        ------
        StreamError
            If the stream ends, or nothing comes.
        """
        return self._source.next_id()

    def _item(self, message_id: int, reader: Callable[[Any], Any]) -> Any:
        try:
            item = reader(self._source)
        except OPERATOR_ERRORS:
            raise
        except Exception as error:
            number = self._source.messages + 1
            raise StreamError(
                f"message {number} (id {message_id}) cannot be understood: {type(error).__name__}: {shortened(error)}"
            ) from error
        self._source.message_done()
        return item
