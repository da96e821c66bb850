"""What a training leaves: the weights that were asked for, their card, and the log."""

import csv
from pathlib import Path

import pytest
import torch

from nets.training.export import draw_log, write_log
from nets.weights import load_weights
from tests.support.kept_training import KeepTraining
from tests.support.recipes import QUIET, exported, fill_volumes, log_of, run_in, save_start

RECIPE = """
run: {{name: chosen, monitor: {monitor}, mode: {mode}, best: {best}, half: {half}, start_share: {share}}}
seed_everything: 1
model:
  class_path: nets.training.super_resolution.SuperResolutionTraining
  init_args:
    network: {{blocks: 2, units: 1, growth: 2, norm: none}}
    learning_rate: {rate}
    steps: 6
    weights: {weights}
data:
  class_path: nets.data.volumes.VolumesData
  init_args: {{folders: [volumes/brain], patch: [16, 16, 16], batch_size: 1, degradations: [], augmentations: []}}
"""


def train(folder: Path, **values: object) -> KeepTraining:
    """Six epochs of one step each."""
    if not (folder / "volumes").exists():
        fill_volumes(folder / "volumes")
    given = {
        "monitor": "val_l1",
        "mode": "min",
        "best": True,
        "half": False,
        "share": 0.0,
        "rate": 0.3,
        "weights": "null",
    }
    (folder / "chosen.yaml").write_text(RECIPE.format(**{**given, **values}))
    keep = "--trainer.callbacks+=tests.support.kept_training.KeepTraining"
    run_in(folder, ["--config=chosen.yaml", *QUIET, keep])
    assert KeepTraining.last is not None
    return KeepTraining.last


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, second[name]) for name, value in first.items())


@pytest.mark.parametrize(("monitor", "mode"), [("val_l1", "min"), ("val_psnr", "max"), ("val_l1", "max")])
def test_the_best_epoch_is_that_of_the_least_or_greatest_figure(tmp_path: Path, monitor: str, mode: str) -> None:
    """The rate is so great that errors rise and fall: the best epoch is neither the last nor the worst."""
    kept = train(tmp_path, monitor=monitor, mode=mode)
    figures = log_of(tmp_path, "chosen")[monitor]
    assert len(figures) == 6
    best = figures.index(min(figures) if mode == "min" else max(figures))
    assert max(figures) - min(figures) > 0.2 * abs(min(figures))
    loaded = load_weights(exported(tmp_path, "chosen"))
    assert [same(epoch, loaded.network.state_dict()) for epoch in kept.epochs].index(True) == best
    assert loaded.card.metrics["step"] == best + 1
    assert loaded.card.metrics[monitor] == pytest.approx(figures[best], rel=1e-4)
    assert f"{'least' if mode == 'min' else 'greatest'} {monitor}" in loaded.card.chosen
    assert f"of 6 validations, of step {best + 1}" in loaded.card.chosen


def test_checkpoints_are_read_without_running_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []
    load = torch.load
    monkeypatch.setattr(
        torch, "load", lambda *files, **options: given.append(options.get("weights_only")) or load(*files, **options)
    )
    train(tmp_path)
    assert given
    assert set(given) == {True}


def test_the_last_weights_are_those_of_the_last_step(tmp_path: Path) -> None:
    kept = train(tmp_path, best=False)
    loaded, log = load_weights(exported(tmp_path, "chosen")), log_of(tmp_path, "chosen")
    assert same(kept.epochs[-1], loaded.network.state_dict())
    assert not same(kept.epochs[-2], loaded.network.state_dict())
    assert loaded.card.chosen == "the last weights, of step 6"
    assert log["step"] == [1, 2, 3, 4, 5, 6]
    assert loaded.card.metrics["val_l1"] == pytest.approx(log["val_l1"][-1], rel=1e-4)


def test_half_precision_is_asked_for(tmp_path: Path) -> None:
    kept = train(tmp_path, best=False, half=True, rate=1e-3)
    loaded = load_weights(exported(tmp_path, "chosen")).network.state_dict()
    assert same({name: value.half().float() for name, value in kept.epochs[-1].items()}, loaded)
    assert not same(kept.epochs[-1], loaded)


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_a_share_of_the_start_is_mixed_in_and_validated_as_such(tmp_path: Path, share: float) -> None:
    from nets.architectures.registry import build
    from nets.weights import ModelCard, card_config, save_weights

    config = {"blocks": 2, "units": 1, "growth": 2, "norm": "none"}
    torch.manual_seed(4)
    card = ModelCard("mdcsrn", card_config("mdcsrn", config), "tests", "what came before", 0)
    save_weights(tmp_path / "start.safetensors", build("mdcsrn", config), card)
    kept = train(tmp_path, best=False, share=share, weights=tmp_path / "start.safetensors")
    before, after = load_weights(tmp_path / "start.safetensors"), load_weights(exported(tmp_path, "chosen"))
    for name, value in after.network.state_dict().items():
        mixed = share * before.network.state_dict()[name] + (1 - share) * kept.epochs[-1][name]
        assert torch.allclose(value, mixed, atol=1e-6)
    last = log_of(tmp_path, "chosen")["val_l1"][-1]
    assert after.card.metrics["val_l1"] != pytest.approx(last, rel=1e-3), "they are validated once more"
    assert after.card.chosen == f"the last weights, with a share of {share} of those at the start, of step 6"
    assert after.card.training_data.endswith("; before that: what came before")


