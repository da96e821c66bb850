"""mDCN: the spatial factor from its back-projection (dissertation chapter 6, figure 6.1a)."""

from typing import Literal

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from nets.architectures.blocks import DenseBlock, MultiLevel, conv, norm


@dataclass(frozen=True)
class MdcnConfig:
    """Hyper-parameters of :class:`Mdcn`.

    Attributes
    ----------
    rank : int
        L, complex maps in and out; the network has 2L channels.
    growth : int
        k.
    blocks : int
    dilations : tuple of int
        Dilations of the units of each block: 1-4-8-1, 1-2-4-1 and 1-1-1-1 in table 6-2.
    bias : bool
        Whether all convolutions have one.
    norm : {"none", "batch"}
        Before each convolution of the units.
    dims : int
        2 or 3.
    start : {"identity", "random"}
        Initial weights: identity hands the input through, so that training starts from the back-projection. It needs
        ``growth >= rank``.
    """

    rank: int = Field(default=32, ge=1)
    growth: int = Field(default=128, ge=1)
    blocks: int = Field(default=8, ge=1)
    dilations: tuple[int, ...] = (1, 4, 8, 1)
    bias: bool = False
    norm: Literal["none", "batch"] = "none"
    dims: Literal[2, 3] = 2
    start: Literal["identity", "random"] = "identity"

    def __post_init__(self) -> None:
        if not self.dilations or min(self.dilations) < 1:
            raise ValueError(f"dilations {self.dilations} must name at least one unit, each at least 1")


class Mdcn(nn.Module):
    """The wiring of mDCSRN without bottlenecks, with dilated convolutions.

    Parameters
    ----------
    config : MdcnConfig
    """

    def __init__(self, config: MdcnConfig) -> None:
        super().__init__()
        self.config = config
        dims, growth, channels, width = config.dims, config.growth, 2 * config.rank, 2 * config.growth

        def unit(dilation: int, inputs: int) -> nn.Module:
            layers = [*norm(config.norm, dims, inputs), nn.ELU()]
            return nn.Sequential(*layers, conv(dims, inputs, growth, bias=config.bias, dilation=dilation))

        def block(inputs: int) -> DenseBlock:
            units = [lambda c, d=dilation: unit(d, c) for dilation in config.dilations]
            return DenseBlock(inputs, units, growth)

        self.stem = conv(dims, channels, width, bias=config.bias)
        self.body = MultiLevel(
            width, config.blocks, block, lambda inputs: conv(dims, inputs, width, kernel=1, bias=config.bias)
        )
        self.combine = conv(dims, self.body.outputs, channels, kernel=1, bias=config.bias)
        if config.start == "identity" and width >= channels:
            self._start_as_identity(channels)

    def _start_as_identity(self, channels: int) -> None:
        with torch.no_grad():
            nn.init.dirac_(self.stem.weight)
            nn.init.zeros_(self.combine.weight)
            nn.init.dirac_(self.combine.weight[:, :channels])

    @property
    def receptive_field(self) -> int:
        """Pixels along an axis that one output pixel sees."""
        return 3 + 2 * self.config.blocks * sum(self.config.dilations)

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, 2L, y, x) → the same shape: real parts of all maps, then imaginary parts."""
        return self.combine(self.body(self.stem(maps)))
