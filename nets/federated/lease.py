"""A folder belongs to one ``malibu`` process; what that one has started ends with it, however it ends.

A lock of the kernel says whether it lives: it is free as soon as the process is killed, even while its number is not.
"""

import fcntl
import os
import secrets
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_VARIABLE = "MALIBU_FEDERATION_LEASE"
_LOOK_S = 0.5
_GRACE_S = 5.0
"""Between the signal by which Flower's programs close their ports and the end."""


class FolderInUseError(RuntimeError):
    """Another process works in the folder."""


@contextmanager
def leased(folder: Path) -> Iterator[dict[str, str]]:
    """Hold a folder.

    Parameters
    ----------
    folder : Path

    Yields
    ------
    dict of str to str
        What the environment of processes must have that :func:`end_with_lease` is to end.

    Raises
    ------
    FolderInUseError
        If somebody else holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = (folder / "lease").resolve()
    with path.open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FolderInUseError(
                f"another coordinator or site works in {folder}; stop it, or take another"
            ) from error
        token = secrets.token_hex(8)
        file.truncate(0)
        file.write(token)
        file.flush()
        yield {_VARIABLE: f"{token}{path}"}


def end_with_lease() -> None:
    """Watch, in a thread, the holder that the environment names; end this process when it is gone."""
    given = os.environ.get(_VARIABLE)
    if given:
        threading.Thread(target=_watch, args=(given[:16], Path(given[16:])), daemon=True).start()


def _watch(token: str, path: Path) -> None:
    while is_held(token, path):
        time.sleep(_LOOK_S)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_S)
    os._exit(1)


def is_held(token: str, path: Path) -> bool:
    """Whether the process that wrote a token lives and holds the folder."""
    try:
        with path.open(encoding="ascii") as file:
            if file.read() != token:
                return False
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
