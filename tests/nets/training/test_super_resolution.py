"""Training of super-resolution networks: every YAML two steps, turns and strengths step by step, GANs' gradients."""

import os
from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import given, strategies as st

from nets.architectures.discriminators import Discriminator, DiscriminatorConfig
from nets.architectures.registry import build
from nets.data import SPLITS
from nets.data.volume_files import Volume, write_volume
from nets.training.__main__ import main
from nets.training.adversarial import GanTraining, gradient_penalty
from nets.training.domain_figure import principal_positions, separability
from nets.training.losses import measured_error
from nets.training.schedules import Turns, cosine
from nets.weights import ModelCard, card_config, load_weights, save_weights
from tests.support.replays import ROOT

RECIPES = ROOT / "configs/train"
VOXELWISE, ADVERSARIAL = sorted(RECIPES.glob("sr_*.yaml")), sorted(RECIPES.glob("gan_*.yaml"))
SMALL = {
    "mdcsrn": {"blocks": 2, "units": 1, "growth": 2},
    "dcsrn": {"growth": 2, "units": 1},
    "rrdg": {"blocks": 1, "width": 4, "growth": 2},
}
QUIET = (
    "--trainer.accelerator=cpu",
    "--trainer.enable_progress_bar=false",
    "--trainer.enable_model_summary=false",
    "--data.workers=0",
    "--data.batch_size=1",
    "--data.patch=[16,16,16]",
    "--data.patches_per_volume=2",
    "--trainer.limit_train_batches=2",
)


def fill(folder: Path) -> Path:
    """Small volumes of two domains, one for each split."""
    for number, domain in enumerate(("coronary", "brain")):
        for split in SPLITS:
            place = folder / domain / split
            place.mkdir(parents=True)
            voxels = torch.rand(32, 33, 34, generator=torch.Generator().manual_seed(number)) + number
            write_volume(place / f"simulated-{domain}-000001.h5", Volume(voxels, {"domain": domain}))
    return folder


def small_weights(path: Path) -> Path:
    """An untrained first stage."""
    config = card_config("mdcsrn", SMALL["mdcsrn"])
    card = ModelCard("mdcsrn", config, "tests", "none", 0, preprocessing={"factors": [[4, 4, 1]]})
    save_weights(path, build("mdcsrn", SMALL["mdcsrn"]), card)
    return path


def run_in(folder: Path, arguments: list[str]) -> None:
    before = Path.cwd()
    folder.mkdir(exist_ok=True)
    os.chdir(folder)
    try:
        main(["fit", *arguments])
    finally:
        os.chdir(before)


def limits(config: Path) -> list[str]:
    return ["--trainer.max_epochs=1"] if "max_epochs" in config.read_text() else ["--trainer.max_steps=2"]


@pytest.mark.parametrize("config", VOXELWISE, ids=lambda path: path.stem)
def test_every_voxelwise_configuration_trains_two_steps(config: Path, tmp_path: Path) -> None:
    fill(tmp_path / "volumes")
    architecture = yaml.safe_load(config.read_text())["model"]["architecture"]
    arguments = [f"--config={config}", f"--model.network={SMALL[architecture]}", "--model.weights=null"]
    arguments += [*QUIET, *limits(config)]
    run_in(tmp_path, arguments)
    loaded = load_weights(tmp_path / f"runs/{config.stem}/{config.stem}.safetensors", architecture)
    assert loaded.card.preprocessing["factors"] == [[2, 2, 1] if "brain" in config.stem else [4, 4, 1]]
    assert loaded.card.training_data.startswith("2 volumes (2 simulated) of 2 domains")
    assert {"val_psnr", "val_input_psnr"} <= set(loaded.card.metrics)
    untrained = build(architecture, SMALL[architecture]).state_dict()
    assert any(not torch.equal(value, untrained[name]) for name, value in loaded.network.state_dict().items())


