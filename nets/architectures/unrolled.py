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

_USUAL_NOISE = 0.01
"""n up to which μ is as it was learned [of n from 0.002 to 0.3, on kinds that are trained on: below it a larger μ costs
4 %, at twice of it it gains as much]."""

_MOST = 1e3
"""Times that μ grows at most: the data hardly count then."""


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
    noise_variance : float or () float32 Tensor
        Of a complex sample of d.
    """

    normal: Callable[[Tensor], Tensor]
    adjoint: Tensor
    density: Tensor
    noise_variance: float | Tensor


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
        Of the mDCN of each round, as in :class:`nets.architectures.mdcn.MdcnConfig`.
    refines : bool
        End with one more network: CG steps bring back some of the noise.
    shared : bool
        One network for all rounds, and for the end.
    """

    rank: int = Field(default=32, ge=1)
    rounds: int = Field(default=3, ge=1)
    cg_steps: int = Field(default=2, ge=1)
    growth: int = Field(default=32, ge=1)
    blocks: int = Field(default=4, ge=1)
    dilations: tuple[int, ...] = (1, 4, 8, 1)
    refines: bool = True
    shared: bool = False

    @property
    def networks(self) -> int:
        """How many networks take part."""
        return 1 if self.shared else self.rounds + self.refines

    @property
    def of_a_round(self) -> MdcnConfig:
        """Hyper-parameters of each network."""
        return MdcnConfig(self.rank, self.growth, self.blocks, self.dilations)


class MdcnUnrolled(nn.Module):
    """K times: ``z = mDCN(U)``, then CG steps from z towards the minimum of ``‖d - E_Φ(U)‖² + μ ‖U - z‖²``.

    Before training the networks hand through what they are given (``growth >= rank``): what is left are the CG steps.

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
        self.networks = nn.ModuleList(_OfFewMaps(config.of_a_round) for _ in range(config.networks))
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
        scale, density = self._scale(back_projection), data.density.mean()
        scaled = DataTerm(
            lambda maps: data.normal(maps) / density,
            data.adjoint / (density * scale),
            data.density / density,
            data.noise_variance / (density * scale**2),
        )
        maps = back_projection / scale
        weights = self.log_weights.exp() * noise_factor(maps, scaled)
        for number in range(self.config.rounds):
            if self.checkpointing and self.training:
                maps = checkpoint(self._round, number, maps, scaled, weights[number], use_reentrant=False)
            else:
                maps = self._round(number, maps, scaled, weights[number])
        if self.config.refines:
            maps = self._network(self.config.rounds)(maps)
        return maps * scale

    def _network(self, number: int) -> nn.Module:
        return self.networks[0 if self.config.shared else number]

    def _round(self, number: int, maps: Tensor, data: DataTerm, weight: Tensor) -> Tensor:
        return consistent(self._network(number)(maps), data, weight, self.config.cg_steps)

    def _scale(self, maps: Tensor) -> Tensor:
        """Deviation over all channels, those that a scan lacks being zero: what a single mDCN is normalised by."""
        count = 2 * self.config.rank * maps[0].numel()
        scale = torch.linalg.vector_norm(maps) / math.sqrt(count)
        return torch.where(scale > 0, scale, torch.ones_like(scale))


class _OfFewMaps(Mdcn):
    """mDCN on complex maps; those that a scan lacks count as zero, and cost nothing."""

    def forward(self, maps: Tensor) -> Tensor:
        """(L, y, x) complex64 → the same."""
        channels = to_channels(maps)[None].contiguous(memory_format=torch.channels_last)
        first = torch.arange(len(maps), device=maps.device)
        used = torch.cat([first, self.config.rank + first])
        stem = nn.functional.conv2d(channels, self.stem.weight[:, used], padding=1)
        return to_maps(nn.functional.conv2d(self.body(stem), self.combine.weight[used])[0])


def noise_factor(back_projection: Tensor, data: DataTerm) -> Tensor:
    """How many times μ is what was learned: of noisy data in proportion to n, their noise over the power of a pixel.

    MoDL's μ is the variance of the noise over that of the network's error.

    Parameters
    ----------
    back_projection : (L, y, x) complex64 Tensor
        U₀, whose mean power is that of a pixel.
    data : DataTerm
        n is their noise in a pixel if they were sampled evenly.

    Returns
    -------
    () float32 Tensor
        From 1 to 1000.
    """
    power = back_projection.abs().square().mean().clamp_min(torch.finfo(torch.float32).tiny)
    return (data.noise_variance / (data.density.mean() * power) / _USUAL_NOISE).clamp(1, _MOST)


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


class _SelfAdjoint(torch.autograd.Function):
    """A linear operator that is its own adjoint, whoever computes it: its derivative is itself."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, operator: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.operator = operator
        return operator(maps)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.operator(gradient.contiguous()), None
