"""Training of the networks for spatial factors: what is minimised and judged; a killed training goes on alike."""

from pathlib import Path

import lightning
import numpy as np
import pytest
import torch

from nets.architectures.registry import build
from nets.data.pair_files import Pair, write_pair
from nets.data.pairs import PairsData
from nets.inference.spatial_factor import SpatialFactorNetwork
from nets.training.spatial_factor import SpatialFactorTraining
from nets.weights import load_weights
from tests.support.pairs import fill, random_pair
from tests.support.recipes import QUIET, RECIPES, exported, log_of, run_in, shrunk
from tests.support.replays import ROOT

RECIPE = ROOT / "configs/train/multitasking_mdcn.yaml"


def test_overfitting_one_pair_lowers_the_loss_ten_times() -> None:
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
    kill = "--trainer.callbacks+=tests.nets.training.test_spatial_factor.KillInThirdEpoch"
    folders = tmp_path / "whole", tmp_path / "cut"
    for folder in folders:
        folder.mkdir()
        arguments = [*shrunk(RECIPE, folder), "--model.steps=24"]
        if folder.name == "whole":
            run_in(folder, arguments)
            continue
        with pytest.raises(KilledError):
            run_in(folder, [*arguments, kill])
        run_in(folder, [*arguments, f"--ckpt_path=runs/{RECIPE.stem}/checkpoints/last.ckpt"])
    whole, resumed = (log_of(folder, RECIPE.stem) for folder in folders)
    assert len(whole["step"]) == 4
    assert resumed == whole
    first, second = (load_weights(exported(folder, RECIPE.stem)).network.state_dict() for folder in folders)
    for name, value in first.items():
        assert torch.equal(second[name], value)


class KilledError(Exception):
    """Stands for the power cut."""


class KillInThirdEpoch(lightning.Callback):
    """Stops a training in the middle of its third epoch."""

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: object) -> None:
        if trainer.current_epoch == 2:
            raise KilledError


def small(**options: object) -> SpatialFactorTraining:
    torch.manual_seed(3)
    network = {"rank": 4, "growth": 3, "blocks": 1, "start": "random"}
    training = SpatialFactorTraining(network=network, **options)  # type: ignore[arg-type]
    training.log = lambda *_, **__: None  # type: ignore[method-assign,assignment]
    return training


@pytest.mark.parametrize(("l1_scale", "l2_scale"), [(0.3, 0.7), (0.3, 0.0), (0.0, 0.7), (0.0, 0.0)])
def test_what_is_minimised_is_l1_plus_the_penalty_at_its_scales(l1_scale: float, l2_scale: float) -> None:
    training, (shown, label) = small(l1_scale=l1_scale, l2_scale=l2_scale), torch.randn(2, 1, 8, 10, 10)
    found = training.training_step((shown, label), 0)
    weights = torch.cat([weight.flatten() for weight in training.network.parameters()])
    penalty = l1_scale * weights.abs().mean() + l2_scale * weights.square().mean()
    expected = (training.network(shown) - label).abs().mean() + penalty
    assert float(found) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("own", [False, True])
def test_validation_judges_what_is_trained_and_what_inference_gives(tmp_path: Path, own: bool) -> None:
    """``val_l1`` of the normalisation that the training has; ``val_nrmse`` of what the exported network does."""
    (tmp_path / "pairs").mkdir()
    recipe = next(path for path in RECIPES if path.stem == "multitasking_mdcn_paper")
    arguments = [*shrunk(recipe, tmp_path), "--model.steps=3", f"--data.own_label_statistics={str(own).lower()}"]
    for split, first in (("train", 100), ("validation", 200)):
        for number in range(first, first + (3 if split == "train" else 1)):
            pair = random_pair(seed=number)
            label = 3 * pair.back_projection + 0.1 * pair.label
            write_pair(
                tmp_path / f"pairs/{split}/simulated-{number:06d}-0.h5",
                Pair(pair.back_projection, label, pair.attributes),
            )
    run_in(tmp_path, arguments)
    path = exported(tmp_path, recipe.stem)
    loaded = load_weights(path)
    data = PairsData(str(tmp_path / "pairs"), own_label_statistics=own, rank=4)
    ((shown, label, _),) = data.val_dataloader()
    with torch.no_grad():
        expected = float((loaded.network(shown) - label).abs().mean())
    assert loaded.card.metrics["val_l1"] == pytest.approx(expected, rel=1e-4)
    assert float(label.std(correction=0)) == pytest.approx(1.0 if own else 3.0, rel=0.05)
    whole = random_pair(seed=200)
    restored = SpatialFactorNetwork(path)(torch.from_numpy(whole.back_projection)).numpy()
    true = 3 * whole.back_projection + 0.1 * whole.label
    error = np.linalg.norm(restored - true) / np.linalg.norm(true)
    assert loaded.card.metrics["val_nrmse"] == pytest.approx(float(error), rel=1e-3)
    of_input = np.linalg.norm(whole.back_projection - true) / np.linalg.norm(true)
    assert loaded.card.metrics["val_input_nrmse"] == pytest.approx(float(of_input), rel=1e-3)
    assert loaded.card.preprocessing["label_statistics"]["deviation_ratio"] == pytest.approx(
        3.0 if own else 1.0, rel=0.05
    )


def test_a_network_that_learned_labels_of_their_own_scale_gives_them_back_at_theirs(tmp_path: Path) -> None:
    """Labels are 3 times their input: each by its own statistics, they are equal, and the identity is right."""
    fill(tmp_path / "pairs")
    for split, number in (("train", 100), ("train", 101), ("train", 102), ("validation", 200)):
        shown = random_pair(seed=number).back_projection
        write_pair(tmp_path / f"pairs/{split}/simulated-{number:06d}-0.h5", Pair(shown, 3 * shown, {"subject": "s"}))
    recipe = next(path for path in RECIPES if path.stem == "multitasking_mdcn_paper")
    settings = ["--model.steps=1", "--model.learning_rate=0.0", "--model.weights=null", "--data.folder=pairs"]
    network = "--model.network={rank: 4, growth: 4, blocks: 1, start: identity}"
    run_in(tmp_path, [f"--config={recipe}", *QUIET, "--data.rank=4", network, *settings])
    network_of = SpatialFactorNetwork(exported(tmp_path, recipe.stem))
    maps = torch.from_numpy(random_pair(seed=7).back_projection)
    remainder = torch.view_as_real(network_of(maps) - 3 * maps)
    assert float(remainder.std()) < 1e-3, "but for the mean, which differs from scan to scan"
    assert float(remainder.mean().abs()) < 0.3
    assert network_of.card.metrics["val_nrmse"] < 0.05


def test_training_starts_from_given_weights(tmp_path: Path) -> None:
    arguments = [*shrunk(RECIPE, tmp_path), "--model.steps=2", "--model.learning_rate=0.0"]
    run_in(tmp_path, arguments)
    before, after = (load_weights(path) for path in (tmp_path / "start.safetensors", exported(tmp_path, RECIPE.stem)))
    for name, value in before.network.state_dict().items():
        assert torch.allclose(after.network.state_dict()[name], value, rtol=1e-3, atol=1e-6)
    assert after.card.training_data.endswith("; label: truth; before that: none")
