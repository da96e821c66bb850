"""Which of a host's GPUs a process takes."""

import functools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest
import sigpy

from gadgets import device, gpu_seats
from gadgets.gpu_seats import RANK_VARIABLES, own_gpu, visible_gpus
from tests.support.replays import ROOT

SIT = """
import sys
from pathlib import Path
from gadgets.gpu_seats import own_gpu
print(own_gpu(int(sys.argv[1]), Path(sys.argv[2])), flush=True)
sys.stdin.read()
"""
FORK = """
import os, sys
from pathlib import Path
from gadgets.gpu_seats import own_gpu
own_gpu(2, Path(sys.argv[2]))
if os.fork():
    sys.stdin.read()
print(own_gpu(2, Path(sys.argv[2])), os.getpid(), flush=True)
os.read(os.pipe()[0], 1)
"""


@pytest.fixture(autouse=True)
def no_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*RANK_VARIABLES, "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(gpu_seats, "_TAKEN", gpu_seats._Taken())


class Sitting:
    """A process that took its place."""

    def __init__(self, stack: ExitStack, folder: Path, count: int = 2, script: str = SIT, **environment: str) -> None:
        command = [sys.executable, "-c", script, str(count), str(folder)]
        own = os.environ | {"PYTHONPATH": str(ROOT)} | environment
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=own, text=True)
        stack.callback(self.end)

    @functools.cached_property
    def gpu(self) -> int:
        """Told as soon as it sits."""
        return int(self.process.stdout.readline())

    def sat(self) -> "Sitting":
        """Wait until it sits."""
        assert self.gpu >= 0
        return self

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_processes_that_start_at_once_spread_evenly(tmp_path: Path, stack: ExitStack) -> None:
    sitting = [Sitting(stack, tmp_path / "seats", count=3) for _ in range(6)]
    assert sorted(one.gpu for one in sitting) == [0, 0, 1, 1, 2, 2]


def test_a_killed_process_leaves_its_place_and_the_emptiest_gpu_is_next(tmp_path: Path, stack: ExitStack) -> None:
    first, second, third = (Sitting(stack, tmp_path / "seats").sat() for _ in range(3))
    assert (first.gpu, second.gpu, third.gpu) == (0, 1, 0)
    first.end()
    second.end()
    assert Sitting(stack, tmp_path / "seats").gpu == 1, "the third still sits at GPU 0, on its second seat"
    assert Sitting(stack, tmp_path / "seats").gpu == 0


def test_a_gpu_is_known_by_its_place_in_the_host(tmp_path: Path, stack: ExitStack) -> None:
    first = Sitting(stack, tmp_path / "seats", CUDA_VISIBLE_DEVICES="3,1").sat()
    other_order = Sitting(stack, tmp_path / "seats", CUDA_VISIBLE_DEVICES="1,3")
    assert (first.gpu, other_order.gpu) == (0, 0)
    assert Sitting(stack, tmp_path / "seats", CUDA_VISIBLE_DEVICES="3,2").gpu == 1


def test_a_process_keeps_its_gpu_however_often_it_asks(tmp_path: Path) -> None:
    assert [own_gpu(4, tmp_path / "seats") for _ in range(5)] == [0] * 5
    assert len(list((tmp_path / "seats").glob("gpu-*"))) == 1


def test_threads_that_ask_at_once_take_one_seat(tmp_path: Path) -> None:
    together = threading.Barrier(8)
    found: list[int] = []

    def ask() -> None:
        together.wait()
        found.append(own_gpu(4, tmp_path / "seats"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [0] * 8
    assert len(list((tmp_path / "seats").glob("gpu-*"))) == 1


def test_a_fork_takes_a_seat_of_its_own_and_does_not_keep_its_parent_s(tmp_path: Path, stack: ExitStack) -> None:
    parent = Sitting(stack, tmp_path / "seats", script=FORK)
    gpu, child = map(int, parent.process.stdout.readline().split())
    stack.callback(os.kill, child, signal.SIGKILL)
    assert gpu == 1
    parent.process.kill()
    parent.process.wait()
    assert Sitting(stack, tmp_path / "seats").gpu == 0


@pytest.mark.parametrize(
    ("told", "seen"), [(None, ["0", "1"]), ("3,1", ["3", "1"]), (" GPU-ab , GPU-cd ", ["GPU-ab", "GPU-cd"])]
)
def test_gpus_have_the_names_by_which_others_see_them(
    told: str | None, seen: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if told is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", told)
    assert visible_gpus(2) == seen


@pytest.mark.parametrize("name", RANK_VARIABLES)
def test_a_launcher_s_number_decides(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "7")
    assert own_gpu(4, tmp_path / "seats") == 3
    assert not (tmp_path / "seats").exists()


def test_one_gpu_needs_no_seats(tmp_path: Path) -> None:
    assert own_gpu(1, tmp_path / "seats") == 0
    assert not (tmp_path / "seats").exists()


def test_a_folder_of_somebody_else_is_not_trusted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "seats").symlink_to(tmp_path / "real")
    assert own_gpu(2, tmp_path / "seats") == 0
    assert "no seats can be locked" in caplog.text
    assert not list((tmp_path / "real").iterdir())


def test_auto_asks_and_a_number_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = SimpleNamespace(getDeviceCount=lambda: 4)
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(__spec__=object(), cuda=SimpleNamespace(runtime=runtime)))
    monkeypatch.setattr(sigpy, "Device", lambda number: number)
    monkeypatch.setenv("LOCAL_RANK", "6")
    assert device.choose_device("auto") == 2
    assert device.choose_device("cuda:1") == 1
