"""Whether the folders of a training agree about which subjects it learns from, and by which it is judged."""

from collections.abc import Iterable
from pathlib import Path

from nets.data.formats.errors import VolumeError


def check_apart(splits: Iterable[tuple[Path, str, Iterable[str]]]) -> None:
    """Refuse a subject whom one folder has to train on, and another one to judge by.

    Parameters
    ----------
    splits : iterable of (Path, str, iterable of str)
        Folder, its split, and the subjects there.

    Raises
    ------
    VolumeError
        With the subject's name in the files.
    """
    places: dict[str, tuple[str, Path]] = {}
    for folder, split, subjects in splits:
        for subject in subjects:
            other, where = places.setdefault(subject, (split, folder))
            if other != split:
                raise VolumeError(
                    f"the subject {subject} is in {other} of {where} and in {split} of {folder}; put all files of a "
                    "subject into one split of all folders, or give subjects that differ names that do: else figures "
                    "are of what was trained on"
                )
