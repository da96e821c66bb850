"""The error of files of training and evaluation, and the border at which errors of other libraries become it."""

from collections.abc import Iterator
from contextlib import contextmanager

_LONGEST_REASON = 160
"""Characters of another library's message that are shown; some print whole tables."""


class VolumeError(ValueError):
    """A file holds no volume that can be used; the text names the cause and the remedy in one line."""


@contextmanager
def read_errors(name: str, kind: str, remedy: str = "copy or export it again") -> Iterator[None]:
    """Turn whatever a library raises on bytes that it does not understand into one line.

    Parameters
    ----------
    name : str
        Name of the file, or its name within a folder.
    kind : str
        What it should have been, with its article.
    remedy : str

    Raises
    ------
    VolumeError
    """
    try:
        yield
    except VolumeError:
        raise
    except PermissionError as error:
        raise VolumeError(f"{name} cannot be read ({error.strerror}); check its permissions") from error
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST_REASON]
        raise VolumeError(f"{name} is not {kind}, or damaged ({reason}); {remedy}") from error


_LARGEST_EXPANSION = 1100
"""Bytes that one stored byte can become: deflate, which NIfTI and HDF5 use, reaches 1032."""
_SMALL = 64 * 2**20
"""Bytes that may be asked for in any case: empty slices shrink to nothing."""


def check_expansion(name: str, promised: int, stored: int) -> None:
    """Refuse a file whose header promises more voxels than its bytes can hold, before memory is asked for.

    Parameters
    ----------
    name : str
    promised, stored : int
        Bytes of the voxels by the header, and of the file.

    Raises
    ------
    VolumeError
    """
    if promised > max(_SMALL, _LARGEST_EXPANSION * stored):
        raise VolumeError(
            f"{name} promises {promised / 1e9:.3g} GB of voxels in {stored / 1e6:.3g} MB; it is damaged: copy it again"
        )
