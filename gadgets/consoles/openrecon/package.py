"""Folders that become packages: an OpenRecon application, and containers for FIRE and for Gadgetron."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gadgets import RESEARCH_LABEL, __version__
from gadgets.consoles.openrecon import packing
from gadgets.consoles.openrecon.application import APPLICATIONS, Application
from gadgets.consoles.openrecon.checkout import put_constraints, put_wheel
from gadgets.consoles.openrecon.container import label_line, put_build, put_text, template
from gadgets.consoles.openrecon.manual import write_manual
from gadgets.consoles.openrecon.specification import (
    Choices,
    image_name,
    package_name,
    properties_of,
    specification_of,
)
from gadgets.errors import ParameterError
from gadgets.files import check_folder, complete_file

SYSTEMS = {"va60": "VA60 and VA61", "va70": "VA70A, VA80A, VB10A and later"}
"""Scanner software by the name of the format that it takes."""

_CUDA = (
    "VA60's reconstruction computer has CUDA 11.6, for which there is no torch that malibu runs with. On VA60, "
    "reconstruct on a computer beside the scanner through FIRE instead (malibu package fire), or on the CPU."
)
_GPU = (
    "`./build.sh --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu126 --build-arg EXTRAS=[gpu-cuda12]`, for "
    "a package made with --gpu. Which drivers these scanners have is not known to us, and no GPU build was tried."
)


@dataclass(frozen=True)
class Sources:
    """What goes into an image besides the texts.

    Attributes
    ----------
    wheel : Path or None
        malibu's wheel; None builds that of the checkout.
    constraints : Path or None
        Pinned versions; None takes the checkout's.
    """

    wheel: Path | None = None
    constraints: Path | None = None

    def put(self, folder: Path) -> str:
        """Put both into the context of a build.

        Returns
        -------
        str
            Name of the wheel.
        """
        put_constraints(folder, self.constraints)
        return put_wheel(folder, self.wheel)


def write_openrecon(folder: Path, application: Application, target: str, choices: Choices, sources: Sources) -> Path:
    """Write all that an OpenRecon package is made of, and the script that makes it.

    Parameters
    ----------
    folder : Path
    application : Application
    target : str
        Of :data:`SYSTEMS`.
    choices : Choices
    sources : Sources

    Returns
    -------
    Path
        The script.

    Raises
    ------
    ParameterError
        If the specification, or a GPU on this system, is impossible.
    ScanFileError
        If the folder cannot be written, or the wheel cannot be built.
    """
    if choices.gpu and target == "va60":
        raise ParameterError(f"no GPU build for VA60: {_CUDA}")
    specification = specification_of(application, choices)
    context = folder / "context"
    check_folder(folder)
    check_folder(context)
    values = _values(application.name, sources.put(context)) | _openrecon_values(specification, target, application)
    put_build(context, "Dockerfile", application, values, label_line(specification) if target == "va60" else "")
    _put_json(folder / "ApplSpec.json", specification)
    if target == "va70":
        _put_json(folder / "Properties.json", properties_of(specification))
    with complete_file(folder / values["PDF"]) as partial:
        write_manual(partial, application, specification)
    with complete_file(folder / "pack.py") as partial:
        shutil.copyfile(packing.__file__, partial)
    put_text(folder / "README.md", template("README.openrecon.md", values))
    put_text(folder / "build.sh", template("build.sh", values), executable=True)
    return folder / "build.sh"


def write_fire(folder: Path, sources: Sources) -> Path:
    """Write what a container for FIRE is built of.

    Parameters
    ----------
    folder : Path
    sources : Sources

    Returns
    -------
    Path
        The compose file.

    Raises
    ------
    ParameterError, ScanFileError
        As :func:`write_openrecon`.
    """
    check_folder(folder)
    values = _values("malibu for FIRE", sources.put(folder))
    put_build(folder, "Containerfile", APPLICATIONS["multitasking"], values, "")
    put_text(folder / "chroot_image.sh", template("chroot_image.sh", values), executable=True)
    put_text(folder / "README.md", template("README.fire.md", values))
    put_text(folder / "compose.yaml", template("compose.fire.yaml", values))
    return folder / "compose.yaml"


def write_gadgetron(folder: Path, sources: Sources) -> Path:
    """Write what a Gadgetron with malibu inside is built of.

    Parameters
    ----------
    folder : Path
    sources : Sources

    Returns
    -------
    Path
        The compose file.

    Raises
    ------
    ParameterError, ScanFileError
        As :func:`write_openrecon`.
    """
    check_folder(folder)
    values = _values("Gadgetron with malibu", sources.put(folder))
    put_text(folder / "Containerfile", template("Containerfile.gadgetron", values))
    put_text(folder / "README.md", template("README.gadgetron.md", values))
    put_text(folder / "compose.yaml", template("compose.gadgetron.yaml", values))
    return folder / "compose.yaml"


def _values(title: str, wheel: str) -> dict[str, str]:
    return {"VERSION": __version__, "TITLE": title, "WHEEL": wheel, "RESEARCH": RESEARCH_LABEL}


def _openrecon_values(specification: dict[str, Any], target: str, application: Application) -> dict[str, str]:
    name, is_old = package_name(specification), target == "va60"
    archive = f"{name}.zip" if is_old else f"{name}.OpenReconPackage.zip"
    docker = "It must be Docker 24.0, as on the scanner: later ones save a format that VA60 does not import."
    return {
        "NAME": name,
        "TARGET": target,
        "SYSTEMS": SYSTEMS[target],
        "IMAGE": image_name(specification),
        "PDF": f"{name}.pdf" if is_old else "Manual.pdf",
        "ARCHIVE": archive,
        "CONFIGURATION": application.configuration,
        "DOCKER_NOTE": docker if is_old else "Any Docker will do, or podman: `DOCKER=podman ./build.sh`.",
        "GPU_NOTE": _CUDA if is_old else _GPU,
        "INSTALL": template(f"install.{target}.md", {"ARCHIVE": archive}).strip(),
    }


def _put_json(path: Path, content: dict[str, Any]) -> None:
    put_text(path, json.dumps(content, indent=2) + "\n")
