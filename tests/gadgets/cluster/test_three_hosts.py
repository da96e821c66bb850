"""A scheduler and two workers on three hosts: network namespaces of their own, joined by a bridge."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gadgets.cluster.cores import thread_variables
from tests.support.batches import QUICK, content_of, short_scans
from tests.support.command import MALIBU
from tests.support.replays import ROOT, replay_here

pytest.importorskip("distributed")

HOSTS = {"malibu-a": "10.77.13.1", "malibu-b": "10.77.13.2", "malibu-c": "10.77.13.3"}
SCHEDULER = f"tcp://{HOSTS['malibu-a']}:8786"
NETEM = ("delay", "20ms", "5ms", "loss", "1%")
ENVIRONMENT = os.environ | thread_variables(1) | {"PYTHONPATH": str(ROOT), "COLUMNS": "300"}
ENVIRONMENT |= {"DASK_LOGGING__DISTRIBUTED": "error"}


def ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")


def remove() -> None:
    for host in HOSTS:
        with contextlib.suppress(OSError):
            ip("netns", "del", host)


@pytest.fixture(params=["a quiet net", "latency and loss"])
def net(request: pytest.FixtureRequest) -> Iterator[None]:
    """Three hosts; the bridge lies in the first. Their links are slow and lose packets where the kernel can do so."""
    remove()
    try:
        for host in HOSTS:
            ip("netns", "add", host)
            ip("-n", host, "link", "set", "lo", "up")
        ip("-n", "malibu-a", "link", "add", "net0", "type", "bridge")
        ip("-n", "malibu-a", "addr", "add", f"{HOSTS['malibu-a']}/24", "dev", "net0")
        ip("-n", "malibu-a", "link", "set", "net0", "up")
        for host in ("malibu-b", "malibu-c"):
            port = f"to-{host[-1]}"
            ip("-n", host, "link", "add", "eth0", "type", "veth", "peer", "name", port, "netns", "malibu-a")
            ip("-n", "malibu-a", "link", "set", port, "master", "net0", "up")
            ip("-n", host, "addr", "add", f"{HOSTS[host]}/24", "dev", "eth0")
            ip("-n", host, "link", "set", "eth0", "up")
    except OSError as error:
        remove()
        pytest.skip(f"no network namespaces here: {error}")
    try:
        if request.param == "latency and loss":
            for host in ("malibu-b", "malibu-c"):
                command = ["ip", "netns", "exec", host, "tc", "qdisc", "add", "dev", "eth0", "root", "netem", *NETEM]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    pytest.skip(f"no latency and loss here: tc: {done.stderr.strip()}")
        yield
    finally:
        remove()


def dask(host: str, *words: str) -> subprocess.Popen[bytes]:
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": ENVIRONMENT}
    return subprocess.Popen(["ip", "netns", "exec", host, sys.executable, "-m", "dask", *words], **quiet)


@pytest.mark.slow
@pytest.mark.usefixtures("net")
def test_workers_on_other_hosts_give_what_a_replay_gives(tmp_path: Path) -> None:
    scans, out = short_scans(tmp_path / "scans", 6), tmp_path / "out"
    processes = [dask("malibu-a", "scheduler", "--host", HOSTS["malibu-a"], "--port", "8786", "--no-dashboard")]
    try:
        for host in ("malibu-b", "malibu-c"):
            options = ("--host", HOSTS[host], "--nthreads", "1", "--no-nanny", "--no-dashboard")
            folder = ("--local-directory", str(tmp_path / host), "--name", host)
            processes.append(dask(host, "worker", SCHEDULER, *options, *folder))
        settings = [word for setting in QUICK for word in ("--set", setting)]
        words = ["batch", f"{tmp_path}/scans/*.h5", "-o", str(out), *settings, "--workers", "2", "--cluster", SCHEDULER]
        command = ["ip", "netns", "exec", "malibu-a", str(MALIBU), *words]
        for _ in range(20):  # until the scheduler listens
            run = subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRONMENT, timeout=500)
            if "no Dask scheduler answers" not in run.stderr:
                break
        assert run.returncode == 0, run.stderr
        assert "6 of 6 scans are reconstructed." in run.stdout
    finally:
        for process in processes:
            process.kill()
            process.wait()
    results = [content_of(path) for path in out.glob("scan-*.h5")]
    for scan in scans:
        settings_of = dict(setting.split("=", 1) for setting in QUICK)
        replay_here(scan, tmp_path / f"replay-{scan.name}", **settings_of)
        assert content_of(tmp_path / f"replay-{scan.name}") in results
