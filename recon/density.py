"""Density compensation of radial readouts."""

import math

import sigpy
from numpy.typing import NDArray


def ramp_weights(trajectory: NDArray) -> NDArray:
    """Ramp |k| weights: the area of k-space that each sample of a spoke stands for.

    Each spoke alone is weighted as if it were to cover the whole disc: ``π |k| Δk``, and ``π Δk² / 4`` at the
    centre. The mean over spokes at evenly spread angles of ``F_tᴴ W F_t`` is then the identity for objects
    within the disc of sampled k-space, so a basis Φ with orthonormal rows gets unit gain, whatever the number
    of spokes (`multitasking.md` §3).

    Parameters
    ----------
    trajectory : (spokes, samples, 2) float
        (kx, ky) in cycles per field of view, samples equally spaced along each spoke.

    Returns
    -------
    (spokes, samples) float32
        Weights in (cycles per field of view)².
    """
    xp = sigpy.get_array_module(trajectory)
    radius = xp.linalg.norm(trajectory, axis=-1)
    spacing = xp.linalg.norm(trajectory[:, -1] - trajectory[:, 0], axis=-1) / (trajectory.shape[1] - 1)
    weights = xp.maximum(math.pi * radius * spacing[:, None], math.pi * spacing[:, None] ** 2 / 4)
    return weights.astype(xp.float32)
