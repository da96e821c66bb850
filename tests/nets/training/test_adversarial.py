"""GANs step by step: signs, weights, rates and labels of each player, against numbers by hand."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from nets.architectures.discriminators import Discriminator, DiscriminatorConfig
from nets.training.adversarial import GanTraining, gradient_penalty
from nets.training.domain_figure import principal_positions, separability
from nets.weights import load_weights, save_weights
from tests.support.recipes import SMALL, save_start

JUDGE = {"patch": (16, 16, 16), "width": 2, "hidden": 4}
NAMES = {"vanilla": "discriminator", "wgan_gp": "discriminator", "dragan": "dragan_discriminator"}
REAL, GENERATED = torch.rand(2, 2, 1, 16, 16, 16, generator=torch.Generator().manual_seed(1))


def training_of(gan: str, norm: str = "none", **options: Any) -> GanTraining:
    """A small training whose log is a dictionary, and that steps without a trainer."""
    torch.manual_seed(2)
    judge = {**JUDGE, "norm": norm}
    options = {"generator_config": SMALL["mdcsrn"] | {"start": "random"}, **options}
    training = GanTraining(gan, discriminator=NAMES[gan], discriminator_config=judge, **options)  # type: ignore[arg-type]
    for weight in training.discriminator.parameters():
        if weight.ndim > 1:
            nn.init.kaiming_normal_(weight, 0.2)
    training.logged = {}  # type: ignore[assignment]
    training.log = lambda name, value, **_: training.logged.__setitem__(name, float(value))  # type: ignore
    training.log_dict = lambda values, **_: training.logged.update({n: float(v) for n, v in values.items()})  # type: ignore
    training.manual_backward = lambda loss: loss.backward()  # type: ignore[method-assign]
    return training


def verdicts(training: GanTraining, volumes: Tensor) -> Tensor:
    with torch.no_grad():
        return training.discriminator(volumes)


def test_critics_loss_is_what_it_gives_generated_more_than_real_and_ten_times_the_penalty() -> None:
    training = training_of("wgan_gp")
    torch.manual_seed(7)
    losses = training.judges_losses(REAL, GENERATED, torch.zeros(2), 1.0)
    torch.manual_seed(7)
    penalty = gradient_penalty(training.discriminator, REAL, GENERATED)
    of_real, of_generated = verdicts(training, REAL), verdicts(training, GENERATED)
    assert float(losses["critic"]) == pytest.approx(float(of_generated.mean() - of_real.mean()), rel=1e-4, abs=1e-6)
    assert float(losses["penalty"]) == pytest.approx(10 * float(penalty), rel=1e-5)
    assert set(losses) == {"critic", "penalty"}
    training = training_of("wgan_gp", penalty_weight=3.0)
    torch.manual_seed(7)
    losses = training.judges_losses(REAL, GENERATED, torch.zeros(2), 1.0)
    assert float(losses["penalty"]) == pytest.approx(3 * float(penalty), rel=1e-5)


@pytest.mark.parametrize("gan", ["vanilla", "wgan_gp", "dragan"])
def test_a_step_of_the_judge_tells_real_from_generated_better(gan: str) -> None:
    training = training_of(gan, discriminator_rate=1e-3, penalty_weight=0.0)
    judges = training.configure_optimizers()[1:]
    before = verdicts(training, REAL).mean() - verdicts(training, GENERATED).mean()
    for _ in range(3):
        training._judges_step(judges, REAL, GENERATED, torch.zeros(2), 0.0)
    assert float(verdicts(training, REAL).mean() - verdicts(training, GENERATED).mean()) > float(before)


def test_two_sided_loss_wants_one_for_real_and_zero_for_generated() -> None:
    """−ln σ(D(real)) − ln(1 − σ(D(generated))), which is softplus(−D) + softplus(D)."""
    training = training_of("vanilla")
    (loss,) = training.judges_losses(REAL, GENERATED, torch.zeros(2), 1.0).values()
    expected = softplus(-verdicts(training, REAL)).mean() + softplus(verdicts(training, GENERATED)).mean()
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)


def test_f_learns_the_number_of_the_domain_of_real_and_generated() -> None:
    training = training_of("dragan")
    domain = torch.tensor([0.0, 1.0])
    losses = training.judges_losses(REAL, GENERATED, domain, 1.0)
    with torch.no_grad():
        features = training.discriminator.shared(torch.cat([REAL, GENERATED]))
        logits = training.discriminator.feature(features)
    expected = torch.stack([softplus(logits[0]), softplus(-logits[1]), softplus(logits[2]), softplus(-logits[3])])
    assert float(losses["f"]) == pytest.approx(float(expected.mean()), rel=1e-5)
    right = ((logits > 0).float() == torch.tensor([0.0, 1.0, 0.0, 1.0])).float().mean()
    assert training.logged["train_f_accuracy"] == pytest.approx(float(right))


def test_batch_norm_of_the_judges_sees_real_and_generated_patches_together() -> None:
    """Apart, each batch would be normalised to the same mean, and what tells them apart would be lost."""
    training = training_of("dragan", norm="batch")
    losses = training.judges_losses(REAL, 3 * GENERATED, torch.tensor([0.0, 1.0]), 1.0)
    verdict, domain = training.discriminator.judge(torch.cat([REAL, 3 * GENERATED]), 1.0)
    expected = softplus(-verdict[:2]).mean() + softplus(verdict[2:]).mean()
    assert float(losses["d"]) == pytest.approx(float(expected), rel=1e-5)
    signs = torch.tensor([1.0, -1.0, 1.0, -1.0])
    assert float(losses["f"]) == pytest.approx(float(softplus(signs * domain).mean()), rel=1e-5)
    apart = torch.cat([training.discriminator(volume) for volume in (REAL, 3 * GENERATED)])
    assert not torch.allclose(apart, verdict, rtol=1e-3)


@pytest.mark.parametrize("gan", ["vanilla", "wgan_gp", "dragan"])
def test_generator_minimises_l1_plus_lambda_times_what_the_judge_says_against_it(gan: str) -> None:
    """Its gradient is that of L1 + λ_a A with A = −D (WGAN) or −ln σ(D) (others), on its own output alone."""
    training = training_of(gan, adversarial_weight=0.3)
    shown, label = REAL, GENERATED
    found = torch.autograd.grad(_generator_loss(training, shown, label), training.generated, retain_graph=True)[0]
    generated = training.generated.detach().requires_grad_()
    verdict = training.discriminator(generated)
    against = -verdict.mean() if gan == "wgan_gp" else softplus(-verdict).mean()
    expected = torch.autograd.grad((generated - label).abs().mean() + 0.3 * against, generated)[0]
    assert torch.allclose(found, expected, atol=1e-9, rtol=1e-4)
    assert training.logged["train_loss"] == pytest.approx(float((generated - label).abs().mean()), rel=1e-5)
    assert training.logged["train_adversarial"] == pytest.approx(float(against), rel=1e-4)


def _generator_loss(training: GanTraining, shown: Tensor, label: Tensor) -> Tensor:
    """What a generator step hands to the backward pass."""
    losses: list[Tensor] = []
    training.manual_backward = losses.append  # type: ignore[method-assign,assignment]
    training.generated = training.generate(shown)  # type: ignore[assignment]
    training.generator_step(torch.optim.SGD(training.network.parameters(), lr=0.0), training.generated, label)
    return losses[0]


@pytest.mark.parametrize("gan", ["vanilla", "wgan_gp", "dragan"])
def test_a_step_of_the_generator_raises_the_judges_verdict(gan: str) -> None:
    training = training_of(gan, adversarial_weight=1e4)
    optimizer = torch.optim.SGD(training.network.parameters(), lr=1e-6)
    before = verdicts(training, training.generate(REAL)).mean()
    training.generator_step(optimizer, training.generate(REAL), GENERATED)
    assert float(verdicts(training, training.generate(REAL)).mean()) > float(before)


@pytest.mark.parametrize("columns", ["thin", "srgan"])
def test_a_step_of_wangs_second_stage_goes_down_the_slope_of_its_patch_critic(columns: str) -> None:
    """By as much as the slope says. Wang's D is minus this critic, which gives real patches more; so D falls."""
    torch.manual_seed(2)
    critic = {"width": 2, "columns": columns}
    training = GanTraining(
        "wgan_gp", "rrdg", SMALL["rrdg"], discriminator="patch_critic", discriminator_config=critic,
        adversarial_weight=1e6,
    )  # fmt: skip
    for weight in (*training.discriminator.parameters(), *training.network.parameters()):
        if weight.ndim > 1:
            nn.init.kaiming_normal_(weight, 0.2)
    training.log_dict = lambda *_, **__: None  # type: ignore[method-assign,assignment]
    training.manual_backward = lambda loss: loss.backward()  # type: ignore[method-assign]
    weights = list(training.network.parameters())
    before = -training.discriminator(training.generate(REAL)).mean()
    slope = torch.autograd.grad(before, weights)
    steep = sum(float(part.square().sum()) for part in slope)
    rate = 1e-3 * abs(float(before)) / steep
    training.generator_step(torch.optim.SGD(weights, lr=rate / 1e6), training.generate(REAL), GENERATED)
    after = -verdicts(training, training.generate(REAL)).mean()
    assert float(after) < float(before)
    assert float(before - after) == pytest.approx(rate * steep, rel=0.2)


