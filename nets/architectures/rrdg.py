"""RRDG: residual-in-residual dense generator (`wang2020`), and the blending of two trained ones."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Literal, cast

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from nets.architectures.blocks import DenseBlock, batch_norms, conv

# Factor on each residual: beta of Wang 2020.
_RESIDUAL_SCALE = 0.2


@dataclass(frozen=True)
class RrdgConfig:
    """Hyper-parameters of :class:`Rrdg`.

    Attributes
    ----------
    blocks : int
        RRDBs, each of three residual dense blocks.
    width, growth : int
        Features of the trunk, and k of the four units of a dense block.
    checkpointing : bool
        Compute a dense block's features again in the backward pass instead of keeping them.
    dims : int
    """

    blocks: int = Field(default=4, ge=1)
    width: int = Field(default=48, ge=1)
    growth: int = Field(default=12, ge=1)
    checkpointing: bool = True
    dims: Literal[2, 3] = 3


class _ResidualDenseBlock(nn.Module):
    def __init__(self, config: RrdgConfig) -> None:
        super().__init__()
        dims, width, growth = config.dims, config.width, config.growth
        batch_norm = nn.BatchNorm2d if dims == 2 else nn.BatchNorm3d

        def unit(inputs: int) -> nn.Module:
            return nn.Sequential(conv(dims, inputs, growth), batch_norm(growth), nn.LeakyReLU(0.2))

        self.dense = DenseBlock(width, [unit] * 4, growth)
        self.fuse = nn.Sequential(conv(dims, self.dense.outputs, width), batch_norm(width))
        self.checkpointing = config.checkpointing

    def forward(self, features: Tensor) -> Tensor:
        if self.checkpointing and torch.is_grad_enabled():
            again = partial(_statistics_kept, self.dense)
            dense = checkpoint(self.dense, features, use_reentrant=False, context_fn=again)
        else:
            dense = self.dense(features)
        return features + _RESIDUAL_SCALE * self.fuse(dense)


def _statistics_kept(block: nn.Module) -> tuple[AbstractContextManager, AbstractContextManager]:
    """Around the first computation of a block, and around the second: there, running statistics do not move again."""

    @contextmanager
    def kept() -> Iterator[None]:
        layers = batch_norms(block)
        before = [(layer.momentum, cast("Tensor", layer.num_batches_tracked).clone()) for layer in layers]
        for layer in layers:
            layer.momentum = 0.0
        try:  # torch leaves by an exception as soon as it has what it needs
            yield
        finally:
            for layer, (momentum, batches) in zip(layers, before, strict=True):
                layer.momentum = momentum
                cast("Tensor", layer.num_batches_tracked).copy_(batches)

    return nullcontext(), kept()


class _Rrdb(nn.Module):
    def __init__(self, config: RrdgConfig) -> None:
        super().__init__()
        self.inner = nn.Sequential(*(_ResidualDenseBlock(config) for _ in range(3)))

    def forward(self, features: Tensor) -> Tensor:
        return features + _RESIDUAL_SCALE * self.inner(features)


class Rrdg(nn.Module):
    """Residual-in-residual dense generator with a global residual over its trunk.

    Parameters
    ----------
    config : RrdgConfig
    """

    def __init__(self, config: RrdgConfig) -> None:
        super().__init__()
        self.config = config
        dims, width = config.dims, config.width
        batch_norm = nn.BatchNorm2d if dims == 2 else nn.BatchNorm3d
        self.stem = conv(dims, 1, width)
        self.trunk = nn.Sequential(
            *(_Rrdb(config) for _ in range(config.blocks)), conv(dims, width, width), batch_norm(width)
        )
        self.head = nn.Sequential(conv(dims, width, width), nn.LeakyReLU(0.2), conv(dims, width, 1))

    @property
    def receptive_field(self) -> int:
        """Voxels along an axis that one output voxel sees."""
        return 1 + 2 * (self.config.blocks * 3 * 5 + 4)

    def forward(self, volume: Tensor) -> Tensor:
        """(batch, 1, z, y, x) → the same shape."""
        features = self.stem(volume)
        return self.head(features + self.trunk(features))


def blend(psnr: Mapping[str, Tensor], gan: Mapping[str, Tensor], alpha: float) -> dict[str, Tensor]:
    """Interpolate the weights of two networks: ``α θ_psnr + (1 − α) θ_gan``, one forward pass.

    Parameters
    ----------
    psnr, gan : mapping of str to Tensor
        State dictionaries of one architecture.
    alpha : float
        1: the network trained for intensity alone.

    Returns
    -------
    dict of str to Tensor

    Raises
    ------
    ValueError
        If the two do not hold the same weights.
    """
    if psnr.keys() != gan.keys() or any(psnr[name].shape != gan[name].shape for name in psnr):
        raise ValueError("only two networks of the same architecture can be blended")
    return {
        name: alpha * value + (1 - alpha) * gan[name] if value.is_floating_point() else value
        for name, value in psnr.items()
    }
