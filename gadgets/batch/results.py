"""The folder of a batch: complete results by their hash, and nothing that a killed process left behind."""

import contextlib
import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gadgets.errors import ScanFileError
from gadgets.files import check_folder, complete_file


@dataclass(frozen=True)
class Results:
    """Where results lie; workers on other machines see the same folder.

    Attributes
    ----------
    folder : Path
    work : Path
        Folder of this run, for what is not complete: a task of an earlier run, whose folder is gone, cannot deliver.
    """

    folder: Path
    work: Path

    def images(self, key: str) -> Path:
        """Result of a scan."""
        return self.folder / f"scan-{key}.h5"

    def slice_images(self, key: str, number: int) -> Path:
        """Result of one slice, until all are there."""
        return self.folder / ".slices" / f"{key}-{number}.h5"

    def summary(self, key: str) -> Path:
        """What the page shows of a scan."""
        return self.folder / ".summaries" / f"{key}.json"


def deliver(made: Path, result: Path) -> None:
    """Let a complete file of the work folder become a result; one that is there already stays.

    Raises
    ------
    OSError
        If the run that wanted it is over.
    """
    try:
        os.link(made, result)
    except FileExistsError:
        made.unlink()
    except OSError:  # a file system without links: then the last one stays, which is equal
        made.replace(result)
    else:
        made.unlink()


@contextmanager
def opened_results(folder: Path) -> Iterator[Results]:
    """Open a folder for one batch at a time.

    Parameters
    ----------
    folder : Path
        Made if it is missing.

    Yields
    ------
    Results

    Raises
    ------
    ScanFileError
        If it cannot be written, or another batch works in it.
    """
    check_folder(folder)
    folder = folder.resolve()
    for name in (".slices", ".summaries"):
        (folder / name).mkdir(exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ScanFileError(f"another batch writes to {folder}; wait for it, or name another folder") from error
        for left in (*folder.glob(".gone-*"), *folder.glob(".work-*")):
            _remove(left)  # of a run that was killed; its workers may be at it still
        work = folder / f".work-{secrets.token_hex(6)}"
        work.mkdir()
        try:
            yield Results(folder, work)
        finally:
            _remove(work)


def _remove(work: Path) -> None:
    """Take a folder's name away first: from then on, nobody who still works can deliver."""
    with contextlib.suppress(OSError):
        shutil.rmtree(work.rename(work.with_name(f".gone-{work.name}")), ignore_errors=True)


def write_names(results: Results, names: Mapping[str, Path]) -> None:
    """Say which result is of which file, for the folder's owner alone: names of files may name patients.

    Parameters
    ----------
    results : Results
    names : mapping of str to Path
        By pseudonym; those of earlier runs stay.
    """
    path = results.folder / ".names.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    told = known | {name: str(one.resolve()) for name, one in names.items()}
    with complete_file(path, private=True) as partial:
        partial.write_text(json.dumps(told, indent=1), encoding="utf-8")
