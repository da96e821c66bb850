"""Networks to compare with, in 3-D and on an unchanged matrix."""

from itertools import pairwise

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from nets.architectures.blocks import OwnDenseBlock, conv


@dataclass(frozen=True)
class FsrcnnConfig:
    """Hyper-parameters of :class:`Fsrcnn`: d, s and m of the FSRCNN paper."""

    width: int = Field(default=56, ge=1)
    shrunk: int = Field(default=12, ge=1)
    mappings: int = Field(default=4, ge=1)


class Fsrcnn(nn.Module):
    """FSRCNN [conv 5³, shrink, map, expand, conv 9³] without up-sampling (`wang2020`, table 1)."""

    def __init__(self, config: FsrcnnConfig) -> None:
        super().__init__()
        self.config = config
        widths = [1, config.width, *[config.shrunk] * (1 + config.mappings), config.width, 1]
        kernels = [5, 1, *[3] * config.mappings, 1, 9]
        self.layers = _plain(widths, kernels, bias=True)

    @property
    def receptive_field(self) -> int:
        """Voxels along an axis that one output voxel sees."""
        return 13 + 2 * self.config.mappings

    def forward(self, volume: Tensor) -> Tensor:
        """(batch, 1, z, y, x) → the same shape."""
        return self.layers(volume)


def _plain(widths: list[int], kernels: list[int], bias: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for (inputs, outputs), kernel in zip(pairwise(widths), kernels, strict=True):
        layers += [conv(3, inputs, outputs, kernel=kernel, bias=bias), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


@dataclass(frozen=True)
class SrcnnConfig:
    """Hyper-parameters of :class:`Srcnn`: features of the first and second layer."""

    first: int = Field(default=64, ge=1)
    second: int = Field(default=32, ge=1)


class Srcnn(nn.Module):
    """SRCNN with kernels 9, 1 and 5: what gives the 52,704 weights that `jung2019` prints (its text says 9, 5, 5)."""

    def __init__(self, config: SrcnnConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = _plain([1, config.first, config.second, 1], [9, 1, 5], bias=False)

    @property
    def receptive_field(self) -> int:
        """Voxels along an axis that one output voxel sees."""
        return 13

    def forward(self, volume: Tensor) -> Tensor:
        """(batch, 1, z, y, x) → the same shape."""
        return self.layers(volume)


@dataclass(frozen=True)
class VdsrConfig:
    """Hyper-parameters of :class:`Vdsr`."""

    layers: int = Field(default=20, ge=2)
    width: int = Field(default=32, ge=1)


class Vdsr(nn.Module):
    """VDSR: plain 3³ convolutions that predict what is to be added to the input (`jung2019`)."""

    def __init__(self, config: VdsrConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = _plain([1, *[config.width] * (config.layers - 1), 1], [3] * config.layers, bias=False)

    @property
    def receptive_field(self) -> int:
        """Voxels along an axis that one output voxel sees."""
        return 1 + 2 * self.config.layers

    def forward(self, volume: Tensor) -> Tensor:
        """(batch, 1, z, y, x) → the same shape."""
        return volume + self.layers(volume)


@dataclass(frozen=True)
class SrResNetConfig:
    """Hyper-parameters of :class:`SrResNet`."""

    blocks: int = Field(default=15, ge=1)
    width: int = Field(default=48, ge=1)


class SrResNet(nn.Module):
    """SRResNet in 3-D, without up-sampling: 2.00 M weights, the paper's 2,004,620 not to the digit (`wang2020`)."""

    def __init__(self, config: SrResNetConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.stem = nn.Sequential(conv(3, 1, width, kernel=9), nn.PReLU())
        self.blocks = nn.ModuleList(
            nn.Sequential(
                conv(3, width, width), nn.BatchNorm3d(width), nn.PReLU(), conv(3, width, width), nn.BatchNorm3d(width)
            )
            for _ in range(config.blocks)
        )
        self.trunk = nn.Sequential(conv(3, width, width), nn.BatchNorm3d(width))
        self.head = conv(3, width, 1, kernel=9)

    @property
    def receptive_field(self) -> int:
        """Voxels along an axis that one output voxel sees."""
        return 19 + 4 * self.config.blocks

    def forward(self, volume: Tensor) -> Tensor:
        """(batch, 1, z, y, x) → the same shape."""
        first = features = self.stem(volume)
        for block in self.blocks:
            features = features + block(features)
        return self.head(first + self.trunk(features))


@dataclass(frozen=True)
class SrDenseNetConfig:
    """Hyper-parameters of :class:`SrDenseNet`.

    Attributes
    ----------
    blocks, units, growth : int
        Units and growth are the dissertation's (4.4.2); 8 blocks are those of the original SRDenseNet.
    width : int
        Channels of the bottleneck and of the layers after it.
    layers : int
        Convolutions of the same scale, where the original network has transposed ones.
    """

    blocks: int = Field(default=8, ge=1)
    units: int = Field(default=4, ge=1)
    growth: int = Field(default=12, ge=1)
    width: int = Field(default=48, ge=1)
    layers: int = Field(default=2, ge=0)


class SrDenseNet(nn.Module):
    """SRDenseNet in 3-D, with ELU: dense blocks of which only the first unit sees the input (dissertation fig. 4.4b).

    All blocks' features go through a bottleneck and convolutions of the same scale to the image (4.4.2). The
    dissertation says that it is as large as mDCSRN b6u4 (458,257 weights); this one has 459,361.
    """

    def __init__(self, config: SrDenseNetConfig) -> None:
        super().__init__()
        self.config = config
        growth, features, width = config.growth, config.growth * config.units, config.width

        def unit(inputs: int) -> nn.Module:
            return nn.Sequential(conv(3, inputs, growth), nn.ELU())

        self.stem = nn.Sequential(conv(3, 1, features), nn.ELU())
        self.blocks = nn.ModuleList(
            OwnDenseBlock(features, [unit] * config.units, growth) for _ in range(config.blocks)
        )
        same_scale = [nn.Sequential(conv(3, width, width), nn.ELU()) for _ in range(config.layers)]
        bottleneck = conv(3, features * (1 + config.blocks), width, kernel=1)
        self.combine = nn.Sequential(bottleneck, nn.ELU(), *same_scale, conv(3, width, 1))

    @property
    def receptive_field(self) -> int:
        """Voxels along an axis that one output voxel sees."""
        return 5 + 2 * (self.config.blocks * self.config.units + self.config.layers)

    def forward(self, volume: Tensor) -> Tensor:
        """(batch, 1, z, y, x) → the same shape."""
        features = [self.stem(volume)]
        for block in self.blocks:
            features.append(block(features[-1]))
        return self.combine(torch.cat(features, dim=1))
