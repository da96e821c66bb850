"""Data on the scale of a network: complex maps as normalised channels, volumes over a percentile."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

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


@dataclass(frozen=True)
class LabelStatistics:
    """How labels are scaled against their inputs: what undoes a normalisation by a label that inference does not have.

    Attributes
    ----------
    deviation_ratio : float
        Deviation of the label over that of the input.
    mean_shift : float
        Mean of the label minus that of the input, over the input's deviation.
    """

    deviation_ratio: float = 1.0
    mean_shift: float = 0.0

    @classmethod
    def mean_of(cls, pairs: Sequence[tuple[Normalisation, Normalisation]]) -> LabelStatistics:
        """Average over pairs of an input's and its label's normalisation; the ratio as a geometric mean."""
        ratios = [math.log(label.deviation / shown.deviation) for shown, label in pairs]
        shifts = [(label.mean - shown.mean) / shown.deviation for shown, label in pairs]
        return cls(math.exp(sum(ratios) / len(pairs)), sum(shifts) / len(pairs))

    def of_label(self, shown: Normalisation) -> Normalisation:
        """Estimate a label's normalisation from its input's."""
        return Normalisation(shown.mean + self.mean_shift * shown.deviation, self.deviation_ratio * shown.deviation)

    def as_dict(self) -> dict[str, float]:
        """As a model card keeps it."""
        return asdict(self)


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

    Of a volume that is empty but for fewer voxels, it is their maximum.

    Parameters
    ----------
    volume : (z, y, x) float32 Tensor
        The low-resolution one: the only one there is at the scanner.

    Returns
    -------
    float
    """
    rank = max(1, round(_QUANTILE * volume.numel()))
    scale = float(volume.flatten().kthvalue(rank).values)
    return scale if scale > 0 else float(volume.max())


def scale_inside(volume: Tensor, mask: Tensor) -> float:
    """What a volume is divided by before a network sees it that knows one tissue: the median inside its mask.

    A median moves with neither noise nor the number of bright spaces in the tissue, as a high percentile does.

    Parameters
    ----------
    volume : (z, y, x) float32 Tensor
    mask : (z, y, x) bool Tensor
        Not empty.

    Returns
    -------
    float
        1 for a tissue that is mostly zero.
    """
    scale = float(volume[mask].median())
    return scale if scale > 0 else 1.0