def test_generator_step_leaves_the_discriminator_alone_and_keeps_batch_statistics() -> None:
    training = training_of("vanilla", norm="batch")
    before = {name: value.clone() for name, value in training.state_dict().items()}
    training.generator_step(torch.optim.SGD(training.network.parameters(), lr=0.1), training.generate(REAL), GENERATED)
    after = training.state_dict()
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert "network.combine.weight" in changed
    assert not [
        name for name in changed if name.startswith("discriminator") and "running" not in name and "num" not in name
    ]
    assert not [name for name in changed if name.startswith("network") and "running" in name]
    assert all(weight.requires_grad for weight in training.discriminator.parameters()), "it learns again afterwards"
    assert all(weight.grad is None for weight in training.discriminator.parameters())


@pytest.mark.parametrize("gan", ["vanilla", "wgan_gp", "dragan"])
def test_each_player_learns_at_its_own_rate_and_all_of_it(gan: str) -> None:
    training = training_of(gan, generator_rate=1e-3, discriminator_rate=1e-4, feature_rate=1e-5)
    generator, discriminator, *feature = training.configure_optimizers()
    assert [each.param_groups[0]["lr"] for each in (generator, discriminator, *feature)] == [1e-3, 1e-4, 1e-5][
        : 2 + len(feature)
    ]
    assert len(feature) == (gan == "dragan")
    betas = (0.0, 0.9) if gan == "wgan_gp" else (0.9, 0.999)
    assert {each.param_groups[0]["betas"] for each in (generator, discriminator, *feature)} == {betas}

    def of(optimizer: torch.optim.Optimizer) -> set[int]:
        return {id(weight) for group in optimizer.param_groups for weight in group["params"]}

    assert of(generator) == {id(weight) for weight in training.network.parameters()}
    judges = set().union(*(of(each) for each in (discriminator, *feature)))
    assert judges == {id(weight) for weight in training.discriminator.parameters()}
    if gan == "dragan":
        assert of(feature[0]) == {id(weight) for weight in training.discriminator.feature.parameters()}
        assert not of(feature[0]) & of(discriminator)


