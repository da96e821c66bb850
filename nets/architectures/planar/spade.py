"""SPADE: a label map becomes an image (Park 2019; dissertation 8.3.1)."""

import math
from itertools import pairwise
from typing import Literal, cast

from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from nets.architectures.blocks import conv

SLOPE = 0.2
"""Of LeakyReLU below zero, as in Park 2019."""

_STYLE_GRID = 4
"""Places along each axis that a style is read from, whatever the image's matrix."""


@dataclass(frozen=True)
class SpadeConfig:
    """Hyper-parameters of :class:`Spade`.

    Attributes
    ----------
    classes : int
        Of the label map; the first is the background.
    width : int
        Channels of the last block, for ``blocks`` of 1.
    blocks : tuple of int
        Channels of each residual block, in widths. Each but the first and the third doubles the matrix: that starts
        32 times smaller.
    hidden : int
        Channels between a label map and γ and β.
    latent : int
        Length of z, from which the smallest matrix is made; 0: it is made from the label map.
    start : (2,) tuple of int
        Matrix (y, x) that z becomes; it is resized to the one that an image asks for.
    style : bool
        An encoder makes z of an image; it needs ``latent``.
    norm : {"instance", "batch"}
        Without parameters. The paper's is batch norm over many GPUs; batches of a few slices have no statistics.
    """

    classes: int = Field(default=11, ge=1)
    width: int = Field(default=64, ge=1)
    blocks: tuple[int, ...] = (16, 16, 16, 8, 4, 2, 1)
    hidden: int = Field(default=128, ge=1)
    latent: int = Field(default=256, ge=0)
    start: tuple[int, int] = (8, 8)
    style: bool = False
    norm: Literal["instance", "batch"] = "instance"

    def __post_init__(self) -> None:
        if len(self.blocks) < 3 or min((*self.blocks, *self.start)) < 1:
            raise ValueError(f"blocks {self.blocks} and start {self.start} must be positive, of at least 3 blocks")
        if self.style and not self.latent:
            raise ValueError("style is a z that an encoder makes; set latent, 256 say")

    @property
    def doublings(self) -> int:
        """How often the matrix is doubled."""
        return len(self.blocks) - 2


class SpadeNorm(nn.Module):
    """Normalise without parameters, then scale by ``1 + γ`` and shift by β, which a label map gives place by place.

    Parameters
    ----------
    features : int
    config : SpadeConfig
    """

    def __init__(self, features: int, config: SpadeConfig) -> None:
        super().__init__()
        plain = nn.InstanceNorm2d(features) if config.norm == "instance" else nn.BatchNorm2d(features, affine=False)
        self.plain: nn.Module = plain
        self.shared = conv(2, config.classes, config.hidden)
        self.scale, self.shift = (conv(2, config.hidden, features) for _ in range(2))
        for layer in (self.scale, self.shift):
            nn.init.xavier_normal_(layer.weight, gain=0.02)  # as in Park 2019: at first, little more than the norm

    def forward(self, features: Tensor, maps: Tensor) -> Tensor:
        """(batch, features, y, x) features and (batch, classes, Y, X) one-hot maps → (batch, features, y, x)."""
        seen = nn.functional.interpolate(maps, features.shape[2:], mode="nearest")
        shared = self.shared(seen).relu()
        return self.plain(features) * (1 + self.scale(shared)) + self.shift(shared)


