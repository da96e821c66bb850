"""Files that take their name only when they are complete, and that never take the place of what they are made of."""

import contextlib
import io
import os
import stat
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py

from gadgets.errors import ScanFileError, shortened

_UMASK = threading.Lock()


@contextlib.contextmanager
def complete_file(path: Path, private: bool = False) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that takes its name only if the enclosed block succeeds.

    Parameters
    ----------
    path : Path
    private : bool
        Leave the file readable by its owner alone.
    """
    partial = new_partial(path)
    try:
        yield partial
        take_name(partial, path, private)
    finally:
        partial.unlink(missing_ok=True)


def new_partial(path: Path) -> Path:
    """Make an empty file beside ``path``: a name that nobody can guess, no links followed, readable by nobody else.

    Raises
    ------
    OSError
        If its folder cannot be made or written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".malibu-", suffix=".partial", dir=path.parent)  # O_EXCL, O_NOFOLLOW
    os.close(descriptor)
    return Path(name)


class NewHDF5:
    """An HDF5 file that takes its name only when it is complete; a context manager that gives an ``h5py.File``.

    HDF5 cannot close a file on a full disk, and crashes the process at its end. It therefore writes through
    :class:`_SteadyFile`, and the error is raised when HDF5 has let go of the file.

    Parameters
    ----------
    path : Path
    private : bool
        Leave the file readable by its owner alone.

    Attributes
    ----------
    file : h5py.File
    """

    def __init__(self, path: Path, private: bool = False) -> None:
        self.path, self._private = path, private
        self._partial = new_partial(path)
        self._raw = _SteadyFile(self._partial, "r+")
        self.file = h5py.File(self._raw, "w")

    def check(self) -> None:
        """Raise what went wrong with the file so far.

        Raises
        ------
        OSError
        """
        if self._raw.error is not None:
            raise OSError(self._raw.error.errno, self._raw.error.strerror, str(self.path)) from self._raw.error

    def close(self, keep_as: Path | None) -> None:
        """Close the file, which takes the name given, or is removed; a second call does nothing.

        Raises
        ------
        OSError
            If it is not complete on the disk; it is removed.
        """
        if self._raw.closed:
            return
        try:
            self.file.close()
            self._raw.close()
            if keep_as is not None:
                self.check()
                take_name(self._partial, keep_as, self._private)
        finally:
            self._raw.close()
            self._partial.unlink(missing_ok=True)

    def __enter__(self) -> h5py.File:
        return self.file

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failed = self._raw.error is not None
        self.close(None if error is not None or failed else self.path)
        if failed and (error is None or isinstance(error, Exception)):
            self.check()


class _SteadyFile(io.FileIO):
    """Keeps the first error of a write and goes on in memory, so that HDF5 can close the file."""

    def __init__(self, path: Path, mode: str) -> None:
        super().__init__(path, mode)
        self.error: OSError | None = None
        self._unwritten: list[tuple[int, bytes]] = []

    def write(self, data: Any) -> int:
        rest, place = memoryview(data).cast("B"), self.tell()
        while self.error is None and len(rest):
            try:
                count = super().write(rest) or 0
            except OSError as error:
                self.error = error
            else:
                rest, place = rest[count:], place + count
        if len(rest):
            self._unwritten.append((place, bytes(rest)))
            self.seek(place + len(rest))
        return memoryview(data).nbytes

    def readinto(self, buffer: Any) -> int:
        view, place = memoryview(buffer).cast("B"), self.tell()
        count = super().readinto(view) or 0
        if self.error is None:
            return count
        view[count:] = bytes(len(view) - count)
        for start, data in self._unwritten:
            first, last = max(start, place), min(start + len(data), place + len(view))
            if first < last:
                view[first - place : last - place] = data[first - start : last - start]
        self.seek(place + len(view))
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size or 0


def take_name(partial: Path, path: Path, private: bool = False) -> None:
    """Give a complete file its name, and the permissions that the umask leaves unless it is private."""
    if not private:
        with _UMASK:
            umask = os.umask(0o077)
            os.umask(umask)
        partial.chmod(0o666 & ~umask)
    partial.replace(path)


def check_output(output: Path, *inputs: Path) -> None:
    """Refuse an output that could not be written, or that would take the place of an input, before any work is done.

    Parameters
    ----------
    output : Path
        Its folder is made if it is missing.
    *inputs : Path
        What the output is made of; links and other spellings of the same file count.

    Raises
    ------
    ScanFileError
    """
    shown = shortened(output, 200)
    for source in inputs:
        if _same_file(output, source):
            raise ScanFileError(f"the output {shown} is the input itself; choose another name")
    try:
        if output.is_dir():
            raise ScanFileError(f"the output {shown} is a folder; name a file")
        if output.exists() and not stat.S_ISREG(output.stat().st_mode):
            raise ScanFileError(f"the output {shown} is no regular file; choose another name")
        new_partial(output).unlink()
    except OSError as error:
        raise ScanFileError(f"the output {shown} cannot be written: {_reason(error)}") from error


def check_folder(folder: Path, private: bool = False) -> None:
    """Make a folder if it is missing, and refuse one that cannot be written.

    Parameters
    ----------
    folder : Path
    private : bool
        Open a folder that has to be made to its owner alone.

    Raises
    ------
    ScanFileError
    """
    try:
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=0o700 if private else 0o777)
        new_partial(folder / "probe").unlink()
    except OSError as error:
        raise ScanFileError(f"the folder {shortened(folder, 200)} cannot be written: {_reason(error)}") from error


def _same_file(output: Path, source: Path) -> bool:
    try:
        return output.samefile(source)
    except OSError:
        return False


def _reason(error: OSError) -> str:
    return error.strerror or shortened(error)
