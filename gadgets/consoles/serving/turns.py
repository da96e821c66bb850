"""Whose reconstruction runs: connections of several processes share a GPU, and the machine's memory, by a queue."""

import contextlib
import fcntl
import logging
import time
from collections.abc import Iterator
from pathlib import Path

log = logging.getLogger(__name__)

_NEEDED_BYTES = int(2.5 * 2**30)
"""A reconstruction of 60 s at 160² with 8 coils takes 2.0 to 2.2 GB in all."""

_LONGEST_WAIT_S = 600.0
"""After that a reconstruction is tried in what memory there is."""

_LOOKED_EVERY_S = 0.2


class Turns:
    """Locks on files, which a process loses when it dies, however it does.

    Parameters
    ----------
    folder : Path
        Shared by the processes of one server.
    alone : bool
        Whether there is but one process.
    """

    def __init__(self, folder: Path, alone: bool = False) -> None:
        self._folder, self._alone = folder, alone

    @contextlib.contextmanager
    def take(self, device_id: int) -> Iterator[None]:
        """Wait for a GPU, or for memory, for as long as others have them; hold it for the block.

        Parameters
        ----------
        device_id : int
            Below 0 the CPU: its reconstructions run side by side while memory lasts.
        """
        if self._alone:
            yield
        elif device_id >= 0:
            with self._locked(f"gpu-{device_id}"):
                yield
        else:
            with self._locked("memory"):  # one after the other looks whether there is enough
                _wait_for_memory()
            yield

    @contextlib.contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        with (self._folder / name).open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                log.info("another scan is being reconstructed (%s): this one waits for its turn", name)
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _wait_for_memory() -> None:
    until_s, said = time.monotonic() + _LONGEST_WAIT_S, False
    while (free := free_bytes()) is not None and free < _NEEDED_BYTES:
        if time.monotonic() > until_s:
            log.warning("only %.1f GB of memory are free: the reconstruction may fail", free / 2**30)
            return
        if not said:
            log.info("%.1f GB of memory are free: the reconstruction waits until there is more", free / 2**30)
            said = True
        time.sleep(_LOOKED_EVERY_S)


def free_bytes() -> int | None:
    """Memory that the system could give now; None where it does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    return int(fields["MemAvailable"].split()[0]) * 1024 if "MemAvailable" in fields else None
