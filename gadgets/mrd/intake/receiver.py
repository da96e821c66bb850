"""The thread that takes a stream in, so that no computation keeps a scanner waiting."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from gadgets.errors import StreamError
from gadgets.mrd.wire.reading import END, ItemReader
from gadgets.mrd.wire.sockets import ExactSocket

log = logging.getLogger(__name__)

_LOOKED_FOR_S = 0.2
"""How often a thread that waits for the peer looks whether it is still wanted."""

_AHEAD_BYTES = 2**29
"""Samples that wait while a reconstruction runs: 26,000 readouts of 8 coils × 320 samples, 90 s of a scan."""


class Receiver:
    """Receives items ahead of their use, in a thread of its own, up to a bound.

    Parameters
    ----------
    reader : ItemReader
        What it raises is raised again where the item would have been taken.
    source : ExactSocket
        That of the reader.
    limit_bytes : int
        Samples of items that wait: when they are more, the peer is no longer read from until some are taken.
    """

    def __init__(self, reader: ItemReader, source: ExactSocket, limit_bytes: int = _AHEAD_BYTES) -> None:
        self._reader, self._source, self._limit_bytes = reader, source, limit_bytes
        # One thread appends and counts what came, one takes and counts what it took: while neither waits, no lock.
        self._items: deque[tuple[Any, int]] = deque()
        self._came_bytes = self._taken_bytes = 0
        self._changed = threading.Condition()
        self._waiting = 0
        self._was_full = False
        self._failure: BaseException | None = None
        self._done = self._dropping = False
        self._pause_s, self._deadline_s = float("inf"), float("inf")
        # An event, since a signal that comes while a thread is joined leaves Python 3.11 thinking that it has ended.
        self._has_ended = threading.Event()
        threading.Thread(target=self._run, name="malibu-receiver", daemon=True).start()

    def take(self, timeout_s: float) -> Any:
        """Take the next item, or :data:`END`.

        Raises
        ------
        StreamError
            If none comes in time.
        Exception
            What stopped the receiving, after all items before it.
        """
        if not self._items and not self.has(timeout_s):
            raise StreamError(f"no message for {timeout_s:g} s (idle_timeout_s)")
        if self._items:
            item, size = self._items.popleft()
            self._taken_bytes += size
            self._tell()
            return item
        if self._failure is not None:
            raise self._failure
        return END

    def has(self, seconds: float) -> bool:
        """Whether an item, or the end, is there within some seconds; nothing is taken."""
        return self._wait(lambda: bool(self._items) or self._done, seconds)

    def drop(self, pause_s: float, longest_s: float | None = None) -> None:
        """Let whatever still comes be read and dropped, until the peer closes or pauses; wait for it.

        Parameters
        ----------
        pause_s : float
            Silence after which the peer is not waited for any longer.
        longest_s : float, optional
            By default as long as the peer sends.
        """
        self._pause_s = pause_s
        if longest_s is not None:
            self._deadline_s = time.monotonic() + longest_s
        self._dropping = True
        self._items.clear()
        self._tell()
        self._has_ended.wait(None if longest_s is None else longest_s + 1)

    @property
    def is_receiving(self) -> bool:
        """Whether the thread still runs."""
        return not self._has_ended.is_set()

    def join(self) -> None:
        """Wait for the thread; what could hold it, the peer, is gone."""
        self._has_ended.wait()

    def _wait(self, is_so: Callable[[], bool], seconds: float | None = None) -> bool:
        """Wait until something holds; whoever may bring it about calls :meth:`_tell` after it did."""
        if is_so():
            return True
        with self._changed:
            self._waiting += 1  # before it looks again: what comes from now on is told
            try:
                return bool(self._changed.wait_for(is_so, seconds))
            finally:
                self._waiting -= 1

    def _tell(self) -> None:
        if self._waiting:
            with self._changed:
                self._changed.notify_all()

    def _run(self) -> None:
        try:
            while self._is_wanted():
                item = self._reader.next()
                if item is END:
                    break
                self._keep(item)
        except BaseException as error:
            self._failure = error
        self._done = True
        self._tell()
        self._has_ended.set()

    def _is_wanted(self) -> bool:
        """Wait for the peer; False when nobody waits for what it sends any more."""
        if not self._dropping and self._source.has_buffered:
            return True
        silent_since_s = time.monotonic()
        while not self._source.waits(_LOOKED_FOR_S):
            now_s = time.monotonic()
            if self._dropping and (now_s - silent_since_s > self._pause_s or now_s > self._deadline_s):
                return False
        return not (self._dropping and time.monotonic() > self._deadline_s)

    def _keep(self, item: Any) -> None:
        size = int(getattr(getattr(item, "data", None), "nbytes", 0))
        if not self._fits(size):
            self._say_full()
            self._wait(lambda: self._dropping or self._fits(size))
        if not self._dropping:
            self._came_bytes += size
            self._items.append((item, size))
            self._tell()

    def _fits(self, size: int) -> bool:
        """Whether an item may wait beside those that do; one alone may always."""
        waiting_bytes = self._came_bytes - self._taken_bytes
        return not waiting_bytes or waiting_bytes + size <= self._limit_bytes

    def _say_full(self) -> None:
        if not self._was_full:
            self._was_full = True
            log.warning(
                "%d items of %.0f MiB wait for the reconstruction: the sender is held back until they are taken",
                len(self._items),
                (self._came_bytes - self._taken_bytes) / 2**20,
            )
