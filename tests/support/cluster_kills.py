"""Kills a worker, the scheduler or the client of a batch at a random moment, and sees that no result suffers.

``make cluster-kills`` kills 30 times; the suite does so once for each.
"""

import random
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.support.batches import content_of, short_scans
from tests.support.cluster_processes import Client, LoopbackCluster, kill

VICTIMS = ("worker", "client", "scheduler")

SCANS = 4


@dataclass(frozen=True)
class Killing:
    """What came of one killing.

    Attributes
    ----------
    victim : str
    finished : int
        Results that were there when it was killed, or soon after.
    codes : (int, int)
        Exit codes of the run that saw it, and of the one after it.
    seconds : float
    """

    victim: str
    finished: int
    codes: tuple[int, int]
    seconds: float


def reference_of(folder: Path, cluster: LoopbackCluster) -> dict[str, object]:
    """Results of a batch that nobody disturbs, by name."""
    code, said = Client(folder / "scans", folder / "reference", cluster.address).ended()
    assert code == 0, said
    return {path.name: content_of(path) for path in _results(folder / "reference")}


def survive(
    folder: Path, out: Path, cluster: LoopbackCluster, victim: str, reference: dict[str, object], chance: random.Random
) -> Killing:
    """Begin a batch, kill, run it again, and compare with the results of an undisturbed one.

    Raises
    ------
    AssertionError
        If a finished result was lost or made again, if one is missing or differs, or if something was left behind.
    """
    began_s = time.monotonic()
    cluster.start()
    first = Client(folder / "scans", out, cluster.address)
    awaited, further_s = chance.randrange(SCANS), chance.uniform(0.0, 0.15)
    while len(_results(out)) < awaited and first.process.is_alive():
        time.sleep(0.01)
    time.sleep(further_s)
    killed = {"worker": chance.choice(cluster.workers), "client": first.process, "scheduler": cluster.scheduler}[victim]
    assert killed is not None
    kill(killed)
    code, said = first.ended()
    if victim == "worker":
        assert code == 0, said
    elif victim == "scheduler" and code:  # 0: it had done all before
        assert code == 1, said
        assert "is gone" in said or "no Dask scheduler answers" in said, said
    before = {path: _identity(path) for path in _results(out)}
    cluster.start()
    again, said = Client(folder / "scans", out, cluster.address).ended()
    assert again == 0, said
    assert {path: _identity(path) for path in before} == before, "a finished result was made again"
    assert {path.name: content_of(path) for path in _results(out)} == reference
    assert not [*out.glob(".work-*"), *out.glob(".gone-*"), *out.glob(".malibu-*")]
    return Killing(victim, len(before), (code, again), time.monotonic() - began_s)


def _results(folder: Path) -> list[Path]:
    return sorted(folder.glob("scan-*.h5"))


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


def main(count: int, seed: int) -> None:
    """Kill so many times, each victim by turns, and print what came of it."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        short_scans(folder / "scans", SCANS)
        with LoopbackCluster(folder) as cluster:
            reference = reference_of(folder, cluster)
            for number in range(count):
                victim = VICTIMS[number % len(VICTIMS)]
                came = survive(folder, folder / f"out{number}", cluster, victim, reference, chance)
                print(
                    f"{number + 1}: {victim} killed, {came.finished} of {SCANS} results were finished and stayed; "
                    f"exit {came.codes[0]}, then {came.codes[1]} ({came.seconds:.0f} s)",
                    flush=True,
                )
    print(f"{count} killings, no finished result lost, none made twice (seed {seed})")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time()))
