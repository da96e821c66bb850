"""Adversarial training of super-resolution networks: vanilla GAN, WGAN-GP and DRAGAN (dissertation ch. 4 and 5)."""

from pathlib import Path
from typing import Any, Literal, cast

import lightning
import torch
from torch import Tensor, nn

from nets.architectures.discriminators import DraganDiscriminator
from nets.architectures.registry import build
from nets.training.schedules import Turns
from nets.training.super_resolution import INTENDED_INPUT, Batch, judged
from nets.weights import load_weights, starting_network

# Weight of the gradient penalty, as in WGAN-GP (Gulrajani 2017).
_GRADIENT_PENALTY = 10.0
_PAPER = Turns()

_bce = nn.functional.binary_cross_entropy_with_logits


class GanTraining(lightning.LightningModule):
    """Generator against discriminator; each takes its turns (:class:`nets.training.schedules.Turns`).

    G minimises L1 + λ_a · adversarial. The vanilla GAN's adversarial loss is ``BCE(D(SR), 1)``, the form of eq. 5.10
    that does not saturate; WGAN-GP's is ``−D(SR)``. DRAGAN's discriminator minimises
    ``BCE(real 1, generated 0) − λ_p BCE_F`` and F ``BCE_F`` (first domain 0, second 1): the consistent saddle point
    behind equations 5.11 to 5.13. G, D and F see the patches of all domains. Judges get real and generated patches in
    one batch: where batch norm sees them apart, it takes away what tells them apart, and D learns nothing. Batch norm
    of the generator keeps the statistics that the L1 training found: a batch of one patch has none.

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
    turns : Turns
    generator_rate, discriminator_rate, feature_rate : float
        Learning rates of G, D and F; unequal ones are TTUR.
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
        turns: Turns = _PAPER,
        generator_rate: float = 1e-4,
        discriminator_rate: float = 1e-5,
        feature_rate: float = 1e-4,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(ignore="turns")
        self.automatic_optimization = False
        if (gan == "dragan") != (discriminator == "dragan_discriminator"):
            raise ValueError(f"gan={gan} does not go with discriminator={discriminator}")
        self.gan, self.turns, self.adversarial_weight = gan, turns, adversarial_weight
        self.architecture, self.network_config = generator, generator_config or {}
        self.network: nn.Module = starting_network(generator, self.network_config, weights)
        self.discriminator = build(discriminator, discriminator_config)
        self.first_stage = load_weights(Path(first_stage)).network.requires_grad_(False) if first_stage else None
        self.rates = {"generator": generator_rate, "discriminator": discriminator_rate, "feature": feature_rate}
        self.intended_input = INTENDED_INPUT + ("; the first stage's output" if first_stage else "")
        self.register_buffer("step", torch.zeros((), dtype=torch.long))

    def preprocessing(self, data: Any) -> dict[str, Any]:
        """What inference must do, for the model card."""
        return {
            "normalisation": "99.9th percentile of the zero-filled volume",
            "factors": data.trained_factors(),
            "stage": 2 if self.first_stage is not None else 1,
        }

    def generate(self, zero_filled: Tensor) -> Tensor:
        """(batch, 1, z, y, x) → super-resolved, through both stages where there are two."""
        if self.first_stage is not None:
            with torch.no_grad():
                zero_filled = self.first_stage.eval()(zero_filled)
        return self.network.eval()(zero_filled)

    def training_step(self, batch: Any, number: int) -> None:
        """The discriminator's turn, then the generator's if it is its turn."""
        domains = batch if isinstance(batch[0], list | tuple) else (batch,)
        zero_filled, label, _ = (torch.cat(parts) for parts in zip(*domains, strict=True))
        domain = torch.cat([torch.full((len(pair[0]),), float(i)) for i, pair in enumerate(domains)]).to(label)
        step = int(cast("Tensor", self.step))
        generator, *judges = self._optimizers()
        learns = self.turns.trains_generator(step)
        with torch.set_grad_enabled(learns):
            generated = self.generate(zero_filled)
        self._judges_step(judges, label, generated.detach(), domain, self.turns.domain_strength(step))
        if learns:
            self.generator_step(generator, generated, label)
        cast("Tensor", self.step).add_(1)

    def _optimizers(self) -> list[Any]:
        optimizers = self.optimizers()
        return optimizers if isinstance(optimizers, list) else [optimizers]

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
            of_real, of_generated = judge(both).chunk(2)
            penalty = gradient_penalty(judge, real, generated)
            return {"critic": of_generated.mean() - of_real.mean(), "penalty": _GRADIENT_PENALTY * penalty}
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

    def validation_step(self, batch: Batch, number: int) -> None:
        """L1 and PSNR of the middle of a volume; those of the zero-filled input beside them."""
        self.log_dict(judged("val", self.generate, *batch[:2]), batch_size=1, prog_bar=True, sync_dist=True)

    def test_step(self, batch: Batch, number: int) -> None:
        """As in validation."""
        self.log_dict(judged("test", self.generate, *batch[:2]), batch_size=1, sync_dist=True)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Adam for G, D and, in DRAGAN, F: its gradient reaches D's layers through D's own optimiser."""
        betas = (0.0, 0.9) if self.gan == "wgan_gp" else (0.9, 0.999)
        optimizers = [torch.optim.Adam(self.network.parameters(), lr=self.rates["generator"], betas=betas)]
        if isinstance(self.discriminator, DraganDiscriminator):
            own = [*self.discriminator.shared.parameters(), *self.discriminator.image.parameters()]
            optimizers.append(torch.optim.Adam(own, lr=self.rates["discriminator"], betas=betas))
            feature = self.discriminator.feature.parameters()
            optimizers.append(torch.optim.Adam(feature, lr=self.rates["feature"], betas=betas))
        else:
            judged_by = self.discriminator.parameters()
            optimizers.append(torch.optim.Adam(judged_by, lr=self.rates["discriminator"], betas=betas))
        return list(optimizers)


def _two_sided(real: Tensor, generated: Tensor) -> Tensor:
    return _bce(real, torch.ones_like(real)) + _bce(generated, torch.zeros_like(generated))


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
