"""What SPADE's players minimise, where gradients flow, and that its recipes do what they say."""

from pathlib import Path

import pytest
import torch
import yaml

from nets.architectures.registry import build
from nets.data.organs.labelled_files import LabelledVolume, write_labelled
from nets.inference.organs.synthesis import SliceSynthesis
from nets.training.organs.spade_training import SpadeTraining, outliner
from nets.training.organs.synthesis_losses import (
    critic_hinge,
    divergence,
    feature_distance,
    generator_hinge,
    level_distance,
)
from nets.weights import ModelCard, WeightsError, card_config, load_weights, save_weights
from tests.support.recipes import QUIET, exported, log_of, run_in
from tests.support.replays import ROOT

RECIPES = sorted((ROOT / "configs/train").glob("spade*.yaml"))
GENERATOR = {"classes": 3, "width": 2, "blocks": (2, 2, 1), "hidden": 4, "latent": 4, "start": (2, 2)}
CRITIC = {"width": 2, "layers": 2}
OUTLINER = {"inputs": 2, "outputs": 6, "growth": 2, "units": 1, "levels": 2}
ORGANS = ("background", "left kidney", "right kidney")


def verdicts(*values: float) -> list[list[torch.Tensor]]:
    """One scale for each value, a layer of 7 before it."""
    return [[torch.full((2, 3, 4, 4), 7.0), torch.full((2, 1, 2, 2), value)] for value in values]


def test_the_critic_wants_real_above_one_and_generated_below_minus_one() -> None:
    assert float(critic_hinge(verdicts(1.0), verdicts(-1.0))) == 0
    assert float(critic_hinge(verdicts(5.0), verdicts(-5.0))) == 0, "beyond the margin nothing is gained"
    assert float(critic_hinge(verdicts(0.5), verdicts(-1.0))) == pytest.approx(0.5)
    assert float(critic_hinge(verdicts(1.0), verdicts(0.25))) == pytest.approx(1.25)
    assert float(critic_hinge(verdicts(-1.0), verdicts(1.0))) == pytest.approx(4)
    assert float(critic_hinge(verdicts(0.0, 1.0), verdicts(-1.0, -1.0))) == pytest.approx(0.5), "mean over scales"


def test_the_generator_wants_verdicts_without_bound() -> None:
    assert float(generator_hinge(verdicts(3.0))) == -3
    assert float(generator_hinge(verdicts(-2.0, 1.0))) == pytest.approx(0.5)


def test_features_are_matched_but_for_the_verdict() -> None:
    one, same = verdicts(1.0, 2.0), verdicts(-5.0, 9.0)
    assert float(feature_distance(one, same)) == 0
    same[0][0] = same[0][0] + 0.5
    assert float(feature_distance(one, same)) == pytest.approx(0.25), "mean over scales"
    deep = [[torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 1, 1), torch.zeros(1)]]
    other = [[torch.ones(1, 1, 2, 2), torch.full((1, 1, 1, 1), -2.0), torch.zeros(1)]]
    assert float(feature_distance(deep, other)) == pytest.approx(3), "added over layers"
    real, made = (torch.rand(1, 2, 3, 3, requires_grad=True) for _ in range(2))
    feature_distance([[real, real]], [[made, made]]).backward()
    assert real.grad is None
    assert made.grad.abs().sum() > 0


def test_levels_are_compared_in_shares_of_what_they_are() -> None:
    real = [torch.full((1, 2, 4, 4), 4.0), torch.full((1, 3, 2, 2), -0.01)]
    assert float(level_distance(real, real)) == 0
    assert float(level_distance(real, [real[0] * 1.5, real[1] * 0])) == pytest.approx((0.5 + 1) / 2)
    made = [level.clone().requires_grad_() for level in real]
    known = [level.clone().requires_grad_() for level in real]
    level_distance(known, [2 * level for level in made]).backward()
    assert all(level.grad is None for level in known)
    assert all(level.grad is not None for level in made)


def test_divergence_is_that_of_normal_distributions() -> None:
    mean = torch.tensor([[0.5, -1.0], [0.0, 2.0]])
    deviation = torch.tensor([[1.0, 2.0], [0.5, 1.5]])
    standard = torch.distributions.Normal(0.0, 1.0)
    expected = torch.distributions.kl_divergence(torch.distributions.Normal(mean, deviation), standard)
    assert float(divergence(mean, 2 * deviation.log())) == pytest.approx(float(expected.sum(dim=1).mean()), rel=1e-5)


