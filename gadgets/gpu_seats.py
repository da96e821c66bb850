"""Several GPUs of one host: each process takes the one that the fewest of malibu's processes have."""

import contextlib
import fcntl
import logging
import os
import tempfile
import threading
import time
from collections.abc import Iterator
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

    gpu: int | None = None
    seat: int = -1


_TAKEN = _Taken()

_ONE_THREAD = threading.Lock()
"""Two threads that ask at once, as when a network is loaded while a scan comes in, must not take two seats."""

_CHOOSING_S = 10.0
"""Longest wait for another process that chooses, which takes milliseconds; one that was stopped holds nobody up."""


def own_gpu(count: int, folder: Path | None = None) -> int:
    """Choose among the GPUs of this host, once for the life of the process.

    Where a launcher numbers the processes of a host, process n takes GPU n mod N. Else each GPU has seats, which are
    locks on files, and a process sits down where the fewest sit, of equals at the first: of processes that start, at
    once or one after the other, the n-th takes GPU n mod N too, and one that ends, however it ends, leaves its place.

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
    with _ONE_THREAD:
        if _TAKEN.gpu is None:
            _TAKEN.gpu, _TAKEN.seat = _choose(count, folder)
        return _TAKEN.gpu


def _forked() -> None:
    """Leave the parent's seat to the parent: a copy of its lock would keep the seat beyond its end."""
    if _TAKEN.seat >= 0:
        os.close(_TAKEN.seat)
    _TAKEN.gpu, _TAKEN.seat = None, -1


os.register_at_fork(after_in_child=_forked)


def _choose(count: int, folder: Path | None) -> tuple[int, int]:
    for name in RANK_VARIABLES:
        if (text := os.environ.get(name, "")).isdigit():
            log.info("GPU %d of %d, by %s=%s", int(text) % count, count, name, text)
            return int(text) % count, -1
    try:
        private = _private(folder or Path(tempfile.gettempdir()) / f"malibu-gpus-{os.getuid()}")
        with _alone(private):
            return _least_taken(count, private)
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


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process choose at a time: who counts the seats that are taken must not be counted meanwhile."""
    descriptor = _opened(folder / "choosing")
    try:
        end_s = time.monotonic() + _CHOOSING_S
        while not _locked(descriptor):
            if time.monotonic() > end_s:
                log.warning("another process has chosen a GPU for %.0f s; it is not waited for", _CHOOSING_S)
                break
            time.sleep(0.01)
        yield
    finally:
        os.close(descriptor)


def _least_taken(count: int, folder: Path) -> tuple[int, int]:
    """Lock the first free seat of the GPU that has the fewest taken ones; the lock goes with the process."""
    gpus = visible_gpus(count)
    taken = [sum(_is_taken(path) for path in folder.glob(f"gpu-{_file_name(gpu)}-seat-*")) for gpu in gpus]
    number = taken.index(min(taken))
    for seat in range(_MOST_SEATS):
        descriptor = _opened(folder / f"gpu-{_file_name(gpus[number])}-seat-{seat}")
        if _locked(descriptor):
            log.info("GPU %d of %d, seat %d", number, count, seat)
            return number, descriptor
        os.close(descriptor)
    return number, -1


def _is_taken(path: Path) -> bool:
    descriptor = _opened(path)
    try:
        return not _locked(descriptor)
    finally:
        os.close(descriptor)  # and with it the lock


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def visible_gpus(count: int) -> list[str]:
    """Name the GPUs that this process sees, so that another process can be shown the same.

    Parameters
    ----------
    count : int
        GPUs that CuPy finds, which heeds ``CUDA_VISIBLE_DEVICES``.

    Returns
    -------
    list of str
        Entries of ``CUDA_VISIBLE_DEVICES`` (numbers of the host, or ``GPU-…`` and ``MIG-…``); without it, 0 to N-1.
    """
    names = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return names[:count] if len(names) >= count else [str(number) for number in range(count)]


def _file_name(gpu: str) -> str:
    return gpu.replace("/", "_")
