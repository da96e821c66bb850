"""Data on the scale of a network: complex maps as normalised channels, volumes over a percentile."""

from dataclasses import dataclass

import torch
from torch import Tensor


def to_channels(maps: Tensor) -> Tensor:
    """Real parts of all maps, then imaginary parts: (..., L, y, x) complex64 → (..., 2L, y, x) float32."""
    return torch.cat([maps.real, maps.imag], dim=-3)


def to_maps(channels: Tensor) -> Tensor:
    """Undo :func:`to_channels`."""
    real, imag = channels.float().chunk(2, dim=-3)
    return torch.complex(real.contiguous(), imag.contiguous())


@dataclass(frozen=True)
class Normalisation:
    """Mean and standard deviation of one instance over all its channels and pixels.

    Attributes
    ----------
    mean, deviation : float
    """

    mean: float
    deviation: float

    def apply(self, channels: Tensor) -> Tensor:
        """Bring channels to the network's scale."""
        return (channels - self.mean) / self.deviation

    def undo(self, channels: Tensor) -> Tensor:
        """Bring the network's output back."""
        return channels * self.deviation + self.mean


def normalisation_of(channels: Tensor) -> Normalisation:
    """Measure an instance; one that is constant is only shifted.

    Parameters
    ----------
    channels : (2L, y, x) float32 Tensor
    """
    deviation, mean = torch.std_mean(channels.double(), correction=0)
    return Normalisation(float(mean), float(deviation) if deviation > 0 else 1.0)


Factors = tuple[float, float, float]
"""How many times fewer lines were measured along z, y, x."""

_QUANTILE = 0.999
"""Share of the voxels below the intensity that counts as one; a single bright voxel does not move it."""


def intensity_scale(volume: Tensor) -> float:
    """What a volume is divided by before a network sees it: its 99.9th percentile, which one bright voxel cannot move.

    Parameters
    ----------
    volume : (z, y, x) float32 Tensor
        The low-resolution one: the only one there is at the scanner.

    Returns
    -------
    float
    """
    rank = max(1, round(_QUANTILE * volume.numel()))
    return float(volume.flatten().kthvalue(rank).values)
