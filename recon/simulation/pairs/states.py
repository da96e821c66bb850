"""States of motion: a grid of them, how much of each a spoke saw, and a body's images in all of them."""

from dataclasses import dataclass

import numpy as np
import sigpy
from numpy.typing import NDArray

# Contractions and displacements of the grid: neighbours are a tenth of an ejection and about 2 mm apart.
_CONTRACTIONS, _DISPLACEMENTS = 10, 6


@dataclass(frozen=True)
class States:
    """A grid of states, contraction by displacement; between them, images mix linearly.

    Attributes
    ----------
    contraction : (C,) float64
    displacement_mm : (D,) float64
    weights : (spokes, C · D) float32
        How much of each state a spoke saw; rows add to one.
    """

    contraction: NDArray[np.float64]
    displacement_mm: NDArray[np.float64]
    weights: NDArray[np.float32]

    @classmethod
    def of(cls, contraction: NDArray, displacement_mm: NDArray) -> "States":
        """Lay a grid over the states that spokes saw; an axis along which nothing moves is one state."""
        axes = [_axis(contraction, _CONTRACTIONS), _axis(displacement_mm, _DISPLACEMENTS)]
        parts = [_linear(values, axis) for values, axis in zip((contraction, displacement_mm), axes, strict=True)]
        # w_t[c, d] = a_t[c] b_t[d]
        weights = np.einsum("tc,td->tcd", *parts).reshape(len(contraction), -1)
        return cls(axes[0], axes[1], weights.astype(np.float32))


def _axis(values: NDArray, count: int) -> NDArray:
    low, high = float(np.min(values)), float(np.max(values))
    return np.linspace(low, high, count) if high - low > 1e-6 else np.array([low])


def _linear(values: NDArray, axis: NDArray) -> NDArray:
    """Hat functions of an evenly spaced axis at values: ``(values, axis)``."""
    if len(axis) == 1:
        return np.ones((len(values), 1))
    return np.maximum(1 - np.abs(values[:, None] - axis) / (axis[1] - axis[0]), 0)


def sampled(images: NDArray, places: NDArray) -> NDArray:
    """Images at places between their pixels, linearly; beyond the border, those at the border.

    Parameters
    ----------
    images : (K, n, n)
    places : (2, ...) float32
        (y, x) in pixels.

    Returns
    -------
    (K, ...) array
    """
    xp, last = sigpy.get_array_module(images), images.shape[-1] - 1
    places = xp.clip(places, 0, last - 1e-3)
    corner = places.astype(np.int32)
    (fy, fx), (y, x) = (places - corner).astype(np.float32), corner
    return (1 - fy) * ((1 - fx) * images[:, y, x] + fx * images[:, y, x + 1]) + fy * (
        (1 - fx) * images[:, y + 1, x] + fx * images[:, y + 1, x + 1]
    )


def averaged(images: NDArray, matrix: int) -> NDArray:
    """Mean over the fine pixels in each of N×N: ``(..., n, n)`` → ``(..., N, N)``; n is a multiple of N."""
    factor = images.shape[-1] // matrix
    return images.reshape(*images.shape[:-2], matrix, factor, matrix, factor).mean(axis=(-3, -1))
