"""What ``malibu package`` writes."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from gadgets import __version__
from gadgets.consoles.openrecon.application import APPLICATIONS, Application, application_of
from gadgets.consoles.openrecon.checkout import put_constraints, put_wheel
from gadgets.consoles.openrecon.package import Sources, write_fire, write_gadgetron, write_openrecon
from gadgets.consoles.openrecon.specification import LABEL, Choices, label_value
from gadgets.errors import ParameterError
from tests.support.chroot import steps
from tests.support.command import malibu
from tests.support.replays import ROOT

APPLICATION = pytest.mark.parametrize("application", APPLICATIONS.values(), ids=lambda one: one.configuration)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    path = tmp_path_factory.mktemp("wheel") / f"malibu-{__version__}-py3-none-any.whl"
    path.write_bytes(b"a wheel")
    return Sources(path)


def texts(folder: Path) -> dict[str, str]:
    names = ("*.md", "*.sh", "*.yaml", "*file", "*.json")
    return {str(path.relative_to(folder)): path.read_text() for name in names for path in folder.rglob(name)}


@APPLICATION
def test_nothing_is_left_to_fill_in(tmp_path: Path, application: Application, sources: Sources) -> None:
    for target in ("va60", "va70"):
        write_openrecon(tmp_path / target, application, target, Choices(), sources)
    write_fire(tmp_path / "fire", sources)
    write_gadgetron(tmp_path / "gadgetron", sources)
    written = texts(tmp_path)
    assert len(written) > 15
    for name, text in written.items():
        assert not re.search(r"@[A-Z_]+@", text), name
        assert not re.search(r"[\x00-\x08\x0b-\x1f]", text), name
        assert "pip.conf" not in text
        assert "find-links" not in text  # how one machine reaches its index is no part of an image
        if name.endswith(".sh"):
            subprocess.run(["bash", "-n", tmp_path / name], check=True)


def test_the_label_is_for_va60_alone(tmp_path: Path, sources: Sources) -> None:
    application = application_of("multitasking")
    for target in ("va60", "va70"):
        write_openrecon(tmp_path / target, application, target, Choices(), sources)
        specification = json.loads((tmp_path / target / "ApplSpec.json").read_text())
        lines = (tmp_path / target / "context" / "Dockerfile").read_text().splitlines()
        labels = [line for line in lines if line.startswith("LABEL")]
        assert labels == ([f'LABEL "{LABEL}"="{label_value(specification)}"'] if target == "va60" else [])
    assert not (tmp_path / "va60" / "Properties.json").exists()
    assert (tmp_path / "va60" / f"OpenRecon_malibu_MalibuMultitasking_V{__version__}.pdf").is_file()
    assert (tmp_path / "va70" / "Manual.pdf").is_file()
    assert "image_digest" not in json.loads((tmp_path / "va70" / "Properties.json").read_text())


@APPLICATION
def test_the_image_is_built_as_scanners_need_it(tmp_path: Path, application: Application, sources: Sources) -> None:
    write_openrecon(tmp_path, application, "va70", Choices(), sources)
    found = steps((tmp_path / "context" / "Dockerfile").read_text())
    words = [word for word, _ in found]
    assert found[0] == ("FROM", "--platform=linux/amd64 debian:bookworm-slim")
    assert "USER" not in words  # root
    assert found[-1] == ("ENTRYPOINT", '["/bin/sh", "/usr/local/bin/malibu-console"]')
    assert any(f"MALIBU_CONFIG={application.configuration}" in rest.split() for word, rest in found if word == "ENV")
    assert (tmp_path / "context" / "constraints.txt").read_text() == (ROOT / "constraints.txt").read_text()
    copied = [name for word, rest in found if word == "COPY" for name in rest.split()[:-1]]
    assert all((tmp_path / "context" / name).is_file() for name in copied)


def test_the_entry_point_becomes_the_server(tmp_path: Path, sources: Sources) -> None:
    """ldconfig first; then the server takes the process, so that it gets the signals of the container."""
    write_fire(tmp_path, sources)
    for name, text in {
        "ldconfig": 'echo ldconfig >> "$LOG"\nexit 1',
        "malibu": 'echo "$$ $@" >> "$LOG"',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "LOG": str(tmp_path / "log")}
    entry = ["/bin/sh", str(tmp_path / "entrypoint.sh")]
    process = subprocess.Popen([*entry, "--workers", "2"], env=environment, stderr=subprocess.PIPE, text=True)
    _, stderr = process.communicate(timeout=30)
    own = environment | {"MALIBU_HOST": "127.0.0.1", "MALIBU_PORT": "9321", "MALIBU_CONFIG": "brain"}
    subprocess.run(entry, env=own, check=True, capture_output=True)
    first, second, third, fourth = (tmp_path / "log").read_text().splitlines()
    assert first == third == "ldconfig"
    served = "serve --console fire --host 0.0.0.0 --port 9002 --config multitasking --workers 2"
    assert second == f"{process.pid} {served}"
    assert "ldconfig failed" in stderr
    assert fourth.endswith(" serve --console fire --host 127.0.0.1 --port 9321 --config brain")


def test_what_cannot_be_is_refused(tmp_path: Path, sources: Sources) -> None:
    multitasking = application_of("multitasking")
    with pytest.raises(ParameterError, match=r"no GPU build for VA60: VA60's reconstruction computer has CUDA 11\.6"):
        write_openrecon(tmp_path / "a", multitasking, "va60", Choices(gpu=True), sources)
    assert not (tmp_path / "a").exists()
    write_openrecon(tmp_path / "b", multitasking, "va70", Choices(gpu=True), sources)
    assert json.loads((tmp_path / "b" / "ApplSpec.json").read_text())["reconstruction"]["can_use_gpu"]
    other = tmp_path / "malibu-9.9.9-py3-none-any.whl"
    other.touch()
    with pytest.raises(ParameterError, match=f"is no wheel of malibu {re.escape(__version__)}"):
        put_wheel(tmp_path, other)
    with pytest.raises(ParameterError, match="cannot be read: No such file"):
        put_constraints(tmp_path, tmp_path / "nowhere.txt")


def test_an_installed_malibu_asks_for_its_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gadgets.__file__", str(tmp_path / "site-packages" / "gadgets" / "__init__.py"))
    with pytest.raises(ParameterError, match="does not run in a checkout of its repository; name --wheel FILE"):
        put_wheel(tmp_path, None)
    with pytest.raises(ParameterError, match="name --constraints FILE"):
        put_constraints(tmp_path, None)


def test_the_command(tmp_path: Path, sources: Sources) -> None:
    wheel = ("--wheel", sources.wheel)
    options = ("--parameters", "images,matrix", "--vendor", "Site", "--memory-mb", "4096", "--cpu-cores", "2")
    stdout, stderr = malibu("package", "openrecon", "-o", tmp_path / "a", "--target", "va70", *options, *wheel)
    assert "build.sh builds and packs it" in stdout
    assert not stderr  # matplotlib's fonts tell much
    specification = json.loads((tmp_path / "a" / "ApplSpec.json").read_text())
    assert [entry["id"] for entry in specification["parameters"]] == ["config", "images", "matrix"]
    assert specification["reconstruction"]["min_required_memory"] == 4096
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", specification["general"]["regulatory_information"]["manufacture_date"])
    stdout, _ = malibu("package", "fire", "-o", tmp_path / "fire", *wheel)
    assert "compose.yaml up --build" in stdout
    malibu("package", "gadgetron", "-o", tmp_path / "gadgetron", *wheel)
    _, stderr = malibu(
        "package", "openrecon", "-o", tmp_path / "c", "--target", "va70", "--config", "brain", *wheel, code=1
    )
    assert stderr.startswith("error: no configuration 'brain' is known; known are multitasking")
