"""The container as it is built and started: in a Debian folder, without Docker and without a network at run time."""

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gadgets.consoles.openrecon.application import application_of
from gadgets.consoles.openrecon.package import Sources, write_gadgetron, write_openrecon
from gadgets.consoles.openrecon.specification import LABEL, Choices, label_value
from tests.support.chroot import Container, Machine, steps, this_machine, what_is_missing
from tests.support.command import malibu

MISSING = what_is_missing()
can_build = pytest.mark.skipif(bool(MISSING), reason=f"no container can be built here: {MISSING}")

CLIENT = """
import json, socket, sys, time
from pathlib import Path
import numpy as np
from tests.support.fire import FireReader, by_name, items_of, parameters, send
from tests.support.peer import CLOSE, message, scan_messages

until_s = time.monotonic() + 60
while True:
    try:
        sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=120)
        break
    except ConnectionRefusedError:
        assert time.monotonic() < until_s
        time.sleep(0.02)
messages = scan_messages(Path(sys.argv[2]))
page = json.loads(Path(sys.argv[3]).read_text())["parameters"]
sent = parameters(**{entry["id"]: str(entry["default"]) for entry in page})
send(sock, [by_name("openrecon"), messages[1], sent, *items_of(messages), message(CLOSE)])
answer = FireReader(sock).answer()
try:
    socket.create_connection(("1.1.1.1", 80), timeout=2)
    network = "there"
except OSError:
    network = "none"
images = {f"image{number:04d}": pixels for number, (_, _, pixels) in enumerate(answer.images)}
np.savez(sys.argv[4], **images)
print(json.dumps({"errors": answer.errors, "closes": answer.closes, "lines": answer.lines, "network": network}))
"""
"""A console inside the container's network: it sends a scan and the untouched page, and keeps the pixels."""


def test_dockerfiles_are_read_as_docker_reads_them(tmp_path: Path) -> None:
    text = (
        'FROM --platform=linux/amd64 a:b\n# c\nARG X=1\nRUN a \\\n # in between\n && b\nENV P=/x:$P \\\n    Q="1 2"\n'
    )
    assert steps(text) == [
        ("FROM", "--platform=linux/amd64 a:b"),
        ("ARG", "X=1"),
        ("RUN", "a   && b"),
        ("ENV", 'P=/x:$P      Q="1 2"'),
    ]
    (tmp_path / "Dockerfile").write_text(
        'FROM a\nARG X=1\nARG Y=\nENV P=/x:$PATH Z=${X}\nLABEL "a:1"="b=="\n'
        'COPY f g /t/\nCOPY f /u\nENTRYPOINT ["p", "q"]\n'
    )
    for name in "fg":
        (tmp_path / name).write_text(name)
    container = Container(tmp_path / "root")
    container.build(tmp_path / "Dockerfile", tmp_path, Machine(), X="2")
    assert (container.base, container.entry, container.labels) == ("a", ["p", "q"], {"a:1": "b=="})
    assert (container.arguments, container.environment["Z"]) == ({"X": "2", "Y": ""}, "2")
    assert container.environment["P"].startswith("/x:/usr/local/sbin")
    assert {path: (tmp_path / "root" / path).read_text() for path in ("t/f", "t/g", "u")} == {
        "t/f": "f",
        "t/g": "g",
        "u": "f",
    }


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("debian") / "root"
    Container.of_debian(folder)
    return folder


def fresh(debian: Path, root: Path) -> Container:
    subprocess.run(["cp", "--archive", debian, root], check=True)
    return Container(root)


@pytest.mark.slow
@can_build
def test_an_openrecon_container_reconstructs_a_scan(
    debian: Path, tmp_path: Path, tiny_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its images are those of ``malibu replay`` but for the last bits, since numba compiles for another processor."""
    application = application_of("multitasking")
    write_openrecon(tmp_path / "package", application, "va60", Choices(), Sources())
    container = fresh(debian, tmp_path / "root")
    machine, context = this_machine(), tmp_path / "package" / "context"
    container.build(context / "Dockerfile", context, machine, TORCH_INDEX=machine.index)
    specification = tmp_path / "package" / "ApplSpec.json"
    assert container.labels[LABEL] == label_value(json.loads(specification.read_text()))
    assert not list((container.root / "opt/malibu").rglob("pip.conf"))
    process = container.start(tmp_path / "log", MALIBU_HOST="127.0.0.1", MALIBU_PORT="9321")
    try:
        inside = ["nsenter", f"--net=/proc/{process.pid}/ns/net", sys.executable, "-c", CLIENT, "9321"]
        files = [str(tiny_file), str(specification), str(tmp_path / "images.npz")]
        run = subprocess.run([*inside, *files], capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr + (tmp_path / "log").read_text()
        said = json.loads(run.stdout)
    finally:
        process.send_signal(signal.SIGTERM)  # what `docker stop` sends to the first process
        code = process.wait(60)
    assert (code, said["errors"], said["closes"], said["network"]) == (0, [], 1, "none"), said["lines"]
    with np.load(tmp_path / "images.npz") as kept:
        pixels = [kept[name].astype(float) for name in kept]
    compare_with_replay(pixels, tiny_file, tmp_path)
    shutil.rmtree(container.root)


def compare_with_replay(pixels: list[np.ndarray], scan: Path, folder: Path) -> None:
    import h5py

    malibu("replay", scan, "-o", folder / "replayed.h5", "--set", "dialect=fire", "--set", "device=cpu")
    with h5py.File(folder / "replayed.h5") as file:
        series = [file["dataset"][name]["data"][:] for name in file["dataset"] if name.startswith("image")]
    expected = [image.astype(float) for one in series for image in one]
    assert len(pixels) == len(expected) > 10
    ours, theirs = (sorted(images, key=lambda image: image.sum()) for images in (pixels, expected))
    for image, other in zip(ours, theirs, strict=True):
        assert np.abs(image.squeeze() - other.squeeze()).max() <= 0.01 * other.max()


@pytest.mark.slow
@can_build
def test_malibu_in_the_python_of_a_gadgetron(debian: Path, tmp_path: Path) -> None:
    """Gadgetron's image stands aside; a Debian with a Python of its own where Gadgetron's lies takes its place."""
    write_gadgetron(tmp_path / "package", Sources())
    container = fresh(debian, tmp_path / "root")
    machine, context = this_machine(), tmp_path / "package"
    (context / "stand-in").write_text(
        "RUN apt-get update && apt-get install --yes --no-install-recommends python3 python3-venv\n"
        "RUN python3 -m venv /opt/conda/envs/gadgetron\n"
    )
    container.build(context / "stand-in", context, machine)
    container.build(context / "Containerfile", context, machine, TORCH_INDEX=machine.index)
    assert re.fullmatch(r"ghcr\.io/gadgetron/.*", container.base)
    configurations = container.root / "opt/conda/envs/gadgetron/share/gadgetron/config"
    assert (configurations / "multitasking.xml").is_file()
    shutil.rmtree(container.root)
