"""DenseUNet: dense blocks on four levels (dissertation figure 6.1b, and ALAMO in figure 7.1)."""

from typing import Literal

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from nets.architectures.blocks import DenseBlock, Norm, conv, norm, pool, up


@dataclass(frozen=True)
class DenseUNetConfig:
    """Hyper-parameters of :class:`DenseUNet`.

    Attributes
    ----------
    inputs, outputs : int
        Channels: 2L and 2L for spatial factors.
    growth, units, levels : int
        k, units of a block, resolutions.
    norm : {"none", "batch", "instance", "layer"}
        Before each ELU.
    bias : bool
    keep_input : bool
        Whether a block hands on its input, too, as the blocks of mDCN do.
    compress : bool
        Down: conv 1² to 2k before pooling; up: to k. Else nothing before pooling, and up to half of the channels.
    deep_supervision : bool
        Add a 1² head at every level of the decoder; training uses them, inference does not.
    dims : int
    """

    inputs: int = Field(default=64, ge=1)
    outputs: int = Field(default=64, ge=1)
    growth: int = Field(default=128, ge=1)
    units: int = Field(default=4, ge=1)
    levels: int = Field(default=4, ge=1)
    norm: Norm = "none"
    bias: bool = False
    keep_input: bool = True
    compress: bool = False
    deep_supervision: bool = False
    dims: Literal[2, 3] = 2


def alamo_config(slices: int = 20, classes: int = 11, growth: int = 48) -> DenseUNetConfig:
    """ALAMO's segmentation network: several slices at once, one set of classes for each (chapter 7).

    The paper leaves the transitions open. Of the layouts tried, this one gives all four weight counts of table 7-1 to
    their rounding (1.55, 2.74, 6.11 and 10.83 M; printed 6.12).
    """
    return DenseUNetConfig(
        inputs=slices, outputs=slices * classes, growth=growth, units=6, keep_input=False, compress=True
    )


class DenseUNet(nn.Module):
    """Encoder and decoder of dense blocks. Down: average of 2²; up: transposed conv 2², beside the encoder's block.

    Of chapter 6's DenseUNet, the dissertation says that it has the blocks of mDCN, without dilation, on four levels
    (figure 6.1), and that mDCN is faster and smaller (6.1); the transitions are not described. These defaults are the
    plainest ones of which both are true: 123.8 M weights against 23.0 M, and 1.26 times the multiplications (the
    printed seconds are 1.18 times mDCN's).

    Parameters
    ----------
    config : DenseUNetConfig
    """

    def __init__(self, config: DenseUNetConfig) -> None:
        super().__init__()
        self.config = config
        dims, growth, width, bias = config.dims, config.growth, 2 * config.growth, config.bias

        def unit(inputs: int) -> nn.Module:
            return nn.Sequential(*norm(config.norm, dims, inputs), nn.ELU(), conv(dims, inputs, growth, bias=bias))

        def block(inputs: int) -> DenseBlock:
            return DenseBlock(inputs, [unit] * config.units, growth, keep_input=config.keep_input)

        def head(inputs: int) -> nn.Module:
            return conv(dims, inputs, config.outputs, kernel=1, bias=bias)

        self.stem = conv(dims, config.inputs, width, bias=bias)
        encoder, down = [block(width)], []
        for _ in range(config.levels - 1):
            features = encoder[-1].outputs
            squeeze = [conv(dims, features, width, kernel=1, bias=bias)] if config.compress else []
            down.append(nn.Sequential(*squeeze, pool(dims)))
            encoder.append(block(width if config.compress else features))
        rises, decoder = [], [encoder[-1]]
        for skipped in reversed(encoder[:-1]):
            features = decoder[-1].outputs
            fewer = growth if config.compress else features // 2
            rises.append(up(dims, features, fewer, bias))
            decoder.append(block(fewer + skipped.outputs))
        self.encoder, self.down = nn.ModuleList(encoder), nn.ModuleList(down)
        self.up, self.decoder = nn.ModuleList(rises), nn.ModuleList(decoder[1:])
        self.head = head(decoder[-1].outputs)
        sides = decoder[:-1] if config.deep_supervision else []
        self.side_heads = nn.ModuleList(head(side.outputs) for side in sides)

    @property
    def receptive_field(self) -> int:
        """Pixels along an axis that one output pixel sees, at most: it depends on the place."""
        steps = self.config.levels - 1
        convolutions = 2 * self.config.units * (2 * (2**steps - 1) + 2**steps)
        return 3 + convolutions + 2 * (2**steps - 1)

    def encoded(self, maps: Tensor) -> list[Tensor]:
        """Features of every level of the encoder, the finest first.

        Parameters
        ----------
        maps : (batch, inputs, y, x) Tensor

        Returns
        -------
        list of (batch, features, y / 2ⁿ, x / 2ⁿ) Tensor
        """
        found = [self.encoder[0](self.stem(maps))]
        for down, block in zip(self.down, self.encoder[1:], strict=True):
            found.append(block(down(found[-1])))
        return found

    def levels(self, maps: Tensor) -> list[Tensor]:
        """Predictions at every level of the decoder, the coarsest first; the last is that of :meth:`forward`.

        Parameters
        ----------
        maps : (batch, inputs, y, x) Tensor

        Returns
        -------
        list of (batch, outputs, y / 2ⁿ, x / 2ⁿ) Tensor
        """
        *skips, features = self.encoded(maps)
        sides = [head(features) for head in self.side_heads[:1]]
        for number, (rise, block) in enumerate(zip(self.up, self.decoder, strict=True), start=1):
            skip = skips.pop()
            features = block(torch.cat([_fill(rise(features), skip), skip], dim=1))
            sides += [head(features) for head in self.side_heads[number : number + 1]]
        return [*sides, self.head(features)]

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, inputs, y, x) → (batch, outputs, y, x), for any y and x of at least 2^(levels - 1)."""
        return self.levels(maps)[-1]


def _fill(features: Tensor, like: Tensor) -> Tensor:
    """Repeat the last row or column that pooling an odd matrix left out."""
    missing = [wanted - got for wanted, got in zip(like.shape[2:], features.shape[2:], strict=True)]
    if not any(missing):
        return features
    padding = [amount for missed in reversed(missing) for amount in (0, missed)]
    return nn.functional.pad(features, padding, mode="replicate")
