"""Errors that reach the operator as one clear, short line; and signals that become errors."""

import contextlib
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from types import FrameType

from recon.errors import DataError

# A supervisor may send several signals at once (systemd: TERM and HUP); what cleans up after the first goes on.
_DEAF_S = 30.0


class MalibuError(Exception):
    """Something outside of malibu is not as it must be; the message names the cause and the remedy."""


class ParameterError(MalibuError):
    """A parameter is unknown or has an impossible value."""


class StreamError(MalibuError):
    """The stream broke its protocol, was cut, or stalled."""


class ScanFileError(MalibuError):
    """A file is missing, does not hold what it must, or cannot be written."""


class RemoteError(MalibuError):
    """The other side of the connection reported an error."""


OPERATOR_ERRORS = (MalibuError, DataError)
"""What is shown as one line; anything else is a defect of malibu and keeps its traceback."""


GADGET_THREAD = "malibu-gadget"
"""Name of the thread in which a gadget runs inside the process of its client."""


class Stopped(SystemExit):
    """A signal asks the process to end; it does with exit code 128 + the signal's number.

    Parameters
    ----------
    number : int
        Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.signal = signal.Signals(number)

    def __str__(self) -> str:
        return f"the process was told to end ({self.signal.name})"


STOP_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGINT") if hasattr(signal, name))
"""What ends a process that can still clean up."""


@contextlib.contextmanager
def signals_as_errors(signals: Sequence[signal.Signals] = STOP_SIGNALS) -> Iterator[None]:
    """Let signals raise :class:`Stopped`, so that files and connections are left as after any other error.

    Only the main thread can do so; in others nothing changes. Signals that are ignored already (nohup) stay so.

    Parameters
    ----------
    signals : sequence of signal.Signals
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    last_s = float("-inf")

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal last_s
        if time.monotonic() - last_s > _DEAF_S:
            last_s = time.monotonic()
            raise Stopped(number)

    previous = {number: signal.getsignal(number) for number in signals}
    taken = [number for number, handler in previous.items() if handler not in (signal.SIG_IGN, None)]
    for number in taken:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, previous[number])


def shortened(text: object, longest: int = 80) -> str:
    """Cut a text that may have any length, and say how long it was."""
    whole = text if isinstance(text, str) else str(text)
    return whole if len(whole) <= longest else f"{whole[:longest]}… ({len(whole)} characters)"
