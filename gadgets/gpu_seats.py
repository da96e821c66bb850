"""Several GPUs of one host: each process takes the one that the fewest of malibu's processes have."""

import contextlib
import fcntl
import logging
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

RANK_VARIABLES = ("MALIBU_LOCAL_RANK", "LOCAL_RANK")
"""What tells a process of its place on its host: an operator, where processes share no temporary folder; torchrun."""

_MOST_SEATS = 64
"""Processes that share a GPU; so many would wait for its memory anyway."""


@dataclass
class _Taken:
    """The seat of this process: kept until it ends, whoever asks and however often."""

    process: int = -1
    gpu: int = 0
    seat: int = -1


_TAKEN = _Taken()


def own_gpu(count: int, folder: Path | None = None) -> int:
    """Choose among the GPUs of this host, once for the life of the process.

    Where a launcher numbers the processes of a host, process n takes GPU n mod N. Else each GPU has seats, which are
    locks on files, and the first free seat decides, in the order GPU 0, 1, …, N-1, then their second seats: of
    processes that start one after the other, the n-th takes GPU n mod N too, and one that ends, however it ends, leaves
    its place.

    Parameters
    ----------
    count : int
        GPUs that CuPy finds, N.
    folder : Path, optional
        Of the locks; by default one in the system's temporary folder for each user.

    Returns
    -------
    int
        From 0 to N-1; 0 where nothing can be locked.
    """
    if count < 2:
        return 0
    if _TAKEN.process != os.getpid():  # a fork has inherited its parent's
        _TAKEN.gpu, _TAKEN.seat = _choose(count, folder)
        _TAKEN.process = os.getpid()
    return _TAKEN.gpu


def _choose(count: int, folder: Path | None) -> tuple[int, int]:
    for name in RANK_VARIABLES:
        if (text := os.environ.get(name, "")).isdigit():
            log.info("GPU %d of %d, by %s=%s", int(text) % count, count, name, text)
            return int(text) % count, -1
    try:
        return _first_free(count, _private(folder or Path(tempfile.gettempdir()) / f"malibu-gpus-{os.getuid()}"))
    except OSError as error:
        log.warning("GPU 0 of %d is taken, since no seats can be locked: %s", count, error)
        return 0, -1


def _private(folder: Path) -> Path:
    """Make the folder of the locks; one that others own or may write to is refused."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o022 or not folder.is_dir() or folder.is_symlink():
        raise PermissionError(f"{folder} is not a folder of this user alone")
    return folder


def _first_free(count: int, folder: Path) -> tuple[int, int]:
    """Lock the first free seat; the lock goes with the process."""
    for seat in range(_MOST_SEATS):
        for gpu in range(count):
            path = folder / f"gpu-{_physical(gpu)}-seat-{seat}"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                continue
            log.info("GPU %d of %d, seat %d", gpu, count, seat)
            return gpu, descriptor
    return 0, -1


def _physical(gpu: int) -> str:
    """Name of a GPU that is the same for processes that see others of the host's."""
    visible = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return visible[gpu].replace("/", "_") if gpu < len(visible) else str(gpu)
