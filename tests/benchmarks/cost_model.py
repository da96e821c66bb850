"""The cost model of docs/scaling.md against real runs: ``python tests/benchmarks/cost_model.py FOLDER``.

Simulates scans of several sizes, replays each in a process of its own, learns from some and is checked on the others.
Core-seconds are what the process used, whoever else had the machine. With ``--batch 2 4``, `malibu batch` does the
smallest scan's copies with so many workers, beside what runs of one worker on fewer copies and on all of them foretell.
"""

import argparse
import dataclasses
import json
import logging
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py

from gadgets.configuration import configuration_of
from gadgets.evaluation.scaling.batch_cost import BatchCost
from gadgets.evaluation.scaling.costs import Cost, Run, ScanSizes, fit, from_operators
from gadgets.evaluation.scaling.fleet import fleet_for
from gadgets.files import complete_file
from gadgets.mrd.files import ScanFile
from gadgets.mrd.headers.roles import is_flagged
from gadgets.mrd.replay import Progress, configuration_message, hosted, replay
from gadgets.simulated.radial import write_simulation
from recon.simulation.chest import PRESETS, simulate_scan
from recon.threads import available_cpus

BATCHED = (64, 4, 12)  # matrix, coils, seconds
SIZES = {  # matrix, coils, seconds, rank
    "learned": [(64, 4, 24, 32), (96, 4, 30, 16), (96, 8, 40, 32), (128, 6, 30, 24)],
    "checked": [(64, 8, 30, 16), (112, 4, 30, 32), (128, 8, 40, 32), (160, 8, 60, 32)],
}
MIB = 2**20


def scan_of(folder: Path, matrix: int, coils: int, duration_s: float) -> Path:
    path = folder / f"scan-{matrix}-{coils}-{duration_s}.h5"
    if not path.exists():
        sizes = {"matrix": matrix, "samples": 2 * matrix, "coils": coils, "duration_s": float(duration_s)}
        write_simulation(
            simulate_scan(dataclasses.replace(PRESETS["standard"], **sizes, truth_interval_ms=5000.0), 1), path
        )
    return path


class CoreSeconds(logging.Handler):
    """Notes what the process used between the lines of its stages."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = {"start": time.process_time()}
        self.before_s = time.process_time()

    def emit(self, record: logging.LogRecord) -> None:
        name = str(record.args[0]) if record.args else "start"
        now_s = time.process_time()
        self.seconds[name] = self.seconds.get(name, 0.0) + now_s - self.before_s
        self.before_s = now_s


def one(scan: Path, output: Path, rank: int, settings: dict[str, str]) -> None:
    """Replay a scan in this process, and write what it took."""
    from gadgets.multitasking.gadget import MultitaskingGadget
    from tests.support.replays import SHIPPED_XML

    handler, stages = CoreSeconds(), logging.getLogger("recon.stages")
    stages.setLevel(logging.INFO)
    stages.addHandler(handler)
    element = configuration_of(SHIPPED_XML, "MultitaskingGadget")
    message = configuration_message(element, {"rank": str(rank), "device": "cpu"} | settings)
    with ScanFile(scan) as file, hosted(MultitaskingGadget()) as sock:
        replay(file, output, message, sock, 600.0, Progress())
    handler.seconds["end"] = time.process_time() - handler.before_s
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"core_s": handler.seconds, "peak_bytes": peak, "image_bytes": output.stat().st_size}))


def measured(folder: Path, sizes: tuple[int, int, float, int], settings: list[str]) -> Run:
    matrix, coils, duration_s, rank = sizes
    scan = scan_of(folder, matrix, coils, duration_s)
    kept = scan.with_name(f"run-{matrix}-{coils}-{duration_s}-{rank}-{'-'.join(settings)}.json")
    if not kept.exists():
        command = [sys.executable, __file__, str(folder), "--one", str(scan), "--rank", str(rank), "--set", *settings]
        run = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
        with complete_file(kept) as partial:
            partial.write_text(run.stdout.splitlines()[-1])
    with ScanFile(scan) as file:
        navigators = int(is_flagged(file.heads(), "ACQ_IS_NAVIGATION_DATA").sum())
        imaging = len(file.heads()) - navigators - int(is_flagged(file.heads(), "ACQ_IS_NOISE_MEASUREMENT").sum())
    found = json.loads(kept.read_text())
    core_s = found.pop("core_s")
    both = [core_s.pop(stage) for stage in ("coil maps", "temporal basis") if stage in core_s]
    if both:
        core_s["coil maps and temporal basis"] = sum(both)
    return Run(ScanSizes(matrix, 2 * matrix, coils, imaging, navigators, rank), core_s, **found)


def row(what: str, run: Run, cost: Cost) -> str:
    sizes, total = run.sizes, sum(run.core_s.values())
    return (
        f"| {what} | {sizes.matrix}² | {sizes.coils} | {sizes.readouts:,} | {sizes.rank} "
        f"| {cost.total_core_s:.1f} | {total:.1f} | {cost.total_core_s / total - 1:+.0%} "
        f"| {cost.peak_bytes / MIB:,.0f} | {run.peak_bytes / MIB:,.0f} "
        f"| {cost.image_bytes / MIB:.1f} | {run.image_bytes / MIB:.1f} |"
    )


def children_s() -> float:
    """Core-seconds of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def copies_of(scan: Path, count: int) -> list[Path]:
    """Copies that differ in one byte of their last sample, so that a batch does each."""
    many = scan.with_name("many")
    many.mkdir(exist_ok=True)
    paths = [many / f"scan-{number}.h5" for number in range(count)]
    for number, path in enumerate(paths):
        if not path.exists():
            with complete_file(path) as partial:
                partial.write_bytes(scan.read_bytes())
                with h5py.File(partial, "r+") as file:
                    last = file["dataset/data"][-1]
                    last["data"][0] += number
                    file["dataset/data"][-1] = last
    return paths


