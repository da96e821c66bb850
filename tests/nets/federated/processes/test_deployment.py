"""Coordinator and sites as real processes over loopback: TLS, keys, a killed coordinator."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

pytest.importorskip("flwr", reason="the extra federated is not installed")

from nets.weights import load_weights
from tests.support.recipes import exported, run_in, shrunk
from tests.support.replays import ROOT
from tests.support.server import free_port

RECIPE = ROOT / "configs/train/multitasking_mdcn.yaml"
LONGEST_S = 1200
"""Each takes seconds on an idle machine, and minutes on one that other work holds."""

pytestmark = pytest.mark.slow


class Hospitals:
    """Commands of ``malibu federate``, each in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.started = folder, []
        arguments = [*shrunk(RECIPE, folder), f"--data.folder={folder}/pairs", "--model.steps=18", "--run.half=false"]
        self.recipe, given = arguments[0].split("=")[1], arguments[1:]
        self.set = [part for word in given for part in ("--set", word.removeprefix("--"))]
        self.arguments = arguments
        self.port, self.control, self.local = free_port(), free_port(), free_port()

    def start(self, *words: str) -> subprocess.Popen:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "300"}
        command = [sys.executable, "-c", "from gadgets.cli import main; main()", "federate", *words]
        log = (self.folder / f"{words[0]}-{len(self.started)}.log").open("w")
        process = subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log, stderr=log)
        process.log = Path(log.name)
        self.started.append(process)
        return process

    def run(self, *words: str) -> tuple[int, str]:
        process = self.start(*words)
        return process.wait(LONGEST_S), process.log.read_text()

    def coordinator(self, key: str = "site.key.pub") -> subprocess.Popen:
        ports = ("--port", str(self.port), "--control-port", str(self.control))
        settings = ("--config", self.recipe, "--rounds", "3", "--credentials", "tls", "--site-key", key)
        return self.start("coordinator", "hub", *settings, *ports, *self.set)

    def site(self, authority: str = "tls/ca.pem", key: str = "site.key", wait_s: int = 300) -> subprocess.Popen:
        own = ("--key", key, "--local-port", str(self.local), "--wait-s", str(wait_s))
        address = f"127.0.0.1:{self.port}"
        return self.start("site", address, "site", "--config", self.recipe, *own, "--authority", authority, *self.set)


@pytest.fixture
def hospitals(tmp_path: Path) -> Iterator[Hospitals]:
    found = Hospitals(tmp_path)
    assert found.run("key", "site.key")[0] == 0
    assert found.run("certificate", "tls")[0] == 0
    yield found
    for process in found.started:
        if process.poll() is None:
            process.terminate()
            process.wait(60)


def awaited(path: Path) -> None:
    end = time.monotonic() + LONGEST_S
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not come"
        time.sleep(0.2)


def test_a_killed_coordinator_goes_on_to_the_weights_of_central_training(hospitals: Hospitals) -> None:
    folder = hospitals.folder
    run_in(folder, hospitals.arguments)
    site, first = hospitals.site(), hospitals.coordinator()
    awaited(folder / "hub/round_0001.safetensors")
    first.send_signal(signal.SIGKILL)
    first.wait()
    time.sleep(5)  # Flower's processes end with it
    second = hospitals.coordinator()
    assert second.wait(LONGEST_S) == 0, second.log.read_text()
    assert site.wait(LONGEST_S) == 0, site.log.read_text()
    assert "of 3 rounds were done before" in second.log.read_text()
    central = load_weights(exported(folder, RECIPE.stem)).network.state_dict()
    for place in ("hub", "site"):
        found = load_weights(folder / place / f"{RECIPE.stem}.safetensors").network.state_dict()
        assert all(torch.equal(found[name], value) for name, value in central.items())


def test_a_site_with_another_key_or_authority_is_not_let_in(hospitals: Hospitals) -> None:
    assert hospitals.run("key", "stranger.key")[0] == 0
    assert hospitals.run("certificate", "other")[0] == 0
    hospitals.coordinator()
    for options in ({"key": "stranger.key"}, {"authority": "other/ca.pem"}):
        refused = hospitals.site(**options, wait_s=20)
        assert refused.wait(LONGEST_S) == 1
        assert "another certificate, or does not know this site" in refused.log.read_text()
    assert not list((hospitals.folder / "hub").glob("round_*"))
