"""Density compensation of radial readouts."""

import math

import sigpy
from numpy.typing import NDArray

_MEAN_DISTANCE = 64 / (45 * math.pi)  # of two points in a disc, in diameters


def ramp_weights(trajectory: NDArray) -> NDArray:
    """Ramp |k| weights: the area of k-space that each sample of a spoke stands for.

    Each spoke alone is weighted as if it were to cover the whole disc: ``π |k| Δk``. The mean over spokes at evenly
    spread angles of ``F_tᴴ W F_t`` is then the identity for objects within the disc of sampled k-space, so a basis Φ
    with orthonormal rows gets unit gain, whatever the number of spokes (docs/method/space.md).

    The centre's weight is what keeps air at zero. The ramp's kernel is ``-1 / (2 π² r²)`` away from its middle (mean
    of its odd and even taps); samples Δk apart repeat it every ``1/Δk``, and what the repetitions take away is put
    back by ``π c Δk²`` with :func:`centre_share`'s c. The area of the innermost disc, c = 1/4, would leave 1.8 % of an
    object's mean in the air of a field of view sampled with Δk = 1/2, and as much too much gain in the object.

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
    centre = math.pi * centre_share(spacing) * spacing**2
    return xp.maximum(math.pi * radius * spacing[:, None], centre[:, None]).astype(xp.float32)


def centre_share(spacing: NDArray) -> NDArray:
    """Find the centre's weight in units of ``π Δk²``, that undoes the repetitions of the ramp's kernel.

    ``Σ_{m≠0} (x + m)⁻² = (π / sin πx)² - x⁻²`` at the mean distance of two points of the field of view's disc, 0.45 of
    its diameter; it rises from 1/6 as x does, so it does not matter much which distance.

    Parameters
    ----------
    spacing : (spokes,) float
        Δk in cycles per field of view. Spokes sampled more thinly than once per cycle are weighted as if at one.

    Returns
    -------
    (spokes,) float
    """
    xp = sigpy.get_array_module(spacing)
    x = _MEAN_DISTANCE * xp.clip(spacing.astype(xp.float64), 1e-3, 1)
    return ((math.pi / xp.sin(math.pi * x)) ** 2 - x**-2) / (2 * math.pi**2)