class SpadeBlock(nn.Module):
    """Two times norm, LeakyReLU and a convolution of 3², beside the input; a norm and a 1² where channels change.

    Parameters
    ----------
    inputs, outputs : int
    config : SpadeConfig
    """

    def __init__(self, inputs: int, outputs: int, config: SpadeConfig) -> None:
        super().__init__()
        middle = min(inputs, outputs)
        self.norms = nn.ModuleList([SpadeNorm(inputs, config), SpadeNorm(middle, config)])
        sizes = pairwise((inputs, middle, outputs))
        self.convolutions = nn.ModuleList(spectral_norm(conv(2, have, want)) for have, want in sizes)
        changes = inputs != outputs
        self.beside_norm = SpadeNorm(inputs, config) if changes else None
        self.beside = spectral_norm(conv(2, inputs, outputs, kernel=1, bias=False)) if changes else None

    def forward(self, features: Tensor, maps: Tensor) -> Tensor:
        """(batch, inputs, y, x) and one-hot maps → (batch, outputs, y, x)."""
        beside = features
        if self.beside is not None and self.beside_norm is not None:
            beside = self.beside(self.beside_norm(features, maps))
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            features = convolution(nn.functional.leaky_relu(norm(features, maps), SLOPE))
        return beside + features


class StyleEncoder(nn.Module):
    """An image becomes mean and logarithm of the variance of z.

    Parameters
    ----------
    width, latent : int
    """

    def __init__(self, width: int, latent: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for have, want in pairwise((1, width, 2 * width, 4 * width)):
            layers += [spectral_norm(conv(2, have, want, stride=2)), nn.InstanceNorm2d(want), nn.LeakyReLU(SLOPE)]
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(_STYLE_GRID), nn.Flatten())
        features = 4 * width * _STYLE_GRID**2
        self.mean, self.log_variance = nn.Linear(features, latent), nn.Linear(features, latent)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, 1, y, x) → (batch, latent) mean and log-variance."""
        features = self.layers(image)
        return self.mean(features), self.log_variance(features)


class Spade(nn.Module):
    """The generator: from z, or the smallest map, through blocks that each see the map again.

    Parameters
    ----------
    config : SpadeConfig
    """

    def __init__(self, config: SpadeConfig) -> None:
        super().__init__()
        self.config = config
        first, *_ = widths = [config.width * block for block in config.blocks]
        self.start: nn.Module
        if config.latent:
            self.start = nn.Linear(config.latent, first * math.prod(config.start))
        else:
            self.start = conv(2, config.classes, first)
        self.blocks = nn.ModuleList(SpadeBlock(have, want, config) for have, want in pairwise([first, *widths]))
        self.image = conv(2, widths[-1], 1)
        self.encoder = StyleEncoder(config.width, config.latent) if config.style else None

    @property
    def receptive_field(self) -> None:
        """Its norm, and z, see the whole map."""

    def forward(self, maps: Tensor, latent: Tensor | None = None) -> Tensor:
        """Make images of label maps.

        Parameters
        ----------
        maps : (batch, classes, y, x) Tensor
            One-hot; of any matrix, the last row and column go on to the next whole start.
        latent : (batch, latent) Tensor, optional
            z; default: the mean of its distribution, which is zero.

        Returns
        -------
        (batch, 1, y, x) Tensor
            From −1 to 1.
        """
        (y, x), step = maps.shape[2:], 2**self.config.doublings
        # a norm needs two places at least
        grid = [max(2, -(-size // step)) for size in (y, x)]
        padded = nn.functional.pad(maps, [0, grid[1] * step - x, 0, grid[0] * step - y], mode="replicate")
        features = self._smallest(padded, latent, grid)
        for number, block in enumerate(self.blocks):
            if number not in (0, 2):
                features = nn.functional.interpolate(features, scale_factor=2.0, mode="nearest")
            features = block(features, padded)
        image = self.image(nn.functional.leaky_relu(features, SLOPE)).tanh()
        return image[:, :, :y, :x]

    def _smallest(self, maps: Tensor, latent: Tensor | None, grid: list[int]) -> Tensor:
        if not self.config.latent:
            return self.start(nn.functional.interpolate(maps, grid, mode="nearest"))
        z = maps.new_zeros(len(maps), self.config.latent) if latent is None else latent
        made = self.start(z).unflatten(1, (-1, *self.config.start))
        return nn.functional.interpolate(made, grid, mode="bilinear")

    def style_of(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the z of images; see :class:`StyleEncoder`."""
        return cast("StyleEncoder", self.encoder)(image)
