"""DCDenseNet and its one-block DenseNet baseline: perivascular spaces in 7T T2w volumes (`jung2019`)."""

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from nets.architectures.blocks import OwnDenseBlock, conv, start_as_he


@dataclass(frozen=True)
class DcDenseNetConfig:
    """Hyper-parameters of :class:`DcDenseNet`; one block is the baseline DenseNet of the paper."""

    blocks: int = Field(default=6, ge=1)
    layers: int = Field(default=6, ge=2)
    growth: int = Field(default=8, ge=1)
    bottleneck: int = Field(default=16, ge=1)


class DcDenseNet(nn.Module):
    """Densely connected dense blocks without biases: the last features go on, all features form the image.

    It starts from the weights of He 2015, as in the paper.

    Parameters
    ----------
    config : DcDenseNetConfig
    """

    def __init__(self, config: DcDenseNetConfig) -> None:
        super().__init__()
        self.config = config
        growth, layers = config.growth, config.layers

        def unit(inputs: int) -> nn.Module:
            return nn.Sequential(conv(3, inputs, growth, bias=False), nn.ReLU())

        self.stem = nn.Sequential(conv(3, 1, growth, bias=False), nn.ReLU())
        self.blocks = nn.ModuleList(OwnDenseBlock(growth, [unit] * layers, growth) for _ in range(config.blocks))
        features = growth * (1 + config.blocks * layers)
        self.combine = nn.Sequential(
            conv(3, features, config.bottleneck, kernel=1, bias=False), conv(3, config.bottleneck, 1, bias=False)
        )
        start_as_he(self)

    @property
    def receptive_field(self) -> int:
        """Voxels along an axis that one output voxel sees."""
        return 5 + 2 * self.config.blocks * self.config.layers

    def forward(self, volume: Tensor) -> Tensor:
        """(batch, 1, z, y, x) → the same shape; the paper keeps only white matter of it."""
        features = [self.stem(volume)]
        last = features[0]
        for block in self.blocks:
            outputs = block(last)
            features.append(outputs)
            last = outputs[:, -self.config.growth :]
        return self.combine(torch.cat(features, dim=1))
