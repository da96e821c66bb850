"""docs/console.md takes a user from nothing to images: its commands run as they are printed."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.command import MALIBU
from tests.support.replays import ROOT, needs_torch
from tests.support.server import free_port

PORTS = ("9002", "11112")
PACKAGES = ("pydicom", "pynetdicom", "nibabel", "mrd")
"""What the commands need, and a small installation lacks."""


def printed() -> list[str]:
    """The blocks of the walk through all consoles."""
    (section,) = re.findall(
        r"^## From nothing to images\n(.*?)^## ", (ROOT / "docs/console.md").read_text(), re.M | re.S
    )
    return re.findall(r"^```sh\n(.*?)^```", section, re.M | re.S)


@needs_torch
@pytest.mark.slow  # a minute; each part has tests of its own
def test_every_command_runs_as_printed(tmp_path: Path) -> None:
    script = "set -e -m\n" + "".join(printed())
    for port in PORTS:
        assert script.count(port) >= 2
        script = script.replace(port, str(free_port()))
    for package in PACKAGES:
        pytest.importorskip(package)
    environment = os.environ | {"PATH": f"{MALIBU.parent}:{os.environ['PATH']}"}
    arguments = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True, "timeout": 500}
    run = subprocess.run(["bash", "-c", script], check=False, **arguments)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-3000:]
    made = {"images.h5", "fire.h5", "images_of_the_pipe.h5", "series", "sent", "volumes", "application", "container"}
    assert made <= {path.name for path in tmp_path.iterdir()}
    sent = list((tmp_path / "series").rglob("*.dcm"))
    assert sent
    assert len([path for path in (tmp_path / "archive").rglob("*") if path.is_file()]) == len(sent)
