"""Training of SPADE: slices are made of label maps (Park 2019; dissertation 8.3.1)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from nets.architectures.dense_unet import DenseUNet
from nets.architectures.planar.label_critic import LabelCritic
from nets.architectures.planar.spade import Spade
from nets.architectures.registry import build
from nets.training.base import Batch, Training
from nets.training.organs.synthesis_losses import (
    critic_hinge,
    divergence,
    feature_distance,
    generator_hinge,
    level_distance,
)
from nets.weights import WeightsError, load_weights

INTENDED_INPUT = "one-hot label map of a transversal slice; the image has intensities from -1 to 1"
_BETAS = (0.0, 0.9)
"""Of Adam: Park 2019, as Zhang 2019."""


class SpadeTraining(Training):
    """Generator and critic take turns. Batches are one-hot maps (batch, classes, y, x) and images (batch, 1, y, x).

    G minimises hinge + λ_f · feature matching + λ_p · perceptual distance + λ_s · divergence of the style; D the hinge.
    D sees real and generated pairs in one batch.

    Parameters
    ----------
    network : dict of str to object, optional
        Hyper-parameters of the generator that differ from the registry's.
    critic : dict of str to object, optional
        Of the critic; its classes are those of the generator.
    generator_rate, critic_rate : float
        Learning rates of G and D.
    matching_weight, perceptual_weight, style_weight : float
        λ_f, λ_p and λ_s.
    segmentation : str, optional
        Weights of an ALAMO, whose encoder's features the perceptual distance compares, since the paper's VGG is of
        photographs. Default: there is no such distance.
    steps, metrics, weights :
        As in :class:`nets.training.base.Training`.
    """

    def __init__(
        self,
        network: dict[str, Any] | None = None,
        critic: dict[str, Any] | None = None,
        generator_rate: float = 1e-4,
        critic_rate: float = 4e-4,
        matching_weight: float = 10.0,
        perceptual_weight: float = 10.0,
        style_weight: float = 0.05,
        segmentation: str | None = None,
        steps: int | None = None,
        metrics: Sequence[str] = ("l1",),
        weights: str | None = None,
    ) -> None:
        super().__init__(
            "spade",
            network,
            generator_rate,
            steps=steps,
            metrics=metrics,
            weights=weights,
            intended_input=INTENDED_INPUT,
        )
        self.automatic_optimization = False
        classes = cast("Spade", self.network).config.classes
        self.critic = cast("LabelCritic", build("spade_critic", {"classes": classes} | (critic or {})))
        self.rates = (generator_rate, critic_rate)
        self.matching_weight, self.perceptual_weight, self.style_weight = (
            matching_weight,
            perceptual_weight,
            style_weight,
        )
        self.judge = outliner(Path(segmentation)) if segmentation else None
        self.register_buffer("step", torch.zeros((), dtype=torch.long))

    @property
    def steps_done(self) -> int:
        """Steps of generator and critic alike."""
        return int(cast("Tensor", self.step))

    def generate(self, maps: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        """Make images, and say how far the distribution of their z is from the standard one.

        Parameters
        ----------
        maps : (batch, classes, y, x) Tensor
        image : (batch, 1, y, x) Tensor
            The real ones, whose style is taken by a generator with an encoder; else z is drawn.

        Returns
        -------
        (batch, 1, y, x) Tensor, () Tensor
        """
        generator = cast("Spade", self.network)
        if generator.encoder is None:
            z = torch.randn(len(maps), generator.config.latent, device=maps.device) if generator.config.latent else None
            return generator(maps, z), maps.new_zeros(())
        mean, log_variance = generator.style_of(image)
        z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        return generator(maps, z), divergence(mean, log_variance)

    def generator_losses(self, maps: Tensor, image: Tensor, generated: Tensor) -> dict[str, Tensor]:
        """Weighted losses of the generator, but for the style's.

        Parameters
        ----------
        maps, image, generated : Tensor

        Returns
        -------
        dict of str to () Tensor
        """
        real, made = self._judged_pairs(maps, image, generated)
        losses = {
            "adversarial": generator_hinge(made),
            "matching": self.matching_weight * feature_distance(real, made),
        }
        if self.judge is not None:
            levels = (self.judge.encoded(stacked) for stacked in self._as_stacks(image, generated))
            losses["perceptual"] = self.perceptual_weight * level_distance(*levels)
        return losses

    def critic_loss(self, maps: Tensor, image: Tensor, generated: Tensor) -> Tensor:
        """What the critic minimises; no gradient reaches the generator."""
        return critic_hinge(*self._judged_pairs(maps, image, generated.detach()))

    def _judged_pairs(
        self, maps: Tensor, image: Tensor, generated: Tensor
    ) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
        both = torch.cat([torch.cat([maps, image], dim=1), torch.cat([maps, generated], dim=1)])
        halves = [[layer.chunk(2) for layer in scale] for scale in self.critic.features(both)]
        return [[one for one, _ in scale] for scale in halves], [[other for _, other in scale] for scale in halves]

    def _as_stacks(self, image: Tensor, generated: Tensor) -> list[Tensor]:
        """Both on the scale of the real slice, repeated as often as the network that outlines organs takes slices."""
        mean = image.mean(dim=(1, 2, 3), keepdim=True)
        deviation = image.std(dim=(1, 2, 3), keepdim=True).clamp(min=1e-6)  # a slice may be constant
        slices = cast("DenseUNet", self.judge).config.inputs
        return [((each - mean) / deviation).expand(-1, slices, -1, -1) for each in (image, generated)]

    def training_step(self, batch: Batch, number: int) -> None:  # type: ignore[override]
        """The generator's step, then the critic's."""
        maps, image = batch
        generator, critic = cast("list[Any]", self.optimizers())
        generated, distance = self.generate(maps, image)
        self.critic.requires_grad_(False)
        losses = self.generator_losses(maps, image, generated)
        if cast("Spade", self.network).encoder is not None:
            losses["style"] = self.style_weight * distance
        generator.zero_grad()
        total = cast("Tensor", sum(losses.values()))
        self.manual_backward(total)
        generator.step()
        self.critic.requires_grad_(True)
        critic.zero_grad()
        verdict = self.critic_loss(maps, image, generated)
        self.manual_backward(verdict)
        critic.step()
        told = {f"train_{name}": value for name, value in losses.items()}
        self.log_dict(told | {"train_loss": total, "train_d": verdict}, on_step=False, on_epoch=True)
        cast("Tensor", self.step).add_(1)

    def judged(self, batch: Batch) -> dict[str, Tensor]:
        """The metrics of a slice that is made with the mean of z."""
        maps, image = batch
        generator = cast("Spade", self.network)
        z = None if generator.encoder is None else generator.style_of(image)[0]
        made = generator(maps, z)
        return {name: metric(made, image) for name, metric in self.metrics.items()}

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        """Adam for G (with its encoder) and D, at unequal rates."""
        players = (self.network, self.critic)
        return [
            torch.optim.Adam(player.parameters(), lr=rate, betas=_BETAS)
            for player, rate in zip(players, self.rates, strict=True)
        ]


def outliner(path: Path) -> DenseUNet:
    """Load a network that outlines organs; it does not learn.

    Raises
    ------
    WeightsError
        If the weights are of another one.
    """
    loaded = load_weights(path)
    if not isinstance(loaded.network, DenseUNet):
        raise WeightsError(
            f"{path.name} holds weights of {loaded.card.architecture}; segmentation takes those of alamo"
        )
    return loaded.network.requires_grad_(False)
