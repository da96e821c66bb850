"""Networks to compare with, in 3-D and on an unchanged matrix."""

from itertools import pairwise

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from nets.architectures.blocks import DenseBlock, conv


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
    """Hyper-parameters of :class:`SrDenseNet`."""

    blocks: int = Field(default=4, ge=1)
    units: int = Field(default=4, ge=1)
    growth: int = Field(default=12, ge=1)


class SrDenseNet(nn.Module):
    """SRDenseNet in 3-D: dense blocks that do not see what was before them (dissertation figure 4.4b).

    A block hands on what its units made; all blocks' features go through a bottleneck to the image.
    """

    def __init__(self, config: SrDenseNetConfig) -> None:
        super().__init__()
        self.config = config
        growth, features = config.growth, config.growth * config.units

        def unit(inputs: int) -> nn.Module:
            return nn.Sequential(conv(3, inputs, growth), nn.ReLU())

        self.stem = nn.Sequential(conv(3, 1, features), nn.ReLU())
        self.blocks = nn.ModuleList(
            DenseBlock(features, [unit] * config.units, growth, keep_input=False) for _ in range(config.blocks)
        )
        self.combine = nn.Sequential(
            conv(3, features * (1 + config.blocks), 8 * growth, kernel=1), nn.ReLU(), conv(3, 8 * growth, 1)
        )

    @property
    def receptive_field(self) -> int:
        """Voxels along an axis that one output voxel sees."""
        return 5 + 2 * self.config.blocks * self.config.units

    def forward(self, volume: Tensor) -> Tensor:
        """(batch, 1, z, y, x) → the same shape."""
        features = [self.stem(volume)]
        for block in self.blocks:
            features.append(block(features[-1]))
        return self.combine(torch.cat(features, dim=1))
