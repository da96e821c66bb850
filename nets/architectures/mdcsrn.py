"""DCSRN and mDCSRN: 3-D super-resolution on an unchanged matrix (dissertation chapters 3, 4 and 8.3.2)."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from nets.architectures.blocks import (
    DenseBlock,
    MultiLevel,
    SelfAttention,
    boxes_to_channels,
    channels_to_boxes,
    conv,
    norm,
)


@dataclass(frozen=True)
class DcsrnConfig:
    """Hyper-parameters of :class:`Dcsrn`: growth k and units of its one block."""

    growth: int = Field(default=24, ge=1)
    units: int = Field(default=4, ge=1)
    dims: Literal[2, 3] = 3


class Dcsrn(nn.Module):
    """One dense block of units [BN, ELU, conv 3³ → k] between two convolutions (chapter 3).

    Parameters
    ----------
    config : DcsrnConfig
    """

    def __init__(self, config: DcsrnConfig) -> None:
        super().__init__()
        self.config = config
        dims, growth = config.dims, config.growth
        batch_norm = nn.BatchNorm2d if dims == 2 else nn.BatchNorm3d

        def unit(inputs: int) -> nn.Module:
            return nn.Sequential(batch_norm(inputs), nn.ELU(), conv(dims, inputs, growth))

        self.stem = conv(dims, 1, 2 * growth)
        self.block = DenseBlock(2 * growth, [unit] * config.units, growth)
        self.combine = conv(dims, self.block.outputs, 1)

    @property
    def receptive_field(self) -> int:
        """Voxels along an axis that one output voxel sees."""
        return 5 + 2 * self.config.units

    def forward(self, volume: Tensor) -> Tensor:
        """(batch, 1, z, y, x) → the same shape."""
        return self.combine(self.block(self.stem(volume)))


@dataclass(frozen=True)
class MdcsrnConfig:
    """Hyper-parameters of :class:`Mdcsrn`.

    Attributes
    ----------
    blocks, units, growth : int
        b, u and k.
    norm : {"batch", "none"}
        Before each activation; none is beyond the paper: small batches make batch statistics noisy.
    bottleneck : bool
        Whether a unit's 3³ convolution follows a 1³ one to 4k. Without it, b1u12-r is "the original DenseNet design"
        of the ablation, about as large as b4u4-r.
    reconstruction_layer : bool
        ``-r`` of the ablation (`chen2020`, figure 5b): a bottleneck, batch norm and a 3³ convolution instead of the
        direct combination.
    reconstruction_width : int
        Channels of that bottleneck, in k: 8 by the caption, which makes b4u4 9.8 % smaller than b4u4-r; the text says
        15 %, which 13 gives.
    attention : {"none", "middle", "last"}
        Where the self-attention module sits.
    dims : int
    start : {"identity", "random"}
        Initial weights: at first the network hands on its input, as zero-filled volumes are near their originals.
        Only with the direct combination; without ``residual``, the stem needs as many channels as a box has voxels.
    residual : bool
        Beyond the paper: the input is added to the output (as in VDSR and RRDG), so that only what is missing is
        learned, and what was measured passes unharmed.
    fold : (3,) tuple of int
        Beyond the paper: voxels of each box (z, y, x) are channels inside the network. Of a volume whose lines were cut
        to a quarter along z and y, boxes of (4, 4, 1) lose nothing, and there are 16 times fewer places to compute.
    kernel : (3,) tuple of int
        Size of the units' convolutions (z, y, x). Beyond the paper: (3, 3, 1) where x was not cut; the stem still looks
        along x. It learns faster, and a step costs less.
    """

    blocks: int = Field(default=8, ge=1)
    units: int = Field(default=4, ge=1)
    growth: int = Field(default=12, ge=1)
    norm: Literal["batch", "none"] = "batch"
    bottleneck: bool = True
    reconstruction_layer: bool = False
    reconstruction_width: int = Field(default=8, ge=1)
    attention: Literal["none", "middle", "last"] = "none"
    dims: Literal[2, 3] = 3
    start: Literal["identity", "random"] = "identity"
    fold: tuple[int, int, int] = (1, 1, 1)
    kernel: tuple[int, int, int] = (3, 3, 3)
    residual: bool = False

    def __post_init__(self) -> None:
        if min(self.fold) < 1 or (self.dims == 2 and self.fold != (1, 1, 1)):
            raise ValueError(f"fold {self.fold} must be positive, and is for volumes")
        if any(size < 1 or size % 2 == 0 for size in self.kernel) or (self.dims == 2 and self.kernel != (3, 3, 3)):
            raise ValueError(f"kernel {self.kernel} must be odd, and is for volumes")
        if self.attention == "middle" and self.blocks < 2:
            raise ValueError("attention=middle sits after a compressor; it needs at least 2 blocks")


class Mdcsrn(nn.Module):
    """Multi-level densely connected super-resolution network, bBuU.

    Parameters
    ----------
    config : MdcsrnConfig
    """

    def __init__(self, config: MdcsrnConfig) -> None:
        super().__init__()
        self.config = config
        dims, growth, width = config.dims, config.growth, 2 * config.growth

        def unit(inputs: int) -> nn.Module:
            layers: list[nn.Module] = []
            if config.bottleneck:
                squeeze = conv(dims, inputs, 4 * growth, kernel=1, bias=False)
                layers, inputs = [*norm(config.norm, dims, inputs), nn.ELU(), squeeze], 4 * growth
            kernel = config.kernel if dims == 3 else 3
            spread = conv(dims, inputs, growth, kernel=kernel, bias=False)
            return nn.Sequential(*layers, *norm(config.norm, dims, inputs), nn.ELU(), spread)

        middle = width + (config.blocks // 2) * (width + config.units * growth)

        def compressor(inputs: int) -> nn.Module:
            looks = config.attention == "middle" and inputs == middle
            squeeze = conv(dims, inputs, width, kernel=1, bias=False)
            return nn.Sequential(
                *norm(config.norm, dims, inputs), nn.ELU(), squeeze, *([SelfAttention(dims, width)] if looks else [])
            )

        box = math.prod(config.fold)
        self.stem = conv(dims, box, width, bias=False)
        self.body = MultiLevel(
            width, config.blocks, lambda inputs: DenseBlock(inputs, [unit] * config.units, growth), compressor
        )
        features = self.body.outputs
        self.attention = SelfAttention(dims, features) if config.attention == "last" else None
        self.combine: nn.Module
        if config.reconstruction_layer:
            fewer = config.reconstruction_width * growth
            self.combine = nn.Sequential(
                conv(dims, features, fewer, kernel=1, bias=False),
                *norm(config.norm, dims, fewer),
                nn.ELU(),
                conv(dims, fewer, box),
            )
        else:
            self.combine = conv(dims, features, box, kernel=1)
            if config.start == "identity" and (config.residual or (self.attention is None and width >= box)):
                self._start_as_identity(box)

    @torch.no_grad()
    def _start_as_identity(self, box: int) -> None:
        nn.init.zeros_(self.combine.weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.combine.bias)  # type: ignore[arg-type]
        if not self.config.residual:
            nn.init.dirac_(self.stem.weight[:box])
            nn.init.dirac_(self.combine.weight[:, :box])  # type: ignore[index]

    @property
    def receptive_field(self) -> int | None:
        """Voxels along an axis, at most, that one output voxel sees; None: the whole volume."""
        return None if self.margins is None else 1 + 2 * max(self.margins)

    @property
    def margins(self) -> tuple[int, ...] | None:
        """How far (z, y, x) an output voxel sees to either side, in whole boxes; None: the whole volume."""
        if self.config.attention != "none":
            return None
        ends, units = 1 + self.config.reconstruction_layer, self.config.blocks * self.config.units
        reaches = (ends + units * (size // 2) for size in self.config.kernel)
        return tuple(reach * factor for reach, factor in zip(reaches, self.config.fold, strict=True))

    @torch.no_grad()
    def attention_map(self, volume: Tensor) -> Tensor:
        """Where each place looks, (batch, places, places) at half size along each axis.

        Raises
        ------
        ValueError
            If the network has no attention.
        """
        attention, features = self._attended(volume)
        return attention.attention(features)

    @torch.no_grad()
    def attention_rows(self, volume: Tensor, voxels: Sequence[tuple[int, ...]]) -> Tensor:
        """Where voxels look: the rows of :meth:`attention_map` that are theirs, without the map.

        Parameters
        ----------
        volume : (1, 1, z, y, x) Tensor
        voxels : sequence of (3,) tuple of int
            Queries (z, y, x). A place at half size holds 2³ boxes of ``fold``; in an odd matrix, the last voxel belongs
            to the place before it.

        Returns
        -------
        (len(voxels), z / 2, y / 2, x / 2) Tensor
            Sizes in boxes, rounded down; each adds to one.

        Raises
        ------
        ValueError
            If the network has no attention.
        """
        attention, features = self._attended(volume)
        sizes, steps = [size // 2 for size in features.shape[2:]], [2 * factor for factor in self.config.fold]
        places = []
        for voxel in voxels:
            place = 0  # of the flattened half-size grid
            for index, step, size in zip(voxel, steps, sizes, strict=True):
                place = place * size + min(index // step, size - 1)
            places.append(place)
        return attention.rows(features, places)[0].unflatten(1, sizes)

    def _attended(self, volume: Tensor) -> tuple[SelfAttention, Tensor]:
        """The attention module, and the features that come to it."""
        found = [module for module in self.modules() if isinstance(module, SelfAttention)]
        if not found:
            raise ValueError("this mDCSRN has no attention; build it with attention=middle or last")
        seen: list[Tensor] = []
        hook = found[0].register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
        try:
            self(volume)
        finally:
            hook.remove()
        return found[0], seen[0]

    def forward(self, volume: Tensor) -> Tensor:
        """(batch, 1, z, y, x) → the same shape."""
        restored = self._in_boxes(volume)
        return volume + restored if self.config.residual else restored

    def _in_boxes(self, volume: Tensor) -> Tensor:
        if self.config.fold == (1, 1, 1):
            return self._inside(volume)
        sizes, factors = volume.shape[2:], self.config.fold
        missing = [-size % factor for size, factor in zip(sizes, factors, strict=True)]
        padded = nn.functional.pad(volume, [0, missing[2], 0, missing[1], 0, missing[0]], mode="replicate")
        restored = channels_to_boxes(self._inside(boxes_to_channels(padded, factors)), factors)
        return restored[:, :, : sizes[0], : sizes[1], : sizes[2]]

    def _inside(self, volume: Tensor) -> Tensor:
        features = self.body(self.stem(volume))
        return self.combine(features if self.attention is None else self.attention(features))
