"""DWAN: dilated wide activation network for ASL perfusion maps (`xie2020`)."""

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from nets.architectures.blocks import conv


@dataclass(frozen=True)
class DwanConfig:
    """Hyper-parameters of :class:`Dwan`; one residual block of each pathway for each dilation.

    The paper's network sees blood flow alone; a guided one sees further channels of the same scan.
    """

    channels: int = Field(default=1, ge=1)
    width: int = Field(default=32, ge=1)
    wide: int = Field(default=128, ge=1)
    dilations: tuple[int, ...] = (2, 4, 8, 16)


class _WideActivation(nn.Module):
    def __init__(self, width: int, wide: int, dilation: int) -> None:
        super().__init__()
        self.widen = conv(2, width, wide, dilation=dilation)
        self.narrow = conv(2, wide, width)

    def forward(self, features: Tensor) -> Tensor:
        return features + self.narrow(torch.relu(self.widen(features)))


class Dwan(nn.Module):
    """A local and a global pathway of wide-activation residual blocks, plus a convolution of the input.

    Parameters
    ----------
    config : DwanConfig
    """

    def __init__(self, config: DwanConfig) -> None:
        super().__init__()
        self.config = config
        width, wide = config.width, config.wide
        self.stem = conv(2, config.channels, width)
        self.local_path = nn.Sequential(*(_WideActivation(width, wide, 1) for _ in config.dilations))
        self.global_path = nn.Sequential(*(_WideActivation(width, wide, dilation) for dilation in config.dilations))
        self.combine = conv(2, 2 * width, 1)
        self.skip = conv(2, config.channels, 1)

    @property
    def receptive_field(self) -> int:
        """Pixels along an axis that one output pixel sees."""
        return 5 + 2 * sum(dilation + 1 for dilation in self.config.dilations)

    def forward(self, image: Tensor) -> Tensor:
        """(batch, channels, y, x) → (batch, 1, y, x)."""
        features = self.stem(image)
        both = torch.cat([self.local_path(features), self.global_path(features)], dim=1)
        return self.combine(both) + self.skip(image)
