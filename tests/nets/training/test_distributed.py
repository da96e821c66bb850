"""Two processes learn what one learns from the same batches together."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nets.weights import load_weights
from tests.support.recipes import exported, shrunk
from tests.support.replays import ROOT

RECIPE = ROOT / "configs/train/multitasking_mdcn.yaml"
FIT = ("-m", "nets.training", "fit")
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", *FIT)


def ran(folder: Path, program: tuple[str, ...], batch_size: int, *options: str) -> Path:
    """Train 6 epochs of 3 steps: 3 pairs, 4 crops of each."""
    folder.mkdir()
    arguments = [*shrunk(RECIPE, folder), f"--data.batch_size={batch_size}", "--data.crops_per_pair=4"]
    command = [sys.executable, *program, *arguments, "--model.steps=18", "--run.half=false", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return exported(folder, RECIPE.stem)


@pytest.mark.slow
def test_two_processes_give_the_loss_and_weights_of_one_with_their_batches_together(tmp_path: Path) -> None:
    """torchrun, DDP, gloo: the same up to the order in which float32 gradients are summed."""
    one = ran(tmp_path / "one", FIT, 4)
    two = ran(tmp_path / "two", TORCHRUN, 2, "--trainer.strategy=ddp", "--trainer.devices=2")
    start = load_weights(tmp_path / "one/start.safetensors").network.state_dict()
    first, second = (load_weights(path).network.state_dict() for path in (one, two))
    for name, value in first.items():
        learned = float((value - start[name]).norm())
        assert learned > 0
        assert float((second[name] - value).norm()) < 1e-3 * learned
    logs = []
    for path in (one, two):
        with path.with_suffix(".csv").open() as file:
            logs.append([(int(row["step"]), float(row["train_loss"])) for row in csv.DictReader(file)])
    assert [step for step, _ in logs[0]] == [step for step, _ in logs[1]] == [3, 6, 9, 12, 15, 18]
    losses = [torch.tensor([loss for _, loss in log]) for log in logs]
    assert torch.allclose(*losses, rtol=1e-4)
    assert losses[0][-1] < losses[0][0]
