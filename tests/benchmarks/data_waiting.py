"""Share of the time that trainings wait for data, on the device that is there, from tiny networks to the papers'.

    python -m tests.benchmarks.data_waiting --workers 0 4

Random pairs and volumes of the sizes that the recipes take are written to a temporary folder. The first epoch, which
reads them, and starts the workers, is left out. The device is synchronised after each step, so that a wait is time in
which it had nothing to do; without that, part of the wait would pass while it computes: the share is an upper limit.
"""

import argparse
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch

from nets.data.pair_files import Pair, write_pair
from nets.data.volume_files import Volume, write_volume
from nets.training.__main__ import main as train

RECIPES = Path(__file__).parents[2] / "configs/train"


@dataclass(frozen=True)
class Case:
    """A recipe, and what of it is made smaller."""

    recipe: str
    options: tuple[str, ...] = ()
    size: str = "as the recipe"
    on_cpu: bool = True


CASES = (
    Case("multitasking_mdcn", ("--model.network={growth: 32, blocks: 1}",), "tiny: one block, 96x96"),
    Case("multitasking_mdcn", (), "shipped: k=32, 4 blocks, 96x96"),
    Case("multitasking_mdcn_paper", (), "paper: k=128, 8 blocks, 160x160", on_cpu=False),
    Case("sr_plain_l1", ("--model.network={blocks: 1, units: 1, growth: 4, fold: [4, 4, 2]}",), "tiny: 96x112x12"),
    Case("sr_plain_l1", (), "shipped: b3u3, k=16, 96x112x12"),
    Case("sr_mdcsrn_paper", (), "paper: 40x40x40", on_cpu=False),
)


class Waits(lightning.Callback):
    """Times waits and steps from the second epoch on, and ends the training after some."""

    waited = worked = 0.0
    counted = 0

    def __init__(self) -> None:
        Waits.waited = Waits.worked = 0.0
        Waits.counted = 0
        self._mark = 0.0

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        self._mark = 0.0

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        now = time.perf_counter()
        if trainer.current_epoch and self._mark:
            Waits.waited += now - self._mark
        self._mark = now

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if pl_module.device.type == "cuda":
            torch.cuda.synchronize()
        now = time.perf_counter()
        if trainer.current_epoch and batch_idx:
            Waits.worked += now - self._mark
            Waits.counted += 1
            trainer.should_stop = Waits.counted >= 2 * trainer.num_training_batches
        self._mark = now


def write_data(folder: Path, count: int) -> None:
    """Pairs and volumes, an epoch's batches of each."""
    rng = np.random.default_rng(0)
    for first, (split, files) in enumerate((("train", count), ("validation", 1), ("test", 1))):
        (folder / "pairs" / split).mkdir(parents=True)
        for number in range(100 * first, 100 * first + files):
            maps = rng.standard_normal((2, 32, 160, 160, 2), dtype=np.float32).view(np.complex64)[..., 0]
            path = folder / "pairs" / split / f"simulated-{split}{number}-0.h5"
            write_pair(path, Pair(maps[0], maps[1], {"subject": "s", "label": "truth"}))
            for domain in ("coronary", "brain"):
                target = folder / "volumes" / domain / split / f"simulated-{domain}-{number:06d}.h5"
                target.parent.mkdir(parents=True, exist_ok=True)
                write_volume(target, Volume(torch.rand(96, 112, 48), {"domain": domain}))


def measured(case: Case, folder: Path, workers: int, accelerator: str, count: int) -> tuple[float, float]:
    """Share of the time that is waited, and milliseconds of a step."""
    arguments = [
        "fit",
        f"--config={RECIPES / case.recipe}.yaml",
        f"--data.workers={workers}",
        f"--trainer.accelerator={accelerator}",
        "--trainer.enable_progress_bar=false",
        "--trainer.enable_model_summary=false",
        "--trainer.limit_val_batches=0",
        f"--trainer.limit_train_batches={count}",
        "--trainer.callbacks+=tests.benchmarks.data_waiting.Waits",
        "--model.weights=null",
        "--model.steps=100000",
        "--run.best=false",
        "--run.monitor=train_loss",
        *case.options,
    ]
    before = Path.cwd()
    os.chdir(folder)
    try:
        train(arguments)
    finally:
        os.chdir(before)
    return Waits.waited / (Waits.waited + Waits.worked), 1e3 * Waits.worked / Waits.counted


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 4])
    parser.add_argument("--recipes", nargs="+", default=[], help="Some of the recipes.")
    given = parser.parse_args(arguments)
    for name in ("lightning.pytorch", "lightning.fabric", "nets"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    gpu = torch.cuda.is_available()
    print(f"{torch.cuda.get_device_name() if gpu else 'CPU'}, {os.cpu_count()} cores", flush=True)
    print(f"{'recipe':26}{'size':36}{'workers':>8}{'ms a step':>11}{'waited':>8}")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        count = 12 if gpu else 4  # a step of the shipped networks takes seconds on CPUs
        write_data(folder, count)
        for case in [case for case in CASES if not given.recipes or case.recipe in given.recipes]:
            for workers in given.workers if gpu or case.on_cpu else ():
                share, step = measured(case, folder, workers, "gpu" if gpu else "cpu", count)
                print(f"{case.recipe:26}{case.size:36}{workers:8}{step:11.1f}{100 * share:7.1f}%", flush=True)


if __name__ == "__main__":
    from tests.benchmarks.data_waiting import main as run  # Lightning imports Waits by this name

    run()