def test_batch_statistics_are_those_of_a_whole_epoch_and_in_the_card_if_of_the_patch(tmp_path: Path) -> None:
    fill_volumes(tmp_path / "volumes")
    start = save_start(tmp_path / "start.safetensors", "mdcsrn")
    text = (
        RECIPE.replace(", norm: none", "")
        .replace("[16, 16, 16]", "[64, 64, 64]")
        .replace("steps: 6", "steps: 3\n    batch_statistics: {statistics}")
    )
    given = {"monitor": "val_l1", "mode": "min", "half": False, "share": 0.0, "rate": 1e-3}
    means, figures = {}, {}
    for statistics, best in (("stored", False), ("patch", False), ("stored", True)):
        (tmp_path / "chosen.yaml").write_text(text.format(**given, best=best, weights=start, statistics=statistics))
        keep = "--trainer.callbacks+=tests.support.kept_training.KeepTraining"
        run_in(tmp_path, ["--config=chosen.yaml", *QUIET, keep])
        loaded = load_weights(exported(tmp_path, "chosen"))
        assert loaded.card.preprocessing["batch_statistics"] == statistics
        kept = KeepTraining.last
        with torch.no_grad():
            features = loaded.network.stem(kept.batch[0])
        name = "body.blocks.0.units.0.0.running_mean"
        means[statistics, best] = loaded.network.state_dict()[name] - features.mean(dim=(0, 2, 3, 4))
        figures[statistics] = loaded.card.metrics["val_l1"]
    assert max(float(mean.abs().max()) for mean in means.values()) < 1e-4, "one patch is the whole epoch"
    assert figures["stored"] != pytest.approx(figures["patch"], rel=1e-4)


def test_weights_that_half_precision_cannot_hold_are_written_in_full(tmp_path: Path, caplog) -> None:
    from nets.architectures.registry import build
    from nets.weights import ModelCard, card_config, save_weights

    config = {"blocks": 2, "units": 1, "growth": 2, "norm": "none"}
    network = build("mdcsrn", config)
    torch.nn.init.constant_(network.combine.bias, 1e6)
    card = ModelCard("mdcsrn", card_config("mdcsrn", config), "tests", "none", 0)
    save_weights(tmp_path / "start.safetensors", network, card)
    train(tmp_path, best=False, half=True, rate=0.0, weights=tmp_path / "start.safetensors")
    assert float(load_weights(exported(tmp_path, "chosen")).network.combine.bias) == 1e6
    assert "half precision cannot hold the weights" in caplog.text


def test_a_training_goes_on_as_the_recipe_says_now_and_not_beyond_its_end(tmp_path: Path) -> None:
    train(tmp_path, best=False)
    text = (tmp_path / "chosen.yaml").read_text()
    resume = ["--config=chosen.yaml", *QUIET, "--ckpt_path=runs/chosen/checkpoints/last.ckpt"]
    before = load_weights(exported(tmp_path, "chosen")).network.state_dict()
    run_in(tmp_path, resume)
    after = load_weights(exported(tmp_path, "chosen"))
    assert same(before, after.network.state_dict())
    assert after.card.metrics["step"] == 6
    (tmp_path / "chosen.yaml").write_text(text.replace("steps: 6", "steps: 9"))
    run_in(tmp_path, resume)
    assert log_of(tmp_path, "chosen")["step"] == list(range(1, 10))


def test_a_log_is_a_line_for_each_epoch_and_a_picture(tmp_path: Path) -> None:
    rows = [
        {"epoch": 0, "step": 5, "train_loss": 1 / 3},
        {"epoch": 1, "step": 10, "train_loss": 0.25, "val_psnr": 20.0},
    ]
    write_log(tmp_path / "log.csv", rows)
    with (tmp_path / "log.csv").open() as file:
        read = list(csv.DictReader(file))
    assert read[0] == {"epoch": "0", "step": "5", "train_loss": "0.333333", "val_psnr": ""}
    assert read[1] == {"epoch": "1", "step": "10", "train_loss": "0.25", "val_psnr": "20"}
    draw_log(tmp_path / "log.png", rows)
    draw_log(tmp_path / "empty.png", rows[:1])
    assert (tmp_path / "log.png").stat().st_size > (tmp_path / "empty.png").stat().st_size
