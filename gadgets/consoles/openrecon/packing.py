"""Packs a saved image as an OpenRecon package, after a look at what the scanner would look at.

It stands alone, for any Python from 3.9 on: ``malibu package openrecon`` puts it beside ``build.sh`` as ``pack.py``.
"""

import argparse
import base64
import hashlib
import json
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

LABEL = "com.siemens-healthineers.magneticresonance.openrecon.metadata:1.1.0"


class PackageError(Exception):
    """The scanner would not take the package; the text says why, and what to do."""


def image_config(image: Path) -> tuple[str, dict[str, Any]]:
    """Read the configuration of an image that ``docker save`` wrote.

    Parameters
    ----------
    image : Path
        Tar with a ``manifest.json``.

    Returns
    -------
    digest : str
        SHA-256 of the configuration, which is what the scanner compares; not that of the manifest.
    config : dict

    Raises
    ------
    PackageError
        If it is no such file, or holds several images, or its configuration is not the one that it names.
    """
    try:
        with tarfile.open(image) as tar:
            manifest = json.loads(_member(tar, "manifest.json"))
            if len(manifest) != 1:
                raise PackageError(f"{image} holds {len(manifest)} images; save one alone")
            name = manifest[0]["Config"]
            config = _member(tar, name)
    except (OSError, tarfile.TarError, KeyError, ValueError) as error:
        raise PackageError(f"{image} was not written by `docker save`: {error}") from error
    digest = hashlib.sha256(config).hexdigest()
    named = Path(name).name.split(".")[0]
    if named != digest:
        raise PackageError(f"{image} names its configuration {named}, but it is {digest}: the file is damaged")
    return digest, json.loads(config)


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    if file is None:
        raise KeyError(name)
    return file.read()


def check_image(image: Path, target: str, specification: Any) -> str:
    """Refuse an image that the scanner would refuse.

    Parameters
    ----------
    image : Path
    target : str
        ``va60`` or ``va70``.
    specification : object
        What VA60 must find in the label; an image for VA70 has none.

    Returns
    -------
    str
        Digest of its configuration.

    Raises
    ------
    PackageError
    """
    digest, config = image_config(image)
    wrong: list[str] = []
    if (config.get("os"), config.get("architecture")) != ("linux", "amd64"):
        wrong.append(f"it is for {config.get('os')}/{config.get('architecture')}; build with --platform linux/amd64")
    inside = config.get("config") or {}
    if inside.get("User", "") not in ("", "root", "0"):
        wrong.append(f"it runs as {inside['User']}; OpenRecon needs root")
    found = (inside.get("Labels") or {}).get(LABEL)
    if target == "va60" and (found is None or _decoded(found) != specification):
        wrong.append("its label is not ApplSpec.json; build the context that lies beside it")
    if target == "va70" and found is not None:
        wrong.append("it has the label of VA60; make the package anew with --target va70")
    with tarfile.open(image) as tar:
        if target == "va60" and "oci-layout" in tar.getnames():
            wrong.append("it has the layout of Docker 25 and later, which VA60 does not import; save with Docker 24.0")
    if wrong:
        raise PackageError(f"{image}: {'; '.join(wrong)}")
    return digest


def _decoded(label: str) -> Any:
    try:
        return json.loads(base64.b64decode(label, validate=True))
    except ValueError:
        return None


def pack(folder: Path, target: str, name: str, image: Path) -> Path:
    """Write the package.

    Parameters
    ----------
    folder : Path
        With what ``malibu package openrecon`` wrote.
    target : str
        ``va60`` or ``va70``.
    name : str
        Of the package, without suffix.
    image : Path
        That ``docker save`` wrote.

    Returns
    -------
    Path

    Raises
    ------
    PackageError
        If the scanner would refuse the image.
    """
    digest = check_image(image, target, json.loads((folder / "ApplSpec.json").read_text()))
    files = {f"{name}.tar": image, f"{name}.pdf": folder / f"{name}.pdf"}
    package = folder / f"{name}.zip"
    if target == "va70":
        files = {"ApplSpec.json": folder / "ApplSpec.json", "Container.tar": image, "Manual.pdf": folder / "Manual.pdf"}
        package = folder / f"{name}.OpenReconPackage.zip"
    partial = package.with_name(f".{package.name}.partial")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            for inside, path in files.items():
                archive.write(path, inside)
            if target == "va70":
                properties = json.loads((folder / "Properties.json").read_text()) | {"image_digest": digest}
                archive.writestr("Properties.json", json.dumps(properties, indent=2) + "\n")
        partial.replace(package)
    finally:
        if partial.exists():
            partial.unlink()
    return package


def main() -> None:
    """Pack, or end with one line and exit code 1."""
    parser = argparse.ArgumentParser(description="Pack a saved image as an OpenRecon package.")
    parser.add_argument("target", choices=("va60", "va70"))
    parser.add_argument("name", help="name of the package, without suffix")
    parser.add_argument("image", type=Path, help="file that `docker save` wrote")
    given = parser.parse_args()
    try:
        package = pack(Path(__file__).parent, given.target, given.name, given.image)
    except (PackageError, OSError) as error:
        sys.exit(f"error: {error}")
    sys.stdout.write(f"{package}: {package.stat().st_size // 2**20} MB\n")


if __name__ == "__main__":
    main()