def test_default_rates_are_those_of_ttur_in_the_dissertation() -> None:
    training = training_of("dragan")
    assert training.rates == {"generator": 1e-4, "discriminator": 1e-5, "feature": 1e-4}
    assert (training.adversarial_weight, training.penalty_weight) == (0.1, 10.0)


class _Turns:
    """Counts which optimisers step."""

    def __init__(self, training: GanTraining) -> None:
        self.steps: list[str] = []
        self.optimizers = training.configure_optimizers()
        for name, optimizer in zip(("g", "d", "f"), self.optimizers, strict=False):
            optimizer.register_step_post_hook(lambda *_, name=name: self.steps.append(name))
        training.optimizers = lambda: self.optimizers  # type: ignore[method-assign]


def test_players_take_turns_and_domains_get_their_numbers() -> None:
    from nets.training.schedules import Turns

    training = training_of("dragan", turns=Turns(warm_up=2))
    turns, seen = _Turns(training), []
    losses = training.judges_losses
    training.judges_losses = lambda *given: seen.append(given) or losses(*given)  # type: ignore[method-assign]
    factors = torch.ones(1, 3)
    batch = [(REAL[:1], GENERATED[:1], factors), (REAL[1:], GENERATED[1:], factors)]
    for number in range(4):
        training.training_step(batch, number)
    assert turns.steps == ["d", "f"] * 2 + ["d", "f", "g"] * 2
    assert training.steps_done == 4
    assert [round(given[3], 3) for given in seen] == [0, 0.5, 1, 1]
    assert all(given[2].tolist() == [0, 1] for given in seen)
    assert all(torch.equal(given[0], GENERATED) for given in seen), "labels are the real ones"
    assert not seen[0][1].requires_grad
    assert training.logged["train_domain_strength"] == 1


def test_one_domain_is_number_zero() -> None:
    training = training_of("vanilla")
    _Turns(training)
    seen = []
    losses = training.judges_losses
    training.judges_losses = lambda *given: seen.append(given) or losses(*given)  # type: ignore[method-assign]
    training.training_step((REAL, GENERATED, torch.ones(2, 3)), 0)
    assert seen[0][2].tolist() == [0, 0]


