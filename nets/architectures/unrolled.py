"""mDCN kept honest by the data: rounds of a network, each followed by CG steps with the normal operator (MoDL).

Aggarwal 2019 (IEEE TMI 38, 394) alternates a network with the minimum of ``‖d - E_Φ(U)‖² + μ ‖U - z‖²``, z being what
the network says; here both are few, and the whole is trained end to end. A network alone sees the combined image; what
it cannot know the coils tell: streaks of few spokes above all.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass as plain_dataclass
from typing import Any

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from nets.architectures.mdcn import Mdcn, MdcnConfig
from nets.scaling import to_channels, to_maps

_FIRST_WEIGHT = 0.1
"""μ before training, over the mean sampling density: that of the CG steps after a network that knows no data."""


@plain_dataclass(frozen=True)
class DataTerm:
    """What was measured, as far as basis maps are concerned: ``‖d - E_Φ(U)‖²`` but for a constant.

    Attributes
    ----------
    normal : callable
        E_Φᴴ E_Φ: (L, y, x) complex64 Tensor → the same, linear and self-adjoint.
    adjoint : (L, y, x) complex64 Tensor
        E_Φᴴ d.
    density : (y, x) float32 Tensor
        What the normal operator does to the mean image at each k-space point, in FFT order.
    """

    normal: Callable[[Tensor], Tensor]
    adjoint: Tensor
    density: Tensor


@dataclass(frozen=True)
class UnrolledConfig:
    """Hyper-parameters of :class:`MdcnUnrolled`.

    Attributes
    ----------
    rank : int
        L, complex maps in and out at most.
    rounds : int
        K.
    cg_steps : int
        CG steps after each network; each costs a product with the normal operator, and its start another.
    growth, blocks, dilations :
        Of the network of each round, as in :class:`nets.architectures.mdcn.MdcnConfig`; it is added to its input.
    fold : int
        Boxes of so many pixels along each axis become channels of the network: 2 makes it about four times cheaper, and
        its sight twice as wide.
    shared : bool
        One network for all rounds.
    """

    rank: int = Field(default=32, ge=1)
    rounds: int = Field(default=5, ge=1)
    cg_steps: int = Field(default=2, ge=1)
    growth: int = Field(default=32, ge=1)
    blocks: int = Field(default=3, ge=1)
    dilations: tuple[int, ...] = (1, 4, 8, 1)
    fold: int = Field(default=2, ge=1)
    shared: bool = False


class MdcnUnrolled(nn.Module):
    """K times: ``z = U + network(U)``, then CG steps from z towards the minimum of ``‖d - E_Φ(U)‖² + μ ‖U - z‖²``.

    Before training the networks add nothing: what is left are the CG steps.

    Parameters
    ----------
    config : UnrolledConfig

    Attributes
    ----------
    checkpointing : bool
        In training, keep what enters a round alone and compute the rest twice: less memory, more time.
    """

    def __init__(self, config: UnrolledConfig) -> None:
        super().__init__()
        self.config, self.checkpointing = config, False
        count = 1 if config.shared else config.rounds
        self.networks = nn.ModuleList(_RoundNetwork(config) for _ in range(count))
        self.log_weights = nn.Parameter(torch.full((config.rounds,), math.log(_FIRST_WEIGHT)))

    @property
    def receptive_field(self) -> None:
        """The data term sees everything."""
        return None

    def forward(self, back_projection: Tensor, data: DataTerm) -> Tensor:
        """Estimate the spatial factor.

        Parameters
        ----------
        back_projection : (L, y, x) complex64 Tensor
            U₀, at most ``rank`` maps; of any scale.
        data : DataTerm
            On the same device.

        Returns
        -------
        (L, y, x) complex64 Tensor
        """
        scale, density = _root_mean_square(back_projection), data.density.mean()
        scaled = DataTerm(
            lambda maps: data.normal(maps) / density, data.adjoint / (density * scale), data.density / density
        )
        maps = back_projection / scale
        for number in range(self.config.rounds):
            if self.checkpointing and self.training:
                maps = checkpoint(self._round, number, maps, scaled, use_reentrant=False)
            else:
                maps = self._round(number, maps, scaled)
        return maps * scale

    def _round(self, number: int, maps: Tensor, data: DataTerm) -> Tensor:
        network = self.networks[0 if self.config.shared else number]
        prior = maps + network(maps)
        return consistent(prior, data, self.log_weights[number].exp(), self.config.cg_steps)


class _RoundNetwork(nn.Module):
    """An mDCN on folded pixels whose last weights start at zero; maps that a scan lacks cost nothing."""

    def __init__(self, config: UnrolledConfig) -> None:
        super().__init__()
        self.fold, self.rank = config.fold, config.rank
        inner = MdcnConfig(config.rank * config.fold**2, config.growth, config.blocks, config.dilations, start="random")
        self.mdcn = Mdcn(inner)
        nn.init.zeros_(self.mdcn.combine.weight)

    def forward(self, maps: Tensor) -> Tensor:
        """(L, y, x) complex64 → the same."""
        sizes = maps.shape[-2:]
        channels = nn.functional.pad(
            to_channels(maps), [part for size in sizes[::-1] for part in (0, -size % self.fold)]
        )
        folded = nn.functional.pixel_unshuffle(channels[None], self.fold).contiguous(memory_format=torch.channels_last)
        used = self._used(len(maps), maps.device)
        stem = nn.functional.conv2d(folded, self.mdcn.stem.weight[:, used], padding=1)
        added = nn.functional.conv2d(self.mdcn.body(stem), self.mdcn.combine.weight[used])
        return to_maps(nn.functional.pixel_shuffle(added.float(), self.fold)[0])[:, : sizes[0], : sizes[1]]

    def _used(self, rank: int, device: torch.device) -> Tensor:
        """Channels of the first ``rank`` maps, real parts and imaginary parts."""
        places, half = torch.arange(rank * self.fold**2, device=device), self.rank * self.fold**2
        return torch.cat([places, half + places])


def consistent(prior: Tensor, data: DataTerm, weight: Tensor, steps: int) -> Tensor:
    """Take preconditioned CG steps from a prior z towards ``(E_Φᴴ E_Φ + μ) U = E_Φᴴ d + μ z``.

    Every step is differentiable; the normal operator's derivative is itself.

    Parameters
    ----------
    prior : (L, y, x) complex64 Tensor
    data : DataTerm
    weight : () float32 Tensor
        μ.
    steps : int

    Returns
    -------
    (L, y, x) complex64 Tensor
    """

    def precondition(maps: Tensor) -> Tensor:
        return torch.fft.ifft2(torch.fft.fft2(maps) / (data.density + weight))

    estimate = prior
    residual = data.adjoint - _SelfAdjoint.apply(prior, data.normal)
    direction = preconditioned = precondition(residual)
    energy = _inner(residual, preconditioned)
    for step in range(steps):
        image = _SelfAdjoint.apply(direction, data.normal) + weight * direction
        length = energy / _inner(direction, image).clamp_min(torch.finfo(torch.float32).tiny)
        estimate = estimate + length * direction
        if step + 1 < steps:
            residual = residual - length * image
            preconditioned, before = precondition(residual), energy
            energy = _inner(residual, preconditioned)
            direction = preconditioned + energy / before.clamp_min(torch.finfo(torch.float32).tiny) * direction
    return estimate


def _inner(left: Tensor, right: Tensor) -> Tensor:
    return torch.sum(left.real * right.real + left.imag * right.imag)


def _root_mean_square(maps: Tensor) -> Tensor:
    scale = torch.linalg.vector_norm(maps) / math.sqrt(maps.numel())
    return torch.where(scale > 0, scale, torch.ones_like(scale))


class _SelfAdjoint(torch.autograd.Function):
    """A linear operator that is its own adjoint, whoever computes it: its derivative is itself."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, operator: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.operator = operator
        return operator(maps)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.operator(gradient.contiguous()), None