def test_a_recipe_may_come_in_parts_and_write_elsewhere(tmp_path: Path) -> None:
    fill(tmp_path / "volumes")
    (tmp_path / "more.yaml").write_text("seed_everything: 3\n")
    (tmp_path / "none.yaml").write_text("")
    config = VOXELWISE[0]
    arguments = [
        f"--config={config}",
        "--config=more.yaml",
        f"--model.network={SMALL['mdcsrn']}",
        "--model.weights=null",
    ]
    run_in(tmp_path, [*arguments, *QUIET, *limits(config), "--trainer.default_root_dir=elsewhere"])
    assert (tmp_path / f"elsewhere/{config.stem}.safetensors").is_file()
    assert (tmp_path / "elsewhere/checkpoints/last.ckpt").is_file()
    assert not (tmp_path / "runs").exists()
    for wrong, message in (("gone.yaml", "does not exist"), ("none.yaml", r"names the task '\(none\)'; set task to")):
        with pytest.raises(SystemExit, match=message):
            run_in(tmp_path, [f"--config={wrong}"])


@pytest.mark.parametrize("config", ADVERSARIAL, ids=lambda path: path.stem)
def test_every_adversarial_configuration_trains_two_steps(config: Path, tmp_path: Path) -> None:
    fill(tmp_path / "volumes")
    start = small_weights(tmp_path / "start.safetensors")
    settings = yaml.safe_load(config.read_text())["model"]
    judge = {**settings["discriminator_config"], "patch": [32, 32, 32], "width": 2, "hidden": 4}
    arguments = [
        f"--config={config}",
        f"--model.generator_config={SMALL['mdcsrn']}",
        f"--model.discriminator_config={judge}",
        f"--model.weights={start}",
        *([f"--model.first_stage={start}"] if settings.get("first_stage") else []),
        "--model.turns.warm_up=0",
        "--model.turns.per_generator=1",
        *QUIET,
        "--data.patch=[32,32,32]",
        *limits(config),
    ]
    run_in(tmp_path, arguments)
    run = tmp_path / "runs" / config.stem
    loaded, before = load_weights(run / f"{config.stem}.safetensors"), load_weights(start)
    changed = [n for n, v in loaded.network.state_dict().items() if not torch.equal(v, before.network.state_dict()[n])]
    assert changed
    assert loaded.card.preprocessing.get("stage") == (2 if settings.get("first_stage") else 1)
    header = (run / f"{config.stem}.csv").read_text().splitlines()[0]
    assert ("train_f_accuracy" in header) == (settings["gan"] == "dragan")
    assert (run / "domains.png").is_file() == (settings["gan"] == "dragan")


def test_turns_of_wgan_gp_step_by_step() -> None:
    turns = Turns(warm_up=3, per_generator=5, extra_every=2, extra=4)
    cycle = [False] * 4 + [True]
    assert [turns.trains_generator(step) for step in range(3 + 2 * 14)] == [False] * 3 + (cycle * 2 + [False] * 4) * 2


def test_domain_strength_rises_linearly_over_the_warm_up() -> None:
    turns = Turns(warm_up=10_000)
    assert [turns.domain_strength(step) for step in (0, 1, 2500, 5000, 10_000, 300_000)] == [0, 1e-4, 0.25, 0.5, 1, 1]
    assert not turns.trains_generator(9_999)
    assert turns.trains_generator(10_000)
    assert turns.trains_generator(10_001)


@given(st.integers(0, 50), st.integers(1, 6), st.integers(1, 20), st.integers(0, 30))
def test_generator_steps_in_a_cycle_are_as_many_as_asked(warm: int, per: int, every: int, extra: int) -> None:
    turns = Turns(warm, per, every, extra)
    cycle = every * per + extra
    taken = [turns.trains_generator(step) for step in range(warm, warm + 3 * cycle)]
    assert sum(taken) == 3 * every


def test_cosine_rises_and_falls_to_zero() -> None:
    factor = cosine(1000)
    assert factor(0) == pytest.approx(1 / 20, rel=1e-3)
    assert max(factor(step) for step in range(1000)) > 0.99
    assert factor(1000) == pytest.approx(0, abs=1e-12)


def test_gradient_penalty_of_a_linear_critic_is_known() -> None:
    """∇D = w everywhere, so the penalty is (‖w‖ − 1)²."""
    weight = torch.full((1, 1, 2, 2, 2), 0.75)
    critic = torch.nn.Module()
    critic.forward = lambda volume: (volume * weight).sum(dim=(1, 2, 3, 4))  # type: ignore[method-assign]
    real, generated = torch.randn(2, 3, 1, 2, 2, 2)
    assert float(gradient_penalty(critic, real, generated)) == pytest.approx((0.75 * 8**0.5 - 1) ** 2, rel=1e-5)


