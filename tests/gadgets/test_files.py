"""Outputs: private while they are written, complete or absent, never in the place of an input."""

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from gadgets.errors import ScanFileError, Stopped, shortened, signals_as_errors
from gadgets.files import NewHDF5, check_folder, check_output, complete_file


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_private_until_it_is_complete(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with complete_file(tmp_path / "open") as partial:
            assert mode_of(partial) == 0o600
        with complete_file(tmp_path / "private", private=True):
            pass
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "open") == 0o640
    assert mode_of(tmp_path / "private") == 0o600


def test_partial_names_cannot_be_guessed(tmp_path: Path) -> None:
    names = []
    for _ in range(2):
        with complete_file(tmp_path / "x") as partial:
            names.append(partial.name)
    assert names[0] != names[1]
    assert str(os.getpid()) not in "".join(names).replace("partial", "")
    with complete_file(tmp_path / ("n" * 250)):
        pass  # a long name leaves room for that of the partial file


@pytest.mark.parametrize("kind", ["spelling", "symbolic link", "hard link", "link to the folder"])
def test_the_input_is_never_the_output(tmp_path: Path, kind: str) -> None:
    source = tmp_path / "folder" / "scan.h5"
    source.parent.mkdir()
    source.write_bytes(b"raw")
    output = tmp_path / "other.h5"
    if kind == "spelling":
        output = tmp_path / "folder" / ".." / "folder" / "scan.h5"
    elif kind == "symbolic link":
        output.symlink_to(source)
    elif kind == "hard link":
        output.hardlink_to(source)
    else:
        (tmp_path / "linked").symlink_to(source.parent)
        output = tmp_path / "linked" / "scan.h5"
    with pytest.raises(ScanFileError, match="is the input itself"):
        check_output(output, source)
    assert source.read_bytes() == b"raw"


def test_outputs_that_cannot_be_written_are_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    cases = {
        tmp_path: "is a folder",
        tmp_path / "file" / "images.h5": "cannot be written",
        tmp_path / "pipe": "is no regular file",
        Path("/proc/images.h5"): "cannot be written",
        tmp_path / ("x" * 300): "cannot be written",
    }
    for output, text in cases.items():
        with pytest.raises(ScanFileError, match=text):
            check_output(output)
    check_output(tmp_path / "new" / "images.h5")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "new", "pipe"]
    assert not list((tmp_path / "new").iterdir())


def test_a_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    check_folder(tmp_path / "a" / "rescue", private=True)
    assert mode_of(tmp_path / "a" / "rescue") == 0o700
    (tmp_path / "file").touch()
    with pytest.raises(ScanFileError, match="cannot be written"):
        check_folder(tmp_path / "file")


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from gadgets.files import NewHDF5
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
try:
    with NewHDF5(Path(sys.argv[1])) as file:
        for number in range(50):
            file.create_dataset(f"g{number}/x", data=np.random.randn(2000), chunks=(100,))
except OSError as error:
    print("errno", error.errno)
"""


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    """The limit on file sizes stands for the disk; without care, HDF5 crashes the process at its end."""
    (tmp_path / "scan.h5").write_bytes(b"old")
    run = subprocess.run([sys.executable, "-c", FULL_DISK, tmp_path / "scan.h5"], capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, f"errno {errno.EFBIG}\n"), run.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["scan.h5"]
    assert (tmp_path / "scan.h5").read_bytes() == b"old"


def test_an_hdf5_file_is_what_was_written(tmp_path: Path) -> None:
    with NewHDF5(tmp_path / "a" / "x.h5") as file:
        file["values"] = np.arange(70_000)
    with h5py.File(tmp_path / "a" / "x.h5") as file:
        assert np.array_equal(file["values"][:], np.arange(70_000))
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["x.h5"]


def test_a_signal_is_an_error_once() -> None:
    before = [signal.getsignal(number) for number in (1, 15)]

    def two_signals() -> None:
        with signals_as_errors():
            try:
                os.kill(os.getpid(), 15)
            finally:
                os.kill(os.getpid(), 1)  # what cleans up is not disturbed

    with pytest.raises(Stopped, match="SIGTERM") as stopped:
        two_signals()
    assert stopped.value.code == 143
    assert [signal.getsignal(number) for number in (1, 15)] == before


def test_texts_are_cut() -> None:
    assert shortened("abc", 3) == "abc"
    assert shortened("a" * 10**6, 10) == "aaaaaaaaaa… (1000000 characters)"
