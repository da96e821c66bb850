"""What Dask costs and gives: 60 tiny scans by one and by two workers, and 1,000 empty tasks of a tenth of a second.

``python -m tests.benchmarks.cluster [scans|tasks]``; each worker has one thread, and starts before the clock does.
"""

import dataclasses
import functools
import os
import sys
import tempfile
import time
from pathlib import Path

from gadgets.batch.batch_run import Watch, run_batch
from gadgets.batch.order import order_of
from gadgets.batch.results import opened_results
from gadgets.cluster.crew import Place, opened_crew
from gadgets.simulated.radial import write_simulation
from recon.simulation.chest import PRESETS, simulate_scan
from tests.support.replays import SHIPPED_XML

SCANS = 60
TASKS, TASK_S = 1000, 0.1
GOAL_RATIO, GOAL_OVERHEAD = 1.7, 0.05


def asleep(seconds: float, number: int) -> int:
    """Take a time that needs no core."""
    time.sleep(seconds)
    return number


def busy() -> str:
    """How busy the machine is: waiting processes, over the last minute."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def tiny_scans(folder: Path, count: int) -> list[Path]:
    """Scans of 4 s, 64 pixels and 4 coils, each of another subject."""
    protocol = dataclasses.replace(PRESETS["tiny"], duration_s=4.0)
    paths = [folder / f"scan{number}.h5" for number in range(count)]
    for number, path in enumerate(paths):
        write_simulation(simulate_scan(protocol, seed=number), path)
    return paths


def scans_by(workers: int, paths: list[Path], folder: Path) -> float:
    """Seconds of a batch, less those in which workers start and import."""
    order = order_of(SHIPPED_XML, {"reconstruction": "admm", "iterations": "6", "device": "cpu"})
    place = Place("local", workers=workers, threads=1)
    with opened_crew(place) as crew:
        for number in range(3):  # both workers have then imported and compiled what they need
            with opened_results(folder / f"warm{number}") as results:
                run_batch(paths[: 2 * workers], order, results, crew, Watch())
        began_s = time.perf_counter()
        with opened_results(folder / "results") as results:
            batch = run_batch(paths, order, results, crew, Watch())
        taken_s = time.perf_counter() - began_s
    assert len(batch.done) == len(paths), batch.failed
    return taken_s


def compare_scans() -> None:
    """Print how much faster two workers are."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = tiny_scans(folder, SCANS)
        seconds = {}
        for workers in (1, 2):
            before = busy()
            seconds[workers] = scans_by(workers, paths, folder / f"by{workers}")
            print(f"{SCANS} scans by {workers} workers: {seconds[workers]:.1f} s ({before}, then {busy()})", flush=True)
    print(f"two workers are {seconds[1] / seconds[2]:.2f} times as fast (goal: {GOAL_RATIO})")


def compare_tasks() -> None:
    """Print what the scheduler costs."""
    with opened_crew(Place("local", workers=2, threads=1)) as crew:
        list(crew.run(functools.partial(asleep, 0.0), range(20)))
        before, began_s = busy(), time.perf_counter()
        done = sum(1 for _ in crew.run(functools.partial(asleep, TASK_S), range(TASKS)))
        taken_s = time.perf_counter() - began_s
    ideal_s = TASKS * TASK_S / 2
    print(f"{done} tasks of {TASK_S} s by 2 workers: {taken_s:.2f} s, without a scheduler {ideal_s:.0f} s ({before})")
    print(f"the scheduler costs {100 * (taken_s / ideal_s - 1):.1f} % (goal: {100 * GOAL_OVERHEAD:.0f} %)")


if __name__ == "__main__":
    for name, benchmark in {"tasks": compare_tasks, "scans": compare_scans}.items():
        if sys.argv[1:] in ([], [name]):
            benchmark()
