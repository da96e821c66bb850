"""Whose turn it is: a GPU has one at a time, and memory is counted for those that have not taken it yet."""

import threading
import time
from pathlib import Path

import pytest

from gadgets.consoles.serving import turns
from gadgets.consoles.serving.turns import Turns, free_bytes


def at_most(turns_of: list[Turns], device: int) -> int:
    """How many are in their turn at once, of several that want one."""
    inside, most, lock = 0, 0, threading.Lock()

    def work(one: Turns) -> None:
        nonlocal inside, most
        with one.take(device):
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.1)
            with lock:
                inside -= 1

    threads = [threading.Thread(target=work, args=(one,)) for one in turns_of]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return most


def test_a_gpu_has_one_at_a_time_and_each_gpu_its_own(tmp_path: Path) -> None:
    assert at_most([Turns(tmp_path) for _ in range(4)], 0) == 1
    with Turns(tmp_path).take(0), Turns(tmp_path).take(1):
        pass


@pytest.mark.parametrize(("free_gb", "most"), [(100.0, 4), (5.5, 2), (3.0, 1)])
def test_memory_that_is_not_taken_yet_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_gb: float, most: int
) -> None:
    monkeypatch.setattr(turns, "free_bytes", lambda: int(free_gb * 2**30))
    assert at_most([Turns(tmp_path) for _ in range(4)], -1) == most
    assert not list(tmp_path.glob("computing-*"))


def test_one_worker_waits_for_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "free_bytes", lambda: 0)
    assert at_most([Turns(tmp_path, alone=True) for _ in range(2)], -1) == 2


def test_free_memory_is_less_than_the_machine_s() -> None:
    assert free_bytes() is None or 0 < free_bytes() < 2**45
