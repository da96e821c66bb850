"""Whose reconstruction runs: connections of several processes share a GPU, and the machine's memory, by a queue."""

import contextlib
import fcntl
import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

log = logging.getLogger(__name__)

_NEEDED_BYTES = int(2.5 * 2**30)
"""A reconstruction of 60 s at 160² with 8 coils takes 2.0 to 2.2 GB in all."""

_LONGEST_WAIT_S = 600.0
"""After that a reconstruction is tried in what memory there is."""

_LOOKED_EVERY_S = 0.2
_SLOT = "computing-"
_CONTAINER = Path("/sys/fs/cgroup")


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
            with self._slot():
                yield

    @contextlib.contextmanager
    def _slot(self) -> Iterator[None]:
        """Count among those that compute; who counts may not have taken its memory yet."""
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix=_SLOT) as mine:
            with self._locked("memory"):  # one after the other looks whether there is enough
                _wait_for_memory(self._others)
                fcntl.flock(mine, fcntl.LOCK_EX)
            yield

    def _others(self) -> int:
        """How many compute now: their files are locked."""
        return sum(map(_is_locked, self._folder.glob(f"{_SLOT}*")))

    @contextlib.contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        with (self._folder / name).open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                log.info("another scan is being reconstructed (%s): this one waits for its turn", name)
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _is_locked(path: Path) -> bool:
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _wait_for_memory(others: Callable[[], int]) -> None:
    """Wait until there is enough for this one beside those that compute, whose memory may not be taken yet."""
    until_s, said = time.monotonic() + _LONGEST_WAIT_S, False
    while (free := free_bytes()) is not None and free < _NEEDED_BYTES * (1 + others()):
        if time.monotonic() > until_s:
            log.warning("only %.1f GB of memory are free: the reconstruction may fail", free / 2**30)
            return
        if not said:
            log.info("%.1f GB of memory are free: the reconstruction waits until there is more", free / 2**30)
            said = True
        time.sleep(_LOOKED_EVERY_S)


def free_bytes() -> int | None:
    """Memory that the system, or this container, could give now; None where neither says."""
    found: list[int] = []
    with contextlib.suppress(OSError, KeyError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines if ":" in line)
        found.append(int(fields["MemAvailable"].split()[0]) * 1024)
    with contextlib.suppress(OSError, ValueError):  # no such files, or "max"
        limit, used = (int((_CONTAINER / name).read_text()) for name in ("memory.max", "memory.current"))
        found.append(limit - used)
    return min(found, default=None)
