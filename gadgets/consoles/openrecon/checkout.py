"""malibu's own wheel and the versions that it was tested with, of the checkout that this command runs in."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import gadgets
from gadgets import __version__
from gadgets.errors import ParameterError, ScanFileError, shortened

CONSTRAINTS = "constraints.txt"

_BUILT_OF = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "malibu.py", "gadgets", "recon", "nets", "configs")


def checkout() -> Path | None:
    """Find the checkout that this malibu runs in; an installed one has none."""
    folder = Path(gadgets.__file__).resolve().parent.parent
    return folder if all((folder / name).exists() for name in (*_BUILT_OF, CONSTRAINTS)) else None


def put_wheel(folder: Path, given: Path | None) -> str:
    """Put malibu's wheel into a folder.

    Parameters
    ----------
    folder : Path
    given : Path or None
        A wheel that exists; None builds that of the checkout.

    Returns
    -------
    str
        Its name.

    Raises
    ------
    ParameterError
        If the wheel is no wheel of this version, or there is neither a wheel nor a checkout.
    ScanFileError
        If it cannot be built.
    """
    if given is not None:
        if not given.name.startswith(f"malibu-{__version__}-") or given.suffix != ".whl" or not given.is_file():
            raise ParameterError(
                f"{shortened(given, 200)} is no wheel of malibu {__version__}, whose specification this is"
            )
        shutil.copyfile(given, folder / given.name)
        return given.name
    source = _needed(checkout(), "--wheel")
    # Built of a copy: what an earlier build left in the checkout would get into the wheel.
    with tempfile.TemporaryDirectory(prefix="malibu-wheel-") as name:
        copied, built = Path(name) / "malibu", Path(name) / "built"
        copied.mkdir()
        for item in _BUILT_OF:
            _copy(source / item, copied / item)
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(built), str(copied)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own pip
        if run.returncode:
            last = (run.stderr.strip() or run.stdout.strip() or "pip said nothing").splitlines()[-1]
            raise ScanFileError(
                f"the wheel cannot be built: {shortened(last, 300)}; build it yourself and name --wheel"
            )
        (wheel,) = built.glob("malibu-*.whl")
        shutil.copyfile(wheel, folder / wheel.name)
    return wheel.name


def put_constraints(folder: Path, given: Path | None) -> None:
    """Put the pinned versions into a folder.

    Parameters
    ----------
    folder : Path
    given : Path or None
        A file of them; None takes that of the checkout.

    Raises
    ------
    ParameterError
        If there is neither.
    """
    source = given if given is not None else _needed(checkout(), "--constraints") / CONSTRAINTS
    try:
        shutil.copyfile(source, folder / CONSTRAINTS)
    except OSError as error:
        raise ParameterError(f"{shortened(source, 200)} cannot be read: {error.strerror or error}") from error


def _needed(found: Path | None, option: str) -> Path:
    if found is None:
        raise ParameterError(f"this malibu does not run in a checkout of its repository; name {option} FILE")
    return found


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info"))
    else:
        shutil.copyfile(source, target)
