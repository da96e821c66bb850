"""Who judges a super-resolved volume: SRGAN's discriminator in 3-D, the patch critic, and DRAGAN's pair."""

from itertools import pairwise
from typing import Any, Literal

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from nets.architectures.blocks import Norm, conv, norm

# Slope of LeakyReLU below zero, as in SRGAN (Ledig 2017).
_SLOPE = 0.2


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Hyper-parameters of :class:`Discriminator` and :class:`DraganDiscriminator`.

    Attributes
    ----------
    patch : tuple of int
        (z, y, x) of the volumes that it sees; the dense layer fixes them.
    width : int
        Channels of the first pair of convolutions; the following pairs have 2, 4 and 8 times as many.
    hidden : int
        Width of the dense layer.
    norm : {"layer", "batch", "instance", "none"}
        Layer norm for WGAN-GP, whose penalty is for each volume alone.
    branch : int
        Pairs of convolutions before the feature discriminator of DRAGAN.
    """

    patch: tuple[int, int, int] = (40, 40, 40)
    width: int = Field(default=64, ge=1)
    hidden: int = Field(default=1024, ge=1)
    norm: Norm = "layer"
    branch: int = Field(default=3, ge=1, le=3)

    def __post_init__(self) -> None:
        if min(self.patch) < 16:
            raise ValueError(f"patch {self.patch}: four strided convolutions need at least 16 voxels along each axis")


def _pairs(config: DiscriminatorConfig) -> list[nn.Module]:
    """Four pairs of convolutions, the second of each with stride 2; the very first has no norm."""
    widths = [1, *(config.width * 2**level for level in range(4))]
    pairs: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        first = norm(config.norm, 3, outputs) if inputs > 1 else []
        pairs.append(
            nn.Sequential(
                conv(3, inputs, outputs),
                *first,
                nn.LeakyReLU(_SLOPE),
                conv(3, outputs, outputs, stride=2),
                *norm(config.norm, 3, outputs),
                nn.LeakyReLU(_SLOPE),
            )
        )
    return pairs


def _judge(config: DiscriminatorConfig) -> list[nn.Module]:
    positions = 1
    for size in config.patch:
        positions *= -(-size // 16)
    features = 8 * config.width * positions
    return [
        nn.Flatten(),
        nn.Linear(features, config.hidden),
        nn.LeakyReLU(_SLOPE),
        nn.Linear(config.hidden, 1),
        nn.Flatten(0),
    ]


class Discriminator(nn.Module):
    """SRGAN's discriminator in 3-D; without a sigmoid: a logit for vanilla GANs, the critic's value for WGAN-GP.

    Parameters
    ----------
    config : DiscriminatorConfig
    """

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.Sequential(*_pairs(config), *_judge(config))

    @property
    def receptive_field(self) -> None:
        """It sees the whole patch."""

    def forward(self, volume: Tensor) -> Tensor:
        """(batch, 1, z, y, x) of the configured patch → (batch,)."""
        return self.layers(volume)


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, features: Tensor, strength: float) -> Tensor:
        context.strength = strength
        return features.view_as(features)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -context.strength * gradient, None


def reverse_gradient(features: Tensor, strength: float) -> Tensor:
    """Hand features on unchanged; the gradient that comes back is multiplied by −strength (Ganin 2016)."""
    return _Reversal.apply(features, strength)


class DraganDiscriminator(nn.Module):
    """D, and the feature discriminator F that branches off it (dissertation figure 5.1b).

    The printed equations 5.11-5.13 take logarithms of the probability of the wrong class, which are unbounded below.
    This is the bounded saddle point of the same directions: D minimises
    ``BCE(real 1, generated 0) − λ_p · BCE_F``, F minimises ``BCE_F`` (coronary 0, brain 1), both from one backward
    pass through a gradient reversal. Where F branches off is inferred: after the pair of 256 channels.

    Parameters
    ----------
    config : DiscriminatorConfig
    """

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        pairs, own = _pairs(config), _pairs(config)
        self.shared = nn.Sequential(*pairs[: config.branch])
        self.image = nn.Sequential(*pairs[config.branch :], *_judge(config))
        self.feature = nn.Sequential(*own[config.branch :], *_judge(config))

    @property
    def receptive_field(self) -> None:
        """It sees the whole patch."""

    def forward(self, volume: Tensor) -> Tensor:
        """D's logit, real against generated: (batch, 1, z, y, x) → (batch,)."""
        return self.image(self.shared(volume))

    def judge(self, volume: Tensor, strength: float) -> tuple[Tensor, Tensor]:
        """D's logit and F's, the latter with its gradient reversed on its way into D's shared layers.

        Parameters
        ----------
        volume : (batch, 1, z, y, x) Tensor
        strength : float
            λ_p.

        Returns
        -------
        (batch,) Tensor, (batch,) Tensor
        """
        features = self.shared(volume)
        return self.image(features), self.feature(reverse_gradient(features, strength))


@dataclass(frozen=True)
class PatchCriticConfig:
    """Hyper-parameters of :class:`PatchCritic`; `wang2020` prints neither channels nor the number of layers.

    Attributes
    ----------
    columns : {"thin", "srgan"}
        Thin: two strided convolutions, then plain ones of twice the width. SRGAN's columns: pairs of 1, 2, 4 and 8
        times the width, of which the second of the first two pairs is strided.
    width : int
        Channels of the first convolution.
    layers : int
        Plain convolutions of the thin critic.
    norm : {"instance", "layer", "batch", "none"}
        The text says instance norm, the caption of figure 3 layer norm.
    """

    columns: Literal["thin", "srgan"] = "thin"
    width: int = Field(default=64, ge=1)
    layers: int = Field(default=2, ge=0)
    norm: Norm = "instance"

    @property
    def convolutions(self) -> list[tuple[int, int]]:
        """Channels and stride of each convolution of 3³."""
        if self.columns == "srgan":
            widths = [self.width * 2**level for level in range(4) for _ in range(2)]
            return list(zip(widths, (1, 2, 1, 2, 1, 1, 1, 1), strict=True))
        return [(self.width, 2), (2 * self.width, 2), *[(2 * self.width, 1)] * self.layers]


class PatchCritic(nn.Module):
    """Fully convolutional critic: two strided convolutions, plain ones, a mean over all places (`wang2020`).

    Parameters
    ----------
    config : PatchCriticConfig
    """

    def __init__(self, config: PatchCriticConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        inputs = 1
        for outputs, stride in config.convolutions:
            normalised = norm(config.norm, 3, outputs) if layers else []
            layers += [conv(3, inputs, outputs, stride=stride), *normalised, nn.LeakyReLU(_SLOPE)]
            inputs = outputs
        self.layers = nn.Sequential(*layers, conv(3, inputs, 1, kernel=1))

    @property
    def receptive_field(self) -> int:
        """Voxels along an axis that one place of its map sees; the instance norm looks at all."""
        field, step = 1, 1
        for _, stride in self.config.convolutions:
            field, step = field + 2 * step, step * stride
        return field

    def forward(self, volume: Tensor) -> Tensor:
        """(batch, 1, z, y, x) → (batch,)."""
        return self.layers(volume).flatten(1).mean(dim=1)