def training(**settings: object) -> SpadeTraining:
    torch.manual_seed(4)
    made = SpadeTraining(network=GENERATOR | settings.pop("network", {}), critic=CRITIC, **settings)  # type: ignore[operator,arg-type]
    made.log_dict = lambda *_, **__: None  # type: ignore[method-assign,assignment]
    return made


def batch_of(count: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(6)
    labels = torch.randint(0, 3, (count, 16, 16), generator=generator)
    maps = torch.nn.functional.one_hot(labels, 3).movedim(-1, 1).float()
    return maps, (labels[:, None].float() - 1) * 0.8 + 0.1 * torch.rand(count, 1, 16, 16, generator=generator)


def graded(module: torch.nn.Module) -> list[bool]:
    return [weight.grad is not None and bool(weight.grad.abs().sum() > 0) for weight in module.parameters()]


def test_the_critic_s_loss_does_not_reach_the_generator() -> None:
    made = training()
    maps, image = batch_of()
    generated, _ = made.generate(maps, image)
    made.critic_loss(maps, image, generated).backward()
    assert not any(graded(made.network))
    assert all(any(graded(scale)) for scale in made.critic.scales)


@pytest.mark.parametrize("style", [False, True])
def test_all_of_the_generator_learns(style: bool) -> None:
    made = training(network={"style": style}, matching_weight=10.0)
    maps, image = batch_of()
    generated, distance = made.generate(maps, image)
    losses = made.generator_losses(maps, image, generated)
    (sum(losses.values()) + distance).backward()
    learning = dict(zip((name for name, _ in made.network.named_parameters()), graded(made.network), strict=True))
    assert all(learning.values()), [name for name, learns in learning.items() if not learns]
    assert (float(distance) > 0) == style


def test_losses_have_their_signs_and_weights() -> None:
    maps, image = batch_of()
    made = training(matching_weight=3.0)
    generated, _ = made.generate(maps, image)
    losses = made.generator_losses(maps, image, generated)
    pairs = [torch.cat([maps, each], dim=1) for each in (image, generated)]
    real, fake = (made.critic.features(pair) for pair in pairs)
    assert float(losses["adversarial"]) == pytest.approx(float(generator_hinge(fake)), rel=1e-4)
    assert float(losses["adversarial"]) == pytest.approx(-float(made.critic(pairs[1]).mean()), rel=1e-4)
    assert float(losses["matching"]) == pytest.approx(3 * float(feature_distance(real, fake)), rel=1e-4)
    assert set(losses) == {"adversarial", "matching"}
    assert float(made.critic_loss(maps, image, generated)) == pytest.approx(float(critic_hinge(real, fake)), rel=1e-4)
    assert float(made.generator_losses(maps, image, image)["matching"]) == 0


def outlines(path: Path, architecture: str = "alamo", config: dict | None = None) -> Path:
    torch.manual_seed(2)
    values = OUTLINER if config is None else config
    card = ModelCard(architecture, card_config(architecture, values), "tests", "none", 0)
    save_weights(path, build(architecture, values), card)
    return path


def test_features_of_an_outliner_are_compared_on_the_real_slice_s_scale(tmp_path: Path) -> None:
    made = training(segmentation=str(outlines(tmp_path / "alamo.safetensors")), perceptual_weight=2.0)
    maps, image = batch_of()
    assert float(made.generator_losses(maps, image, image)["perceptual"]) == 0
    generated = made.generate(maps, image)[0]
    losses = made.generator_losses(maps, image, generated)
    scale = [(image.mean((1, 2, 3), keepdim=True), image.std((1, 2, 3), keepdim=True))] * 2
    stacks = [((each - m) / s).repeat(1, 2, 1, 1) for each, (m, s) in zip((image, generated), scale, strict=True)]
    network = outliner(tmp_path / "alamo.safetensors")
    levels = [network.encoded(stack) for stack in stacks]
    assert [len(level) for level in levels] == [2, 2]
    assert float(losses["perceptual"]) == pytest.approx(2 * float(level_distance(*levels)), rel=1e-4)
    losses["perceptual"].backward()
    assert not any(graded(made.judge)), "it judges, and does not learn"
    assert any(graded(made.network))
    with pytest.raises(WeightsError, match="holds weights of dwan; segmentation takes those of alamo"):
        outliner(outlines(tmp_path / "d.safetensors", "dwan", {"width": 2, "wide": 2}))


def test_players_have_the_printed_rates() -> None:
    first, second = training().configure_optimizers()
    made = training()
    assert (first.defaults["lr"], second.defaults["lr"]) == (1e-4, 4e-4)
    assert first.defaults["betas"] == second.defaults["betas"] == (0.0, 0.9)
    counts = [sum(len(group["params"]) for group in optimiser.param_groups) for optimiser in (first, second)]
    assert counts == [len(list(made.network.parameters())), len(list(made.critic.parameters()))]
    assert (made.matching_weight, made.perceptual_weight, made.style_weight) == (10, 10, 0.05)


def fill(folder: Path) -> Path:
    for number, split in enumerate(("train", "validation", "test")):
        (folder / split).mkdir(parents=True)
        generator = torch.Generator().manual_seed(number)
        labels = torch.randint(0, 3, (6, 20, 20), generator=generator).to(torch.uint8)
        labels[0] = 0
        voxels = 200 * labels.float() + 20 * torch.rand(6, 20, 20, generator=generator)
        volume = LabelledVolume(voxels, labels, ORGANS, (3.0, 3.0, 3.0), {"seed": number})
        write_labelled(folder / split / f"simulated-abdomen-{number:06d}.h5", volume)
    return folder


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_recipes_learn_in_two_steps_resume_and_export(recipe: Path, tmp_path: Path) -> None:
    settings = yaml.safe_load(recipe.read_text())
    assert settings["run"]["name"] == recipe.stem
    assert "last weights are kept" in " ".join(recipe.read_text().replace("\n# ", " ").split())
    assert not settings["run"]["best"]
    steps = settings["model"]["init_args"]["steps"]
    assert f"{steps:,} steps" in recipe.read_text()
    arguments = [
        f"--config={recipe}", *QUIET, f"--model.network={GENERATOR | {'blocks': [2, 2, 1], 'start': [2, 2]}}",
        f"--model.critic={CRITIC}", "--data.patch=[16,16]", "--data.batch_size=1",
        f"--data.folders=[{fill(tmp_path / 'volumes')}]",
    ]  # fmt: skip
    run_in(tmp_path, [*arguments, "--model.steps=2"])
    weights = exported(tmp_path, recipe.stem)
    card = load_weights(weights, "spade").card
    assert "of step 2" in card.chosen
    assert card.preprocessing["organs"] == list(ORGANS)
    assert card.preprocessing["ceiling"] == settings["data"]["init_args"].get("ceiling", "99.9th percentile")
    assert 0.6 < card.preprocessing["least_labelled_share"] < 0.7
    log = log_of(tmp_path, recipe.stem)
    assert log["step"][-1] == 2
    assert {"train_adversarial", "train_matching", "train_d", "val_l1"} <= set(log)
    before = load_weights(weights).network.state_dict()
    if recipe.stem == "spade":
        last = tmp_path / f"runs/{recipe.stem}/checkpoints/last.ckpt"
        run_in(tmp_path, [*arguments, "--model.steps=3", f"--ckpt_path={last}"])
        after = load_weights(weights).network.state_dict()
        assert "of step 3" in load_weights(weights).card.chosen
        assert any(not torch.equal(before[name], after[name]) for name in before)
    assert SliceSynthesis(weights).organs == ORGANS


def test_a_generator_learns_what_labels_look_like(tmp_path: Path) -> None:
    """After some steps, each label's mean intensity is nearer to its own: the map is not ignored."""
    made = training(generator_rate=5e-3, critic_rate=5e-3)
    optimisers = made.configure_optimizers()
    made.optimizers = lambda: optimisers  # type: ignore[method-assign,assignment]
    made.manual_backward = lambda loss: loss.backward()  # type: ignore[method-assign,assignment]
    maps, image = batch_of(4)
    before = float(made.judged((maps, image))["l1"])
    for number in range(60):
        made.training_step((maps, image), number)
    assert made.steps_done == 60
    assert float(made.judged((maps, image))["l1"]) < 0.6 * before
