"""Adversarial training of super-resolution networks: vanilla GAN, WGAN-GP and DRAGAN (dissertation ch. 4 and 5)."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from nets.architectures.blocks import use_statistics_of_patch
from nets.architectures.discriminators import DraganDiscriminator
from nets.architectures.registry import build
from nets.data.formats.errors import VolumeError
from nets.inference.super_resolution import has_patch_statistics
from nets.training.base import Batch, Training
from nets.training.schedules import Turns
from nets.training.super_resolution import INTENDED_INPUT
from nets.weights import load_weights

_PAPER = Turns()

_bce = nn.functional.binary_cross_entropy_with_logits


class GanTraining(Training):
    """Generator against discriminator; each takes its turns (:class:`nets.training.schedules.Turns`).

    G minimises L1 + λ_a · adversarial. The vanilla GAN's adversarial loss is ``BCE(D(SR), 1)``, the form of eq. 5.10
    that does not saturate; WGAN-GP's is ``−D(SR)``. DRAGAN's discriminator minimises
    ``BCE(real 1, generated 0) − λ_p BCE_F`` and F ``BCE_F`` (first domain 0, second 1): the directions of equations
    5.11 to 5.13, which are unbounded below as they are printed. G, D and F see the patches of all domains. Judges get
    real and generated patches in one batch: where batch norm sees them apart, it takes away what tells them apart, and
    D learns nothing. Batch norm of the generator keeps the statistics that the L1 training found: a batch of one patch
    has none.

    Validation logs, beside the metrics, ``val_distance``: what the critic gives real patches more than generated ones.
    For WGAN-GP that is the earth mover's distance, by which the dissertation follows the training (4.4.1); it is
    infinite until the generator has taken a step, so that the start is never the best.

    Parameters
    ----------
    gan : {"vanilla", "wgan_gp", "dragan"}
    generator : str
        Architecture.
    generator_config : dict of str to object, optional
    weights : str, optional
        Weights of the L1 model that the generator starts from.
    first_stage : str, optional
        Weights of the L1 model whose output the generator gets: the two-stage scheme.
    discriminator : str
        Architecture: ``dragan_discriminator`` for DRAGAN; ``discriminator`` or ``patch_critic``.
    discriminator_config : dict of str to object, optional
    adversarial_weight : float
        λ_a.
    penalty_weight : float
        Of WGAN-GP's gradient penalty; 10 in Gulrajani 2017.
    turns : Turns
    generator_rate, discriminator_rate, feature_rate : float
        Learning rates of G, D and F; unequal ones are TTUR.
    metrics : sequence of str
        As in :class:`nets.training.base.Training`.
    """

    def __init__(
        self,
        gan: Literal["vanilla", "wgan_gp", "dragan"] = "dragan",
        generator: str = "mdcsrn",
        generator_config: dict[str, Any] | None = None,
        weights: str | None = None,
        first_stage: str | None = None,
        discriminator: str = "dragan_discriminator",
        discriminator_config: dict[str, Any] | None = None,
        adversarial_weight: float = 0.1,
        penalty_weight: float = 10.0,
        turns: Turns = _PAPER,
        generator_rate: float = 1e-4,
        discriminator_rate: float = 1e-5,
        feature_rate: float = 1e-4,
        metrics: Sequence[str] = ("l1", "psnr"),
    ) -> None:
        if (gan == "dragan") != (discriminator == "dragan_discriminator"):
            raise ValueError(f"gan={gan} does not go with discriminator={discriminator}")
        intended = INTENDED_INPUT + ("; the first stage's output" if first_stage else "")
        super().__init__(
            generator, generator_config, generator_rate, metrics=metrics, weights=weights, intended_input=intended
        )
        self.automatic_optimization = False
        self.gan, self.turns, self.adversarial_weight, self.penalty_weight = (
            gan,
            turns,
            adversarial_weight,
            penalty_weight,
        )
        self.discriminator = build(discriminator, discriminator_config)
        self.first_stage = _first_stage(Path(first_stage)) if first_stage else None
        self.rates = {"generator": generator_rate, "discriminator": discriminator_rate, "feature": feature_rate}
        self.register_buffer("step", torch.zeros((), dtype=torch.long))

    @property
    def has_end(self) -> bool:
        """Whether the recipe says how many steps the generator takes."""
        return self.turns.generator_steps is not None

    @property
    def steps_done(self) -> int:
        """Steps of the discriminator: in all of them it learns, in some the generator, too."""
        return int(cast("Tensor", self.step))

    def preprocessing(self, data: Any) -> dict[str, Any]:
        """What inference must do, for the model card."""
        return {**data.preprocessing(), "stage": 2 if self.first_stage is not None else 1}

    def generate(self, zero_filled: Tensor) -> Tensor:
        """(batch, 1, z, y, x) → super-resolved, through both stages where there are two."""
        if self.first_stage is not None:
            with torch.no_grad():
                zero_filled = self.first_stage.eval()(zero_filled)
        return self.network.eval()(zero_filled)

    def training_step(self, batch: Any, number: int) -> None:  # type: ignore[override]
        """The discriminator's turn, then the generator's if it is its turn."""
        domains = batch if isinstance(batch[0], list | tuple) else (batch,)
        zero_filled, label, _ = (torch.cat(parts) for parts in zip(*domains, strict=True))
        domain = torch.cat([torch.full((len(pair[0]),), float(i)) for i, pair in enumerate(domains)]).to(label)
        step = self.steps_done
        generator, *judges = cast("list[Any]", self.optimizers())
        learns = self.turns.trains_generator(step)
        with torch.set_grad_enabled(learns):
            generated = self.generate(zero_filled)
        self._judges_step(judges, label, generated.detach(), domain, self.turns.domain_strength(step))
        if learns:
            self.generator_step(generator, generated, label)
        cast("Tensor", self.step).add_(1)

    @property
    def is_over(self) -> bool:
        """Whether the generator has taken all of its steps."""
        return self.turns.are_over(self.steps_done)

    def setup(self, stage: str) -> None:
        """Refuse data that DRAGAN cannot tell the domains of.

        Raises
        ------
        VolumeError
            If there are not two domains with batches of their own.
        """
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        if self.gan == "dragan" and not (data.separate and len(data.folders) == 2):
            raise VolumeError("gan=dragan tells two domains apart: give two data.folders, and data.separate true")
        super().setup(stage)

    def _judges_step(self, judges: list[Any], real: Tensor, generated: Tensor, domain: Tensor, strength: float) -> None:
        for optimizer in judges:
            optimizer.zero_grad()
        losses = self.judges_losses(real, generated, domain, strength)
        self.manual_backward(cast("Tensor", sum(losses.values())))
        for optimizer in judges:
            optimizer.step()
        self.log_dict({f"train_{name}": value for name, value in losses.items()}, on_step=False, on_epoch=True)
        self.log("train_domain_strength", strength, on_step=False, on_epoch=True)

    def judges_losses(self, real: Tensor, generated: Tensor, domain: Tensor, strength: float) -> dict[str, Tensor]:
        """Losses of the discriminator, and of F where there is one, on real and generated patches in one batch.

        Parameters
        ----------
        real, generated : (batch, 1, z, y, x) Tensor
        domain : (batch,) Tensor
            Number of each patch's domain.
        strength : float
            λ_p: how much the features avoid the domain.

        Returns
        -------
        dict of str to () Tensor
        """
        judge, both = self.discriminator, torch.cat([real, generated])
        if self.gan == "wgan_gp":
            penalty = gradient_penalty(judge, real, generated)
            return {"critic": -_distance(judge(both)), "penalty": self.penalty_weight * penalty}
        if self.gan == "vanilla":
            return {"d": _two_sided(*judge(both).chunk(2))}
        verdict, guessed = cast("DraganDiscriminator", judge).judge(both, strength)
        true = domain.repeat(2)
        accuracy = ((guessed > 0) == (true > 0)).float().mean()
        self.log("train_f_accuracy", accuracy, on_step=False, on_epoch=True, prog_bar=True)
        return {"d": _two_sided(*verdict.chunk(2)), "f": _bce(guessed, true)}

    def generator_step(self, optimizer: Any, generated: Tensor, label: Tensor) -> None:
        """Let the generator take a step on L1 + λ_a · adversarial loss; the discriminator stays as it is."""
        self.discriminator.requires_grad_(False)
        optimizer.zero_grad()
        voxel = nn.functional.l1_loss(generated, label)
        verdict = self.discriminator(torch.cat([label, generated]))[len(label) :]
        adversarial = -verdict.mean() if self.gan == "wgan_gp" else _bce(verdict, torch.ones_like(verdict))
        self.manual_backward(voxel + self.adversarial_weight * adversarial)
        optimizer.step()
        self.discriminator.requires_grad_(True)
        values = {"train_loss": voxel, "train_adversarial": adversarial}
        self.log_dict(values, on_step=False, on_epoch=True, prog_bar=True)

    def judged(self, batch: Batch) -> dict[str, Tensor]:
        """Metrics of the generated patch, and how far the critic finds it from the real one."""
        shown, label = batch[:2]
        generated = self.generate(shown)
        learned = self.turns.generator_steps_before(self.steps_done) > 0
        distance = _distance(self.discriminator(torch.cat([label, generated])))
        return {
            **self.compared(generated, shown, label),
            "distance": distance if learned else torch.full_like(distance, math.inf),
        }

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Adam for G, D and, in DRAGAN, F: its gradient reaches D's layers through D's own optimiser."""
        betas = (0.0, 0.9) if self.gan == "wgan_gp" else (0.9, 0.999)
        learning = [(self.network, "generator")]
        if isinstance(self.discriminator, DraganDiscriminator):
            own = nn.ModuleList([self.discriminator.shared, self.discriminator.image])
            learning += [(own, "discriminator"), (self.discriminator.feature, "feature")]
        else:
            learning += [(self.discriminator, "discriminator")]
        return [torch.optim.Adam(who.parameters(), lr=self.rates[name], betas=betas) for who, name in learning]


def _first_stage(path: Path) -> nn.Module:
    """The network whose output the generator gets: it does not learn, and has the batch statistics of its card."""
    loaded = load_weights(path)
    if has_patch_statistics(loaded.card):
        use_statistics_of_patch(loaded.network)
    return loaded.network.requires_grad_(False)


def _two_sided(real: Tensor, generated: Tensor) -> Tensor:
    return _bce(real, torch.ones_like(real)) + _bce(generated, torch.zeros_like(generated))


def _distance(verdicts: Tensor) -> Tensor:
    """What real patches, the first half, are given more than generated ones."""
    real, generated = verdicts.chunk(2)
    return real.mean() - generated.mean()


def gradient_penalty(critic: nn.Module, real: Tensor, generated: Tensor) -> Tensor:
    """Mean of ``(‖∇D‖ − 1)²`` at random places between real and generated volumes (Gulrajani 2017).

    Parameters
    ----------
    critic : torch.nn.Module
    real, generated : (batch, 1, z, y, x) Tensor

    Returns
    -------
    () Tensor
    """
    share = torch.rand(len(real), 1, 1, 1, 1, device=real.device)
    between = (share * real + (1 - share) * generated).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()
