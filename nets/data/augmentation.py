"""Random changes of training samples, as a recipe lists them: the same in input and label unless said otherwise.

A sample is one tensor: input and label along the first axis, pixels along the last ones. Whatever is random comes from
the generator that is handed in, in the order of the list.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor


class Augmentation(ABC):
    """A random change that respects the physics."""

    @abstractmethod
    def __call__(self, pair: Tensor, rng: np.random.Generator) -> Tensor:
        """Change input and label.

        Parameters
        ----------
        pair : (2, ...) Tensor
            Input and label.
        rng : numpy.random.Generator

        Returns
        -------
        (2, ...) Tensor
        """


class Flips(Augmentation):
    """Mirror each of the last axes in half of the samples.

    Parameters
    ----------
    axes : int
        2 for images, 3 for volumes.
    """

    def __init__(self, axes: int = 2) -> None:
        self.axes = range(-axes, 0)

    def __call__(self, pair: Tensor, rng: np.random.Generator) -> Tensor:
        """Mirror input and label alike."""
        return pair.flip([axis for axis in self.axes if rng.random() < 0.5])


class QuarterTurns(Augmentation):
    """Turn images by a multiple of 90°."""

    def __call__(self, pair: Tensor, rng: np.random.Generator) -> Tensor:
        """Turn input and label alike."""
        return torch.rot90(pair, int(rng.integers(4)), dims=(-2, -1))


class MapOrder(Augmentation):
    """Move basis maps by so many places at most: singular values that lie close change places.

    Parameters
    ----------
    places : int
    """

    def __init__(self, places: int) -> None:
        self.places = places

    def __call__(self, pair: Tensor, rng: np.random.Generator) -> Tensor:
        """Reorder the maps of (2, L, y, x) alike."""
        rank = pair.shape[1]
        order = np.argsort(np.arange(rank) + rng.uniform(0, self.places + 1, rank), kind="stable")
        return pair[:, torch.from_numpy(order)]


class MapPhase(Augmentation):
    """Give complex maps a random phase.

    Parameters
    ----------
    of : {"all", "each"}
        One phase for all maps (that of coil maps is arbitrary), or one for each (so has a complex Φ).
    """

    def __init__(self, of: Literal["all", "each"] = "all") -> None:
        self.of = of

    def __call__(self, pair: Tensor, rng: np.random.Generator) -> Tensor:
        """Turn the phases of (2, L, y, x) alike."""
        phases = 2j * np.pi * rng.random(pair.shape[1] if self.of == "each" else 1)
        return pair * _per_map(np.exp(phases))


class MapSigns(Augmentation):
    """Give each map a random sign: that of a basis function is arbitrary."""

    def __call__(self, pair: Tensor, rng: np.random.Generator) -> Tensor:
        """Change the signs of (2, L, y, x) alike."""
        return pair * _per_map(rng.choice([-1, 1], pair.shape[1]))


def _per_map(factors: np.ndarray) -> Tensor:
    return torch.from_numpy(factors.astype(np.complex64))[:, None, None]


class CoilNoise(Augmentation):
    """Add noise as radial scans see it to the input alone: its power grows with |k|.

    It is equal in all maps, because the rows of Φ are orthonormal.

    Parameters
    ----------
    deviation : float
        Largest standard deviation, over the root mean square of the input.
    """

    def __init__(self, deviation: float) -> None:
        self.deviation = deviation

    def __call__(self, pair: Tensor, rng: np.random.Generator) -> Tensor:
        """Add noise to the first of (2, L, y, x)."""
        noise = self._noise(pair.shape[1:], rng) * pair[0].abs().square().mean().sqrt()
        return torch.stack([pair[0] + noise, pair[1]])

    def _noise(self, shape: Sequence[int], rng: np.random.Generator) -> Tensor:
        frequencies = [np.fft.fftfreq(size) for size in shape[1:]]
        radius = np.hypot(*np.meshgrid(*frequencies, indexing="ij"))
        colour = np.sqrt(radius) * (radius <= 0.5)
        colour /= np.sqrt(np.mean(colour**2))
        white = rng.standard_normal((2, *shape), dtype=np.float32)
        noise = np.fft.ifft2(np.fft.fft2(white[0] + 1j * white[1]) * colour) / np.sqrt(2)
        return torch.from_numpy((noise * rng.uniform(0, self.deviation)).astype(np.complex64))


class FewerMaps(Augmentation):
    """Empty the last maps, up to half of them: scans with a lower rank.

    Parameters
    ----------
    share : float
        Share of the samples in which it happens.
    """

    def __init__(self, share: float) -> None:
        self.share = share

    def __call__(self, pair: Tensor, rng: np.random.Generator) -> Tensor:
        """Empty the last maps of (2, L, y, x) alike."""
        if rng.random() >= self.share:
            return pair
        rank = pair.shape[1]
        kept = rank - int(rng.integers(0, rank // 2 + 1))
        return torch.cat([pair[:, :kept], torch.zeros_like(pair[:, kept:])], dim=1)
