"""The degradation that super-resolution learns to undo: the outer lines of k-space were not measured."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from nets.scaling import Factors

# The axes z, y, x of a volume.
_AXES = (-3, -2, -1)
# Largest standard deviation, in voxels, of the Gaussian that gives random texture its grain.
_WIDEST_GRAIN = 1.5


def lines_measured(size: int, factor: float) -> int:
    """Count the lines that are measured along an axis that is cut to ``1 / factor``.

    The rule is that of :func:`recon.cartesian.lines_measured`, which nets may not import; a test holds both to it.
    """
    return size if factor == 1 else min(size, max(2, 2 * round(size / factor / 2)))


def measured_part(volume: Tensor, factors: Factors) -> Tensor:
    """Keep the centre of k-space, at an unchanged matrix (zero-filled); never resample in the image.

    Parameters
    ----------
    volume : (..., z, y, x) Tensor
        Real, or complex with its phase.
    factors : (3,) tuple of float
        Along z, y, x: 1 leaves an axis whole, (4, 4, 1) is 16 times fewer lines.

    Returns
    -------
    (..., z, y, x) complex64 Tensor
        Even sizes have no line opposite to the outermost one, so that a real volume gets a small imaginary part.
    """
    kspace = torch.fft.fftn(volume, dim=_AXES)
    for axis, factor in zip(_AXES, factors, strict=True):
        size = volume.shape[axis]
        lines = lines_measured(size, factor)
        first = -(lines // 2)
        known = torch.zeros(size, device=volume.device)
        known[torch.arange(first, first + lines) % size] = 1
        kspace = kspace * known.reshape([-1] + [1] * (-axis - 1))
    return torch.fft.ifftn(kspace, dim=_AXES)


def truncate_kspace(volume: Tensor, factors: Factors) -> Tensor:
    """(..., z, y, x) float32 magnitude of the :func:`measured_part`, as a scanner shows it."""
    return measured_part(volume, factors).abs().float()


def random_texture(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Complex Gaussian noise of unit deviation, white or with a grain of up to three voxels.

    Parameters
    ----------
    shape : (3,) tuple of int
    generator : torch.Generator

    Returns
    -------
    (z, y, x) complex64 Tensor
    """
    noise = torch.randn(shape, dtype=torch.complex64, generator=generator)
    width = _WIDEST_GRAIN * float(torch.rand((), generator=generator))
    kspace = torch.fft.fftn(noise)
    for axis, size in zip(_AXES, shape, strict=True):
        wave = 2 * math.pi * torch.fft.fftfreq(size)
        kspace = kspace * torch.exp(-0.5 * (width * wave) ** 2).reshape([-1] + [1] * (-axis - 1))
    texture = torch.fft.ifftn(kspace)
    return texture / texture.std()


def smooth_phase(shape: tuple[int, ...], generator: torch.Generator, strength: float = 1.0) -> Tensor:
    """A random phase as off-resonance and coils leave it: a constant, a slope, and a slow wave.

    Parameters
    ----------
    shape : (3,) tuple of int
    generator : torch.Generator
    strength : float
        Radians at the edges, about.

    Returns
    -------
    (z, y, x) complex64 Tensor
        Factors of unit magnitude.
    """
    phase = 2 * math.pi * torch.rand((), generator=generator)
    axes = [torch.linspace(-1, 1, size) for size in shape]
    grids = torch.meshgrid(*axes, indexing="ij")
    for grid in grids:
        slope, wave, start = torch.randn(3, generator=generator)
        phase = phase + strength * (slope * grid + 0.5 * wave * torch.sin(2 * grid + start))
    return torch.polar(torch.ones_like(phase), phase)


class Degradation(ABC):
    """What a scan does to a volume before its outer lines are left out; recipes list them."""

    @abstractmethod
    def __call__(self, signal: Tensor, factors: Factors, generator: torch.Generator) -> Tensor:
        """Change a volume.

        Parameters
        ----------
        signal : (z, y, x) Tensor
            Real or complex; its 99.9th percentile is one.
        factors : (3,) tuple of float
            How many times fewer lines are measured along z, y, x.
        generator : torch.Generator

        Returns
        -------
        (z, y, x) Tensor
        """


class RandomPhase(Degradation):
    """A smooth phase, as of coils and off-resonance: the k-space of a magnitude is symmetric, that of a scan is not."""

    def __call__(self, signal: Tensor, factors: Factors, generator: torch.Generator) -> Tensor:
        """Multiply with a :func:`smooth_phase`."""
        return signal * smooth_phase(tuple(signal.shape), generator)


class MeasuredTexture(Degradation):
    """Add random texture to the lines that are measured, so that it stays in the label.

    Whatever was measured is to pass, be it noise or structure that no simulation has: a network that learns to take
    noise away smooths real tissue, too.

    Parameters
    ----------
    largest : float
        Largest standard deviation of the texture before truncation, over the volume's 99.9th percentile.
    """

    def __init__(self, largest: float) -> None:
        self.largest = largest

    def __call__(self, signal: Tensor, factors: Factors, generator: torch.Generator) -> Tensor:
        """Add :func:`random_texture` of a random strength."""
        level = self.largest * float(torch.rand((), generator=generator))
        return signal + level * measured_part(random_texture(tuple(signal.shape), generator), factors)


def degraded(
    full: Tensor, factors: Factors, degradations: Sequence[Degradation], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """A volume as a shorter scan shows it, and as the full one does.

    Parameters
    ----------
    full : (z, y, x) float32 Tensor
    factors : (3,) tuple of float
    degradations : sequence of Degradation
    generator : torch.Generator

    Returns
    -------
    (z, y, x) float32 Tensor, (z, y, x) float32 Tensor
        Magnitudes.
    """
    signal = full
    for degradation in degradations:
        signal = degradation(signal, factors, generator)
    return truncate_kspace(signal, factors), signal.abs().float()
