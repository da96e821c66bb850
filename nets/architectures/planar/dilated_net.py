"""DilatedNet: a straight chain of dilated convolutions, DWAN's second competitor (`kim2018`; as `xie2020` cites it).

The cited paper's layers were not at hand: width and dilations are those of DWAN's global pathway.
"""

from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from nets.architectures.blocks import conv


@dataclass(frozen=True)
class DilatedNetConfig:
    """Hyper-parameters of :class:`DilatedNet`; one layer for each dilation."""

    width: int = Field(default=64, ge=1)
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 1)


class DilatedNet(nn.Module):
    """Convolutions whose taps lie further and further apart, and the image itself added to what comes out.

    Parameters
    ----------
    config : DilatedNetConfig
    """

    def __init__(self, config: DilatedNetConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = [conv(2, 1, config.width), nn.ReLU()]
        for dilation in config.dilations:
            layers += [conv(2, config.width, config.width, dilation=dilation), nn.ReLU()]
        self.chain = nn.Sequential(*layers, conv(2, config.width, 1))

    @property
    def receptive_field(self) -> int:
        """Pixels along an axis that one output pixel sees."""
        return 1 + 2 * (2 + sum(self.config.dilations))

    def forward(self, image: Tensor) -> Tensor:
        """(batch, 1, y, x) → the same shape."""
        found: Tensor = self.chain(image)
        return found + image
