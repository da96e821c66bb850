"""HighRes3DNet (Li 2017): dilated residual convolutions at full resolution; Wang 2020 compares six levels of it."""

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from nets.architectures.blocks import conv

_UNITS = 3
"""Residual units of a stage."""


@dataclass(frozen=True)
class HighRes3DNetConfig:
    """Hyper-parameters of :class:`HighRes3DNet`.

    Attributes
    ----------
    classes : int
        Labels, background included.
    width : int
        Kernels of the first convolution and of the first stage; the second and third have 2 and 4 times as many.
    wide : int
        Kernels of the convolution before the last.
    """

    classes: int = Field(default=160, ge=2)
    width: int = Field(default=16, ge=1)
    wide: int = Field(default=80, ge=1)


class _Residual(nn.Module):
    """Twice [BN, ReLU, conv 3³], added to the input, which gets channels of zeros where there are more of them."""

    def __init__(self, inputs: int, outputs: int, dilation: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels in (inputs, outputs):
            layers += [
                nn.BatchNorm3d(channels),
                nn.ReLU(),
                conv(3, channels, outputs, bias=False, dilation=dilation),
            ]
        self.layers = nn.Sequential(*layers)
        self.more = outputs - inputs

    def forward(self, features: Tensor) -> Tensor:
        kept = nn.functional.pad(features, [0, 0, 0, 0, 0, 0, 0, self.more])
        return kept + self.layers(features)


class HighRes3DNet(nn.Module):
    """A convolution, three stages of residual units with dilations 1, 2 and 4, and two convolutions of 1³.

    With 16 kernels, 80 before the last convolution and 160 classes it has the 0.81 million weights of Li 2017.

    Parameters
    ----------
    config : HighRes3DNetConfig
    """

    def __init__(self, config: HighRes3DNetConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.stem = nn.Sequential(conv(3, 1, width, bias=False), nn.BatchNorm3d(width), nn.ReLU())
        stages, inputs = [], width
        for level in range(3):
            outputs, units = width * 2**level, []
            for _ in range(_UNITS):
                units.append(_Residual(inputs, outputs, dilation=2**level))
                inputs = outputs
            stages.append(nn.Sequential(*units))
        self.stages = nn.ModuleList(stages)
        self.widen = nn.Sequential(
            conv(3, inputs, config.wide, kernel=1, bias=False), nn.BatchNorm3d(config.wide), nn.ReLU()
        )
        self.head = conv(3, config.wide, config.classes, kernel=1)

    @property
    def receptive_field(self) -> int:
        """Voxels along an axis that one output voxel sees."""
        return 3 + sum(2 * _UNITS * 2 * 2**level for level in range(3))

    @property
    def layers(self) -> list[nn.Module]:
        """What makes the six levels that Wang 2020 compares, one from the last: the last one makes the scores."""
        return [self.stem, *self.stages, self.widen, self.head]

    def forward(self, volume: Tensor) -> Tensor:
        """(batch, 1, z, y, x) → (batch, classes, z, y, x) scores before the softmax."""
        features = volume
        for layer in self.layers:
            features = layer(features)
        return features


def slice_channels(scores: Tensor) -> Tensor:
    """(batch, classes, slices, y, x) scores as networks of stacks give them: (batch, slices · classes, y, x)."""
    return torch.flatten(scores.transpose(1, 2), 1, 2)
