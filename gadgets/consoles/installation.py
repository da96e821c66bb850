"""malibu inside a Gadgetron: its configurations put where the server looks, and a check of all that must work."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from gadgets import __version__
from gadgets.configuration import configuration_of
from gadgets.errors import OPERATOR_ERRORS, ParameterError, ScanFileError, shortened
from gadgets.files import complete_file
from gadgets.mrd.files import ScanFile
from gadgets.mrd.replay import Progress, configuration_message, replay
from gadgets.simulated.radial import protocol_with, write_simulation
from recon.simulation.chest import simulate_scan

# What Gadgetron's interpreter must find; takeover stands in setup.cfg, which an old installation does not have.
_IMPORTS = """
import json, gadgets, gadgetron, ismrmrd, gadgets.mrd.gadget
from importlib.metadata import entry_points
hooks = [hook.value for hook in entry_points(group="xsdata.plugins.class_types")]
print(json.dumps([gadgets.__version__, gadgets.__file__, "gadgets.mrd.wire.takeover" in hooks]))
"""
# A cold start imports for some seconds, on a loaded machine for many; the reconstruction takes one.
_START_S = 120.0
_SCAN = {"duration_s": "1.6", "coils": "2"}


@dataclass(frozen=True)
class Check:
    """One thing that must be right.

    Attributes
    ----------
    what : str
    passed : bool
    text : str
        What was found; where it is wrong, with the remedy.
    """

    what: str
    passed: bool
    text: str


def gadgetron_prefix(given: Path | None) -> Path:
    """Find the folder in which a Gadgetron is installed: the given one, the conda environment, or that on the PATH.

    Raises
    ------
    ParameterError
        If there is none.
    """
    if given is not None:
        if not given.is_dir():
            raise ParameterError(
                f"{shortened(given, 200)} is no folder; name the prefix in which Gadgetron is installed"
            )
        return given
    conda, server = os.environ.get("CONDA_PREFIX"), shutil.which("gadgetron")
    if conda:
        return Path(conda)
    if server:
        return Path(server).resolve().parent.parent
    raise ParameterError(
        "no Gadgetron was found: CONDA_PREFIX is not set and there is no gadgetron on the PATH; "
        "name its prefix: malibu install-gadgetron PREFIX"
    )


def shipped_configurations() -> dict[str, bytes]:
    """Read the configurations that malibu ships, by file name."""
    folder = files("gadgets") / "configs" / "xml"
    return {item.name: item.read_bytes() for item in sorted(folder.iterdir(), key=lambda item: item.name)}


def configuration_folder(prefix: Path) -> Path:
    """Where a Gadgetron looks for configurations by their names."""
    return prefix / "share" / "gadgetron" / "config"


def install_configurations(prefix: Path) -> list[Path]:
    """Put malibu's configurations where the Gadgetron of a prefix finds them.

    Returns
    -------
    list of Path

    Raises
    ------
    ScanFileError
        If they cannot be written.
    """
    folder, written = configuration_folder(prefix), []
    for name, text in shipped_configurations().items():
        try:
            with complete_file(folder / name) as partial:
                partial.write_bytes(text)
        except OSError as error:
            raise ScanFileError(f"{folder / name} cannot be written: {error.strerror or error}") from error
        written.append(folder / name)
    return written


def checks(prefix: Path) -> Iterator[Check]:
    """Check, one after the other, what a Gadgetron of this prefix needs to run malibu.

    Parameters
    ----------
    prefix : Path

    Yields
    ------
    Check
        Those after a failure of the interpreter are left out.
    """
    python = gadgetron_python()
    remedy = "put the Python in which malibu is installed first on the PATH of the server, as `python`"
    if python is None:
        yield Check("interpreter", False, f"there is neither python nor python3 on the PATH; {remedy}")
        return
    yield Check("interpreter", True, python)
    imports = list(_imports(prefix, python))
    yield from imports
    yield from _configurations(prefix)
    if all(check.passed for check in imports):
        yield _scan(prefix, python)


def gadgetron_python() -> str | None:
    """Find the interpreter that Gadgetron takes: ``python`` on the PATH, else ``python3``."""
    return shutil.which("python") or shutil.which("python3")


def _environment(prefix: Path) -> dict[str, str]:
    """Environment of a gadget: the server's, with the prefix's own Python folder."""
    folders = [os.environ.get("PYTHONPATH", ""), str(prefix / "share" / "gadgetron" / "python")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, folders))}


def _imports(prefix: Path, python: str) -> Iterator[Check]:
    command = [python, "-c", _IMPORTS]
    run = subprocess.run(  # noqa: S603 - the interpreter that Gadgetron runs
        command, capture_output=True, text=True, env=_environment(prefix), cwd=tempfile.gettempdir(), check=False
    )
    if run.returncode:
        install = f"install malibu for it, in malibu's own folder: {python} -m pip install ."
        yield Check("imports", False, f"{_last_line(run.stderr)}; {install}")
        return
    version, place, has_takeover = json.loads(run.stdout.splitlines()[-1])
    if version != __version__:
        yield Check("imports", False, f"{place} is malibu {version}, this command is {__version__}; install it anew")
    else:
        yield Check("imports", True, f"gadgets {version} from {Path(place).parent}, gadgetron, ismrmrd")
    text = "a server that dies at the start ends its gadgets"
    remedy = "the installation is older than its code: install malibu anew, or gadgets of a dead server never end"
    yield Check("takeover", has_takeover, text if has_takeover else remedy)


def _configurations(prefix: Path) -> Iterator[Check]:
    folder = configuration_folder(prefix)
    for name, text in shipped_configurations().items():
        path = folder / name
        found = path.read_bytes() if path.is_file() else None
        if found == text:
            yield Check("configuration", True, str(path))
        else:
            state = "is missing" if found is None else "is not the one of this version, or was edited"
            yield Check("configuration", False, f"{path} {state}; malibu install-gadgetron {prefix}")


def _scan(prefix: Path, python: str) -> Check:
    """Reconstruct a simulated scan in a process that is started as Gadgetron starts it."""
    element = configuration_of(shipped_configurations()["multitasking.xml"].decode(), "MultitaskingGadget")
    with tempfile.TemporaryDirectory() as name, socket.create_server(("localhost", 0)) as server:
        scan, images = Path(name) / "scan.h5", Path(name) / "images.h5"
        write_simulation(simulate_scan(protocol_with("tiny", _SCAN), 1), scan)
        server.settimeout(_START_S)
        command = [
            python,
            "-m",
            "gadgetron",
            str(server.getsockname()[1]),
            "gadgets.multitasking",
            "MultitaskingGadget",
        ]
        log = Path(name) / "log"
        with log.open("wb") as stream:
            process = subprocess.Popen(  # noqa: S603 - the command that Gadgetron runs
                command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, env=_environment(prefix), cwd=name
            )
        try:
            client = server.accept()[0]
            with ScanFile(scan) as file:
                count = replay(file, images, configuration_message(element, {}), client, _START_S, Progress())
            code = process.wait(_START_S)
        except (*OPERATOR_ERRORS, OSError, subprocess.TimeoutExpired) as error:
            return Check("simulated scan", False, f"{shortened(error, 300)}; {_last_line(log.read_text())}")
        finally:
            process.kill()
            process.wait()
    return Check("simulated scan", code == 0, f"{count} images" if code == 0 else f"the gadget ended with {code}")


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return shortened(lines[-1], 300) if lines else "it said nothing"
