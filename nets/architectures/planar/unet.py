"""U-Net without batch norm: DWAN's first competitor (`ronneberger2015`; as `xie2020` cites it)."""

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from nets.architectures.blocks import conv


@dataclass(frozen=True)
class UNetConfig:
    """Hyper-parameters of :class:`UNet`; each level has half the pixels and twice the width of the one above."""

    width: int = Field(default=32, ge=1)
    levels: int = Field(default=4, ge=1, le=6)


class UNet(nn.Module):
    """Two convolutions at each level on the way down and up, and the image itself added to what comes out.

    Parameters
    ----------
    config : UNetConfig
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.width * 2**level for level in range(config.levels)]
        self.down = nn.ModuleList(
            _twice(before, after) for before, after in zip([1, *widths[:-1]], widths, strict=True)
        )
        pairs = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.rise = nn.ModuleList(nn.ConvTranspose2d(deep, shallow, 2, stride=2) for deep, shallow in pairs)
        self.up = nn.ModuleList(_twice(2 * shallow, shallow) for _, shallow in pairs)
        self.combine = conv(2, config.width, 1)

    @property
    def receptive_field(self) -> int:
        """Pixels along an axis that one output pixel sees at most: the grids of pooling shift it."""
        extent, levels = 7, self.config.levels  # the last convolution and the two before it
        for _ in range(levels - 1):
            extent = extent // 2 + 1 + 4  # on the way down that many coarse pixels, and two convolutions
        for _ in range(levels - 1):
            extent = 2 * extent + 4
        return extent

    def forward(self, image: Tensor) -> Tensor:
        """(batch, 1, y, x) → the same shape; sizes that do not halve are filled up at their ends."""
        rows, columns = image.shape[-2:]
        step = 2 ** (self.config.levels - 1)
        features = nn.functional.pad(image, (0, -columns % step, 0, -rows % step))
        kept = []
        for level, block in enumerate(self.down):
            features = block(nn.functional.max_pool2d(features, 2) if level else features)
            kept.append(features)
        for rise, block, beside in zip(self.rise, self.up, kept[-2::-1], strict=True):
            features = block(torch.cat([beside, rise(features)], dim=1))
        found: Tensor = self.combine(features)[..., :rows, :columns]
        return found + image


def _twice(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(conv(2, before, after), nn.ReLU(), conv(2, after, after), nn.ReLU())