def test_generator_step_leaves_the_discriminator_alone_and_keeps_batch_statistics() -> None:
    training = GanTraining(
        "vanilla",
        generator_config=SMALL["mdcsrn"],
        discriminator="discriminator",
        discriminator_config={"patch": (16, 16, 16), "width": 2, "hidden": 4},
    )
    training.manual_backward = lambda loss: loss.backward()  # type: ignore[method-assign]
    training.log_dict = lambda *_, **__: None  # type: ignore[method-assign]
    before = {name: value.clone() for name, value in training.state_dict().items()}
    shown, label = torch.rand(2, 1, 1, 16, 16, 16)
    training.generator_step(torch.optim.SGD(training.network.parameters(), lr=0.1), training.generate(shown), label)
    after = training.state_dict()
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert "network.combine.weight" in changed
    assert not [name for name in changed if name.startswith("discriminator") or "running" in name]


def test_batch_norm_of_the_judges_sees_real_and_generated_patches_together() -> None:
    """Apart, each batch would be normalised to the same mean, and what tells them apart would be lost."""
    judge = {"patch": (16, 16, 16), "width": 2, "hidden": 4, "norm": "batch"}
    training = GanTraining("dragan", generator_config=SMALL["mdcsrn"], discriminator_config=judge)
    training.log = lambda *_, **__: None  # type: ignore[method-assign]
    real, generated = torch.rand(2, 2, 1, 16, 16, 16, generator=torch.Generator().manual_seed(1))
    losses = training.judges_losses(real, 3 * generated, torch.tensor([0.0, 1.0]), 1.0)
    verdict, domain = training.discriminator.judge(torch.cat([real, 3 * generated]), 1.0)
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    expected = bce(verdict[:2], torch.ones(2)) + bce(verdict[2:], torch.zeros(2))
    assert float(losses["d"]) == pytest.approx(float(expected), rel=1e-5)
    assert float(losses["f"]) == pytest.approx(float(bce(domain, torch.tensor([0.0, 1.0, 0.0, 1.0]))), rel=1e-5)
    apart = torch.cat([training.discriminator(volume) for volume in (real, 3 * generated)])
    assert not torch.allclose(apart, verdict, rtol=1e-3)


def test_error_among_measured_lines_is_weighed_and_that_beside_them_is_not() -> None:
    waves = torch.cos(torch.pi * torch.outer(torch.tensor([0.25, 0.75]), torch.arange(16.0)))
    inside, outside = (wave.reshape(1, 1, 16, 1, 1).expand(1, 1, 16, 8, 4) for wave in waves)
    factors = torch.tensor([[2.0, 1.0, 1.0]])
    assert float(measured_error(inside, factors)) == pytest.approx(float(inside.abs().mean()), rel=1e-4)
    assert float(measured_error(outside, factors)) < 1e-6
    both = measured_error(torch.cat([inside, outside]), torch.tensor([[2.0, 1, 1], [1, 2, 1]]))
    assert float(both) == pytest.approx(float((inside.abs().mean() + outside.abs().mean()) / 2), rel=1e-4)


def test_gan_and_discriminator_must_go_together() -> None:
    with pytest.raises(ValueError, match="does not go with"):
        GanTraining("vanilla", discriminator="dragan_discriminator")


def test_separability_of_features() -> None:
    features = torch.cat([torch.zeros(20, 3), torch.ones(20, 3)]) + 0.01 * torch.randn(40, 3)
    domain = torch.arange(40) // 20
    assert separability(features, domain) == 1
    positions = principal_positions(features)
    assert abs(float(positions[:20, 0].mean() - positions[20:, 0].mean())) == pytest.approx(3**0.5, rel=0.05)


def test_discriminator_patch_of_the_paper_is_accepted() -> None:
    with torch.device("meta"):
        Discriminator(DiscriminatorConfig(patch=(64, 80, 80), norm="batch"))