def test_second_stage_gets_the_output_of_the_first_which_does_not_learn(tmp_path: Path) -> None:
    path = save_start(tmp_path / "s.safetensors", "mdcsrn")
    training = training_of("vanilla", first_stage=str(path), generator_config=SMALL["mdcsrn"])
    volume = REAL
    with torch.no_grad():
        assert torch.allclose(training.generate(volume), training.network(training.first_stage.eval()(volume)))
    assert not any(weight.requires_grad for weight in training.first_stage.parameters())
    assert "the first stage's output" in training.intended_input
    data = SimpleNamespace(preprocessing=lambda: {"factors": [[4, 4, 1]]})
    assert training.preprocessing(data) == {"factors": [[4, 4, 1]], "stage": 2}
    assert training_of("vanilla").preprocessing(data)["stage"] == 1
    assert training.generate(volume).requires_grad
    card = replace(load_weights(path).card, preprocessing={"factors": [[4, 4, 1]], "batch_statistics": "patch"})
    save_weights(path, training.first_stage, card)
    of_patch = training_of("vanilla", first_stage=str(path), generator_config=SMALL["mdcsrn"])
    of_patch.network.load_state_dict(training.network.state_dict())
    assert not torch.allclose(of_patch.generate(volume), training.generate(volume), atol=1e-4)


def test_distance_is_that_of_the_critic_and_infinite_before_the_generator_learned() -> None:
    from nets.training.schedules import Turns

    training = training_of("wgan_gp", turns=Turns(warm_up=3))
    figures = training.judged((REAL, GENERATED))
    assert float(figures["distance"]) == float("inf")
    training.step.fill_(4)
    with torch.no_grad():
        figures = training.judged((REAL, GENERATED))
        generated = training.generate(REAL)
        expected = training.discriminator(GENERATED).mean() - training.discriminator(generated).mean()
    assert float(figures["distance"]) == pytest.approx(float(expected), rel=1e-4, abs=1e-6)
    assert float(figures["l1"]) == pytest.approx(float((generated - GENERATED).abs().mean()), rel=1e-5)
    assert {"psnr", "input_l1", "input_psnr"} <= set(figures)


def test_gradient_penalty_of_a_linear_critic_is_known() -> None:
    """∇D = w everywhere, so the penalty is (‖w‖ − 1)²."""
    weight = torch.full((1, 1, 2, 2, 2), 0.75)
    critic = nn.Module()
    critic.forward = lambda volume: (volume * weight).sum(dim=(1, 2, 3, 4))  # type: ignore[method-assign]
    real, generated = torch.randn(2, 3, 1, 2, 2, 2)
    assert float(gradient_penalty(critic, real, generated)) == pytest.approx((0.75 * 8**0.5 - 1) ** 2, rel=1e-5)


def test_gradient_penalty_is_taken_between_real_and_generated_at_places_of_their_own() -> None:
    seen: list[Tensor] = []
    critic = nn.Module()
    critic.forward = lambda volume: seen.append(volume) or volume.square().sum(dim=(1, 2, 3, 4)) / 2  # type: ignore
    real, generated = torch.zeros(64, 1, 2, 2, 2), torch.ones(64, 1, 2, 2, 2)
    penalty = gradient_penalty(critic, real, generated)
    shares = seen[0].detach().flatten(1)
    assert torch.equal(shares, shares[:, :1].expand_as(shares)), "one share for each volume"
    assert 0 <= float(shares.min()) < 0.1
    assert 0.9 < float(shares.max()) <= 1
    assert float(penalty) == pytest.approx(float((8**0.5 * shares[:, 0] - 1).square().mean()), rel=1e-5)
    weight = torch.nn.Parameter(torch.ones(1))
    critic.forward = lambda volume: (weight * volume).sum(dim=(1, 2, 3, 4))  # type: ignore[method-assign]
    gradient_penalty(critic, real, generated).backward()
    assert float(weight.grad) == pytest.approx(2 * (8**0.5 - 1) * 8**0.5, rel=1e-5), "the critic learns from it"


def test_gan_and_discriminator_must_go_together() -> None:
    for gan, discriminator in (("vanilla", "dragan_discriminator"), ("dragan", "discriminator")):
        with pytest.raises(ValueError, match="does not go with"):
            GanTraining(gan, discriminator=discriminator)  # type: ignore[arg-type]


def test_separability_of_features() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.cat([torch.zeros(20, 3), torch.ones(20, 3)]) + 0.01 * torch.randn(40, 3, generator=generator)
    domain = torch.arange(40) // 20
    assert separability(features, domain) == 1
    assert separability(features, domain.flip(0)) == 1, "the nearer mean is that of the own domain"
    assert separability(torch.randn(400, 3, generator=generator), torch.arange(400) % 2) == pytest.approx(0.5, abs=0.1)
    positions = principal_positions(features)
    assert abs(float(positions[:20, 0].mean() - positions[20:, 0].mean())) == pytest.approx(3**0.5, rel=0.05)
    assert float(positions.mean(dim=0).abs().max()) < 1e-5
    assert float(positions[:, 1].std()) < 0.02


def test_discriminator_patch_of_the_paper_is_accepted() -> None:
    with torch.device("meta"):
        Discriminator(DiscriminatorConfig(patch=(64, 80, 80), norm="batch"))
