"""Work that is shared out: in this process; refused by its memory; places that make no sense."""

import functools
import importlib.util
import os
import signal
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from gadgets.cluster import cores
from gadgets.cluster.cores import THREAD_VARIABLES, children_have, thread_variables
from gadgets.cluster.crew import Crew, Place, opened_crew
from gadgets.cluster.room_for import shifts
from gadgets.cluster.tasks import Ended, Need, carried_out
from gadgets.errors import ParameterError, RemoteError
from recon.errors import DataError
from recon.threads import available_cpus

GIB = 2**30


def halved(folder: Path, number: int) -> int:
    """Halve even numbers; numbers of three kinds fail in three ways."""
    if number == 13:
        raise OSError("the share hangs")
    if number == 7:
        raise ZeroDivisionError("seven")
    if number % 2:
        raise DataError(f"{number} is\nodd")
    (folder / f"{number}-{len(list(folder.iterdir()))}").touch()
    return number // 2


def ended_of(crew: Crew, folder: Path, numbers: Sequence[int]) -> dict[int, Ended]:
    return {one.task: one for one in crew.run(functools.partial(halved, folder), numbers)}


def test_a_task_that_fails_is_told_and_stops_no_other(tmp_path: Path) -> None:
    with opened_crew(Place()) as crew:
        ended = ended_of(crew, tmp_path, [4, 5, 13, 7, 6])
    assert {task: one.value for task, one in ended.items()} == {4: 2, 5: None, 13: None, 7: None, 6: 3}
    reasons = {task: one.reason for task, one in ended.items()}
    assert reasons[4] == reasons[6] == ""
    assert reasons[5] == "5 is odd"
    assert reasons[13] == "the share hangs"
    assert reasons[7] == "ZeroDivisionError: seven (a defect of malibu)"


def test_what_needs_more_than_there_is_is_refused_before_it_is_begun(tmp_path: Path) -> None:
    with opened_crew(Place(memory_gb=4)) as crew:
        needs = {2: Need(3 * GIB), 4: Need(5 * GIB)}
        ended = {one.task: one for one in crew.run(functools.partial(halved, tmp_path), [2, 4], needs.__getitem__)}
    assert ended[2].value == 1
    assert isinstance(ended[4].error, ParameterError)
    assert "needs about 5.0 GiB of memory, and a worker may take 4.0 GiB" in ended[4].reason
    assert [path.name for path in tmp_path.iterdir()] == ["2-0"]


def test_large_tasks_wait_for_a_machine_of_their_own() -> None:
    tasks = [
        (name, Need(gib * GIB)) for name, gib in (("small", 2), ("share", 4), ("large", 5), ("whole", 8), ("no", 9))
    ]
    found = shifts(tasks, share_bytes=4 * GIB, whole_bytes=8 * GIB)
    assert [name for name, _ in found.together] == ["small", "share"]
    assert [name for name, _ in found.alone] == ["large", "whole"]
    assert [name for name, _ in found.refused] == ["no"]


def test_another_version_does_no_work(tmp_path: Path) -> None:
    value, error = carried_out(functools.partial(halved, tmp_path), 4, "0.0.0")
    assert value is None
    assert "0.0.0 sent it work" in str(error)
    assert not list(tmp_path.iterdir())


def test_children_have_their_share_of_the_cores_and_this_process_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with children_have(thread_variables(3)):
        assert {os.environ[name] for name in THREAD_VARIABLES} == {"3"}
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ


def test_workers_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "available_cpus", lambda: 7)
    assert [cores.threads_of_each(workers) for workers in (1, 2, 3, 9)] == [7, 3, 2, 1]


def test_without_dask_one_worker_works_and_two_name_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "distributed" else found(name))
    for place in (Place(), Place(workers=1)):
        with opened_crew(place) as crew:
            assert ended_of(crew, tmp_path, [8])[8].value == 4
    for place in (Place(workers=2), Place("local"), Place("slurm"), Place("tcp://127.0.0.1:1")):
        with pytest.raises(ParameterError, match=r'pip install "malibu\[cluster\]"'), opened_crew(place):
            pass


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "127.0.0.1:1", "locale", "http://127.0.0.1:1"])
def test_a_wrong_address_is_told_at_once(address: str) -> None:
    pytest.importorskip("distributed")
    with (
        pytest.raises(RemoteError, match=r"no Dask scheduler answers at .*dask scheduler"),
        opened_crew(Place(address)),
    ):
        pass


def test_slurm_needs_an_address_that_others_reach() -> None:
    pytest.importorskip("dask_jobqueue")
    with pytest.raises(ParameterError, match="--listen ADDRESS"), opened_crew(Place("slurm", workers=2)):
        pass


@pytest.mark.parametrize("cluster", [None, "local"])
def test_workers_of_this_machine_are_reached_by_nobody_else(cluster: str | None) -> None:
    pytest.importorskip("distributed")
    place = Place(cluster, workers=2, listen="0.0.0.0")
    with pytest.raises(ParameterError, match="leave --listen out"), opened_crew(place):
        pass


def seen_by_worker(number: int) -> tuple[int, int, str]:
    """Process, threads that libraries may have, and its listening sockets."""
    listening = {one.laddr.ip for one in psutil.Process().net_connections() if one.status == psutil.CONN_LISTEN}
    if number == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid(), available_cpus(), " ".join(sorted(listening))


def test_two_processes_work_on_loopback_with_their_share_and_one_that_dies_is_told() -> None:
    dask = pytest.importorskip("dask")
    pytest.importorskip("distributed")
    dying_once = {"distributed.scheduler.allowed-failures": 0}  # each new process takes seconds
    with dask.config.set(dying_once), opened_crew(Place("local", workers=2, threads=1)) as crew:
        assert crew.dashboard is not None
        assert "://127.0.0.1:" in crew.dashboard
        own = {one.laddr.ip for one in psutil.Process().net_connections() if one.status == psutil.CONN_LISTEN}
        ended = {one.task: one for one in crew.run(seen_by_worker, range(9))}
        large = [one.value for one in crew.run(seen_by_worker, [5], lambda task: Need(int(0.6 * Place().memory_bytes)))]
    assert own == {"127.0.0.1"}
    seen = [one.value for task, one in ended.items() if task]
    assert {(threads, listening) for _, threads, listening in seen} == {(1, "127.0.0.1")}
    assert os.getpid() not in {process for process, _, _ in seen}
    assert "its worker died, 1 times in all; most often memory is short" in ended[0].reason
    assert large[0] is not None