def batch_of(scans: list[Path], workers: int, settings: list[str]) -> tuple[float, float]:
    """Core-seconds and seconds of `malibu batch`."""
    with tempfile.TemporaryDirectory(dir=scans[0].parent) as output:
        words = ["batch", *map(str, scans), "-o", output, "--device", "cpu", "--workers", str(workers)]
        words += [word for setting in settings for word in ("--set", setting)]
        began_s, before_s = time.monotonic(), children_s()
        command = [sys.executable, "-c", "from gadgets.cli import main; main()", *words]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return children_s() - before_s, time.monotonic() - began_s


def batch_rows(scan: Path, copies: int, workers: list[int], settings: list[str]) -> None:
    """What one worker teaches of a batch, and batches of several beside it."""
    scans = copies_of(scan, copies)
    alone = {count: batch_of(scans[:count], 1, settings) for count in (1, copies // 4, copies // 2, copies)}
    cost = BatchCost.learned({count: core_s for count, (core_s, _) in alone.items()})
    print(f"\na process {cost.start_s:.1f} core-s, a scan {cost.scan_s:.1f} core-s")
    print("| workers | scans | core-s | measured | seconds | measured |\n" + "| --- " * 6 + "|")
    runs = [(1, count, *took) for count, took in alone.items()]
    runs += [(count, copies, *batch_of(scans, count, settings)) for count in workers if count > 1]
    for count, length, used_s, took_s in runs:
        whole_s = cost.makespan_s(length, count, available_cpus())
        print(
            f"| {count} | {length} | {cost.core_s(length, count):.0f} | {used_s:.0f} | {whole_s:.0f} | {took_s:.0f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--one", type=Path)
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--operators", type=Path, help="JSON of malibu benchmark --operators")
    parser.add_argument("--batch", type=int, nargs="*", default=[], metavar="WORKERS")
    parser.add_argument("--copies", type=int, default=12)
    given = parser.parse_args()
    settings = dict(text.split("=", 1) for text in given.set)
    given.folder.mkdir(exist_ok=True)
    if given.one:
        one(given.one, given.one.with_name("images.h5"), given.rank, settings)
        return
    runs = {kind: [measured(given.folder, sizes, given.set) for sizes in listed] for kind, listed in SIZES.items()}
    model = fit(runs["learned"])
    print("| | matrix | coils | readouts | rank | core-s | measured | | MiB | measured | images | measured |")
    print("| --- " * 12 + "|")
    for kind in ("learned", "checked"):
        for run in runs[kind]:
            print(row(kind, run, model.estimate(run.sizes)))
    largest = runs["checked"][-1]
    cost = model.estimate(largest.sizes)
    by_operators = {}
    if given.operators:
        by_operators = from_operators(json.loads(given.operators.read_text()), available_cpus(), largest.sizes)
    print("\n| stage of the last | core-s | measured | by the operators |\n| --- | --- | --- | --- |")
    for name, seconds in cost.core_s.items():
        other = f"{by_operators[name]:.1f}" if name in by_operators else ""
        took = f"{largest.core_s[name]:.1f}" if name in largest.core_s else "not done"
        print(f"| {name} | {seconds:.1f} | {took} | {other} |")
    print(fleet_for(fit(runs["learned"] + runs["checked"]).estimate(largest.sizes), 10_000))
    if given.batch:
        batch_rows(scan_of(given.folder, *BATCHED), given.copies, given.batch, given.set)


if __name__ == "__main__":
    main()
