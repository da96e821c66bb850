"""Packing a saved image: the names that a scanner wants, and refusals of what it would not take."""

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from gadgets.consoles.openrecon.application import application_of
from gadgets.consoles.openrecon.package import Sources, write_openrecon
from gadgets.consoles.openrecon.packing import PackageError, image_config, pack
from gadgets.consoles.openrecon.specification import LABEL, Choices, label_value, specification_of

NAME = "OpenRecon_Site_MalibuCoronary_V0.1.0"


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def saved_image(path: Path, oci: bool = False, **changes: Any) -> str:
    """What ``docker save`` writes, with an empty layer; give the digest of its configuration."""
    inside = {"User": "", "Labels": {}} | changes.pop("config", {})
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": inside} | changes).encode()
    digest = hashlib.sha256(config).hexdigest()
    name = f"blobs/sha256/{digest}" if oci else f"{digest}.json"
    with tarfile.open(path, "w") as tar:
        add(tar, name, config)
        add(tar, "layer.tar", b"")
        if oci:
            add(tar, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        add(tar, "manifest.json", json.dumps([{"Config": name, "Layers": ["layer.tar"]}]).encode())
    return digest


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("wheel") / "malibu-0.1.0-py3-none-any.whl"
    path.write_bytes(b"a wheel")
    return path


@pytest.fixture(params=["va60", "va70"])
def target(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def folder(tmp_path: Path, wheel: Path, target: str) -> Path:
    application = application_of("super_resolution_coronary_images")
    write_openrecon(tmp_path / "package", application, target, Choices(vendor="Site"), Sources(wheel))
    return tmp_path / "package"


def right_image(path: Path, target: str, **changes: Any) -> str:
    specification = specification_of(application_of("super_resolution_coronary_images"), Choices(vendor="Site"))
    labels = {LABEL: label_value(specification)} if target == "va60" else {}
    return saved_image(path, config={"Labels": labels} | changes.pop("config", {}), **changes)


def test_a_package_has_the_names_that_the_scanner_looks_for(folder: Path, target: str, tmp_path: Path) -> None:
    image = tmp_path / "image.tar"
    digest = right_image(image, target)
    package = pack(folder, target, NAME, image)
    with zipfile.ZipFile(package) as archive:
        names = sorted(archive.namelist())
        if target == "va60":
            assert package.name == f"{NAME}.zip"
            assert names == [f"{NAME}.pdf", f"{NAME}.tar"]
            assert archive.read(f"{NAME}.pdf").startswith(b"%PDF-")
            assert archive.read(f"{NAME}.tar") == image.read_bytes()
            return
        assert package.name == f"{NAME}.OpenReconPackage.zip"
        assert names == ["ApplSpec.json", "Container.tar", "Manual.pdf", "Properties.json"]
        properties = json.loads(archive.read("Properties.json"))
        assert properties["image_digest"] == digest
        assert properties["image_name"] == "local/malibucoronary:latest"
        assert json.loads(archive.read("ApplSpec.json"))["general"]["id"] == "MalibuCoronary"
        assert archive.read("Container.tar") == image.read_bytes()


def test_what_a_scanner_refuses_is_not_packed(folder: Path, target: str, tmp_path: Path) -> None:
    image = tmp_path / "image.tar"
    wrong = {
        "linux/arm64; build with --platform linux/amd64": {"architecture": "arm64"},
        "it runs as malibu; OpenRecon needs root": {"config": {"User": "malibu"}},
    }
    other = {LABEL: label_value(specification_of(application_of("multitasking"), Choices()))}
    if target == "va60":
        wrong["its label is not ApplSpec.json"] = {"config": {"Labels": other}}
        wrong["the layout of Docker 25 and later"] = {"oci": True}
    else:
        wrong["it has the label of VA60"] = {"config": {"Labels": other}}
    for sentence, changes in wrong.items():
        right_image(image, target, **changes)
        with pytest.raises(PackageError, match=sentence):
            pack(folder, target, NAME, image)
    assert not list(folder.glob("*.zip"))
    assert not list(folder.glob(".*"))


def test_broken_labels_and_layouts(folder: Path, target: str, tmp_path: Path) -> None:
    image = tmp_path / "image.tar"
    if target == "va60":
        saved_image(image, config={"Labels": {LABEL: "no base64"}})
        with pytest.raises(PackageError, match="its label is not"):
            pack(folder, target, NAME, image)
    else:
        digest = right_image(image, target, oci=True)
        assert image_config(image)[0] == digest
        assert pack(folder, target, NAME, image).is_file()


def test_files_that_are_no_image(tmp_path: Path) -> None:
    image = tmp_path / "image.tar"
    image.write_bytes(b"no tar")
    with pytest.raises(PackageError, match="was not written by `docker save`"):
        image_config(image)
    with tarfile.open(image, "w") as tar:
        add(tar, "manifest.json", b'[{"Config": "nowhere.json"}]')
    with pytest.raises(PackageError, match="was not written by `docker save`"):
        image_config(image)
    with tarfile.open(image, "w") as tar:
        add(tar, "0123.json", b"{}")
        add(tar, "manifest.json", b'[{"Config": "0123.json"}]')
    with pytest.raises(PackageError, match="the file is damaged"):
        image_config(image)
    with tarfile.open(image, "w") as tar:
        add(tar, "manifest.json", b'[{"Config": "a.json"}, {"Config": "b.json"}]')
    with pytest.raises(PackageError, match="holds 2 images"):
        image_config(image)


DOCKER = """#!/bin/sh
echo "$@" >> "{log}"
case "$1" in
save) cp "{image}" "$3" ;;
esac
"""


def test_the_script_builds_saves_and_packs(folder: Path, target: str, tmp_path: Path) -> None:
    """With a Docker that writes down what it is told."""
    right_image(tmp_path / "image.tar", target)
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "docker").write_text(DOCKER.format(log=tmp_path / "log", image=tmp_path / "image.tar"))
    (tools / "docker").chmod(0o755)
    (tools / "python3").symlink_to(sys.executable)
    environment = {"PATH": f"{tools}:{os.environ['PATH']}"}
    command = [str(folder / "build.sh"), "--build-arg", "A=b c"]
    subprocess.run(command, check=True, env=environment, cwd="/", capture_output=True)
    assert (tmp_path / "log").read_text().splitlines() == [
        "build --platform linux/amd64 --tag local/malibucoronary:latest --build-arg A=b c context",
        "save --output image.tar local/malibucoronary:latest",
    ]
    suffix = ".zip" if target == "va60" else ".OpenReconPackage.zip"
    assert (folder / f"{NAME}{suffix}").is_file()
    assert not (folder / "image.tar").exists()
    right_image(tmp_path / "image.tar", target, architecture="arm64")
    run = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr.startswith("error: image.tar: it is for linux/arm64")
