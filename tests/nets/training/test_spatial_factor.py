"""Training end to end on tiny data: every YAML, learning, resuming, exporting."""

import csv
import os
from pathlib import Path

import lightning
import pytest
import torch
import yaml

from nets.architectures.registry import build
from nets.training.__main__ import main
from nets.training.losses import weight_penalty
from nets.weights import load_weights
from tests.support.pairs import fill
from tests.support.replays import ROOT

YAMLS = sorted((ROOT / "configs/train").glob("multitasking_*.yaml"))
SMALL = {
    "mdcn": "{rank: 4, growth: 4, blocks: 2}",
    "dense_unet": "{inputs: 8, outputs: 8, growth: 4, units: 2, levels: 2}",
}


TWO_STEPS = "--trainer.max_epochs=1", "--trainer.limit_train_batches=2", "--data.crops_per_pair=4", "--data.workers=0"


def fit(folder: Path, run: Path, config: Path, *arguments: str) -> dict[str, list[float]]:
    """Train as the configuration says, but a small network on small data, with ``run`` as the working directory."""
    architecture = yaml.safe_load(config.read_text())["model"]["architecture"]
    run.mkdir(exist_ok=True)
    before = Path.cwd()
    os.chdir(run)
    try:
        main(
            [
                "fit",
                f"--config={config}",
                f"--data.folder={folder}",
                f"--model.network={SMALL[architecture]}",
                "--model.weights=null",
                "--data.rank=4",
                "--trainer.accelerator=cpu",
                "--trainer.enable_progress_bar=false",
                "--trainer.enable_model_summary=false",
                *arguments,
            ]
        )
    finally:
        os.chdir(before)
    with exported(run, config).with_suffix(".csv").open() as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in rows[0]}


def exported(run: Path, config: Path) -> Path:
    return run / "runs" / config.stem / f"{config.stem}.safetensors"


@pytest.mark.parametrize("config", YAMLS, ids=lambda path: path.stem)
def test_every_configuration_trains_two_steps(config: Path, tmp_path: Path) -> None:
    log = fit(fill(tmp_path / "pairs"), tmp_path / "run", config, *TWO_STEPS)
    assert log["step"] == [2]
    assert torch.isfinite(torch.tensor(log["val_nrmse"])).all()
    loaded = load_weights(exported(tmp_path / "run", config))
    assert loaded.card.training_data.startswith("3 slices of 3 subjects (3 simulated)")
    assert (tmp_path / "run/runs" / config.stem / "checkpoints/last.ckpt").is_file()
    assert list((tmp_path / "run/runs" / config.stem).glob("tensorboard/*/events*"))
    assert loaded.card.seed == yaml.safe_load(config.read_text())["data"]["seed"]


def test_overfitting_one_pair_lowers_the_loss_ten_times(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build("mdcn", {"rank": 2, "growth": 16, "blocks": 2, "dilations": (1, 2)})
    shown, label = torch.randn(2, 1, 4, 10, 10)
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    losses = []
    for _ in range(300):
        loss = torch.nn.functional.l1_loss(network(shown), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert min(losses) < 0.1 * losses[0]


def test_resumed_training_has_the_same_loss_curve(tmp_path: Path) -> None:
    """Killed after two of four epochs: the rest is what it would have been, to the last bit of the log."""
    folder, config = fill(tmp_path / "pairs"), ROOT / "configs/train/multitasking_mdcn.yaml"
    epochs = "--trainer.max_epochs=4"
    whole = fit(folder, tmp_path / "whole", config, epochs)
    cut = tmp_path / "cut"
    kill = "--trainer.callbacks+=tests.nets.training.test_spatial_factor.KillInThirdEpoch"
    with pytest.raises(KilledError):
        fit(folder, cut, config, epochs, kill)
    resumed = fit(folder, cut, config, epochs, f"--ckpt_path=runs/{config.stem}/checkpoints/last.ckpt")
    assert resumed == whole
    first, second = (load_weights(exported(tmp_path / run, config)) for run in ("whole", "cut"))
    for name, value in first.network.state_dict().items():
        assert torch.equal(second.network.state_dict()[name], value)


class KilledError(Exception):
    """Stands for the power cut."""


class KillInThirdEpoch(lightning.Callback):
    """Stops a training in the middle of its third epoch."""

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: object) -> None:
        if trainer.current_epoch == 2:
            raise KilledError


def test_weight_penalty_is_the_mean_over_all_weights() -> None:
    network = build("srcnn", {"first": 2, "second": 2})
    for weight in network.parameters():
        torch.nn.init.constant_(weight, -2.0)
    assert float(weight_penalty(network, 1.0, 0.0)) == pytest.approx(2.0)
    assert float(weight_penalty(network, 0.0, 1.0)) == pytest.approx(4.0)


def test_training_starts_from_given_weights(tmp_path: Path) -> None:
    config = ROOT / "configs/train/multitasking_mdcn.yaml"
    folder, first, second = fill(tmp_path / "pairs"), tmp_path / "first", tmp_path / "second"
    fit(folder, first, config, *TWO_STEPS)
    given = f"--model.weights={exported(first, config)}"
    fit(folder, second, config, *TWO_STEPS, given, "--model.learning_rate=0.0")
    before, after = (load_weights(exported(run, config)) for run in (first, second))
    for name, value in before.network.state_dict().items():
        assert torch.equal(after.network.state_dict()[name], value)
    assert after.card.training_data == f"{before.card.training_data}; before that: {before.card.training_data}"


def test_refined_weights_are_the_mean_of_both_parts_and_validated_as_such(tmp_path: Path) -> None:
    config = ROOT / "configs/train/multitasking_mdcn_refined.yaml"
    folder, first, second = fill(tmp_path / "pairs"), tmp_path / "first", tmp_path / "second"
    fit(folder, first, config, *TWO_STEPS)
    log = fit(folder, second, config, *TWO_STEPS, f"--model.weights={exported(first, config)}")
    before, after = (load_weights(exported(run, config)) for run in (first, second))
    checkpoint = second / "runs" / config.stem / "checkpoints/last.ckpt"
    trained = torch.load(checkpoint, weights_only=True)["state_dict"]
    for name, value in after.network.state_dict().items():
        mean = 0.5 * before.network.state_dict()[name] + 0.5 * trained[f"network.{name}"]
        assert torch.allclose(value, mean, rtol=2e-3, atol=1e-6)
        assert not torch.allclose(value, trained[f"network.{name}"], rtol=1e-6, atol=0)
    assert after.card.metrics["val_l1"] != pytest.approx(log["val_l1"][0], rel=1e-6)
    assert "a share of 0.5" in after.card.training_data
