"""Density compensation of radial readouts."""

import math

import numpy as np
import scipy.special
import sigpy
from numpy.typing import NDArray

from recon.errors import DataError
from recon.readouts.turning_spoke import TurningSpoke, sample_spacing, spoke_angles, widest_gap_rad

_MEAN_DISTANCE = 64 / (45 * math.pi)  # of two points in a disc, in diameters

_SAME_PLACE = 1e-2
"""Samples: deviations from a straight spoke through k = 0, below which the closed form of its weights holds."""

_WIDTH = 2.0
"""σ in cycles per field of view of the Gaussian exp(-k²/2σ²) that shows the middle of k-space alone; at the edge of the
smallest image, of 16 pixels, it is 3e-4."""

_TOLD_APART = 0.65
"""Share of the distance 1/Δk of the kernel's repetitions, up to which weights near the centre can undo them."""

_HALF_EMPTY_RAD = 0.75 * math.pi
"""Spokes over half a circle leave a gap of π, three spokes over the full circle one of 2π/3."""

_NEARLY_WHOLE = 0.8
"""Of the longer side: without the outer fifth of one half of k-space, an object loses some sharpness of its edges."""

_SUPPORTED_GAP_RAD = math.pi / 6
"""Spokes all round the circle, without a wider gap, tell how a spoke turns with its angle; each of the seven harmonics
has then two of them or more in its period."""


def ramp_weights(trajectory: NDArray) -> NDArray:
    """Ramp |k| weights: the area of k-space that each sample of a spoke stands for.

    Each spoke alone is weighted as if it were to cover the whole disc: ``π |k| Δk``. The mean over spokes at evenly
    spread angles of ``F_tᴴ W F_t`` is then the identity for objects within the disc of sampled k-space, so a basis Φ
    with orthonormal rows gets unit gain, whatever the number of spokes (docs/method/space.md).

    The centre's weight is what keeps air at zero. The ramp's kernel is ``-1 / (2 π² r²)`` away from its middle (mean
    of its odd and even taps); samples Δk apart repeat it every ``1/Δk``, and what the repetitions take away is put
    back by ``π c Δk²`` with :func:`centre_share`'s c. The area of the innermost disc, c = 1/4, would leave 1.8 % of an
    object's mean in the air of a field of view sampled with Δk = 1/2, and as much too much gain in the object.

    Spokes without a sample at k = 0, bent ones, and those that reach farther to one side are weighted by
    :func:`area_weights`.

    Parameters
    ----------
    trajectory : (spokes, samples, 2) float
        (kx, ky) in cycles per field of view.

    Returns
    -------
    (spokes, samples) float32
        Weights in (cycles per field of view)².

    Raises
    ------
    DataError
        If spokes reach farther to one side, and no spokes run the opposite way.
    """
    xp = sigpy.get_array_module(trajectory)
    radius = xp.linalg.norm(trajectory, axis=-1)
    spacing = xp.linalg.norm(trajectory[:, -1] - trajectory[:, 0], axis=-1) / (trajectory.shape[1] - 1)
    if not _are_plain(radius, spacing):
        return sigpy.to_device(area_weights(sigpy.to_device(trajectory)), sigpy.get_device(trajectory))
    centre = math.pi * centre_share(spacing) * spacing**2
    return xp.maximum(math.pi * radius * spacing[:, None], centre[:, None]).astype(xp.float32)


def _are_plain(radius: NDArray, spacing: NDArray) -> bool:
    """Whether all spokes are straight, with the same sample at k = 0, and reach as far to both sides but for one."""
    xp = sigpy.get_array_module(radius)
    samples = radius.shape[1]
    center = int(radius[0].argmin())
    if abs(samples - 1 - 2 * center) > 1:
        return False
    expected = xp.abs(xp.arange(samples) - center) * spacing[:, None]
    return bool(xp.abs(radius - expected).max() <= _SAME_PLACE * spacing.mean())


def area_weights(trajectory: NDArray) -> NDArray:
    """Weights of spokes as they are: shifted along and across, bent, or longer to one side.

    A sample stands for ``π |∂k/∂m × ∂k/∂θ|``, the area that it sweeps from spoke to spoke; along a straight spoke
    through k = 0 that is ``π |k| Δk``. Where only one end of a spoke and no opposite spoke comes to, it counts twice.

    What the repetitions of the kernel take away is put back where a spoke comes closest to k = 0, which may be between
    two samples: by weights there and one sample beside it, spread on their neighbours by linear interpolation. Two
    amounts for all spokes bring the mean point spread function of the middle of k-space, shown by a Gaussian, to what
    it should be, in least squares over the distances of two points of the field of view, weighted by how many such
    pairs there are.

    Parameters
    ----------
    trajectory : (spokes, samples, 2) float
        (kx, ky) in cycles per field of view, in host memory.

    Returns
    -------
    (spokes, samples) float32
        Weights in (cycles per field of view)².
    """
    points = trajectory[..., 0] + 1j * trajectory[..., 1].astype(np.float64)
    along = np.gradient(points, axis=1)
    swept = (along.conj() * _turning(trajectory, points)).imag  # ∂k/∂m × ∂k/∂θ
    weights = math.pi * np.abs(swept) * _sides_that_come_to(points, np.signbit(swept))
    hats = _hats_at_closest((along.conj() * points).real) * np.abs(along) ** 2
    near = np.abs(points) < 4 * _WIDTH
    distance = np.linspace(0, min(1.0, _TOLD_APART / sample_spacing(trajectory)), 24)
    # ∫ exp(-k²/2σ²) J₀(2π|k|x) d²k = 2πσ² exp(-2π²σ²x²), which the samples shall give
    wanted = 2 * math.pi * _WIDTH**2 * np.exp(-2 * (math.pi * _WIDTH * distance) ** 2)
    radius = np.abs(points[near])
    kernel = scipy.special.j0(2 * math.pi * distance[:, None] * radius) * np.exp(-(radius**2) / (2 * _WIDTH**2))
    missing = len(points) * wanted - kernel @ weights[near]
    # pairs of points of a disc of diameter one at a distance x: x (arccos x - x √(1 - x²)), up to a factor
    pairs = np.sqrt(distance * (np.arccos(distance) - distance * np.sqrt(1 - distance**2)))
    amounts = np.linalg.lstsq(pairs[:, None] * (kernel @ hats[:, near].T), pairs * missing, rcond=None)[0]
    return (weights + np.tensordot(amounts, hats, 1)).astype(np.float32)


def _turning(trajectory: NDArray, points: NDArray) -> NDArray:
    """∂k/∂θ: from how the spokes differ, or where too few or too different ones do not tell, a rigid rotation."""
    angles = spoke_angles(trajectory)
    if widest_gap_rad(angles) < _SUPPORTED_GAP_RAD:
        model = TurningSpoke(trajectory)
        if model.deviation < sample_spacing(trajectory):
            return model.derivative(angles)
    return 1j * points


def _sides_that_come_to(points: NDArray, backward: NDArray) -> NDArray:
    """2 beyond the shorter one of a spoke's two sides, where no opposite spoke comes to; else 1.

    An ordinary spoke of an even number of samples is longer by one to one side, which is not counted.

    Raises
    ------
    DataError
        If no spokes run the opposite way, and half of k-space is never measured.
    """
    radius = np.abs(points)
    sides = [np.max(np.where(side, radius, 0), axis=1) for side in (backward, ~backward)]
    shorter, longer = np.minimum(*sides).mean(), np.maximum(*sides).mean()
    spacing = float(np.abs(np.diff(points, axis=1)).mean())
    if longer - shorter < 1.5 * spacing:
        return np.ones_like(radius)
    if shorter > _NEARLY_WHOLE * longer and widest_gap_rad(_directions(points)) > _HALF_EMPTY_RAD:
        return np.ones_like(radius)  # a few samples were discarded or lie beyond a delay: the rim alone lacks them
    if widest_gap_rad(_directions(points)) > _HALF_EMPTY_RAD:
        raise DataError(
            f"the spokes reach |k| = {longer:.4g} to one side but {shorter:.4g} to the other, and none runs the "
            "opposite way: a part of k-space was not measured; measure symmetric echoes, or spokes over the full circle"
        )
    return 1 + np.clip((radius - shorter) / spacing, 0, 1)


def _directions(points: NDArray) -> NDArray[np.float64]:
    """(spokes,) angles in [0, 2π) from the first to the last sample."""
    return np.mod(np.angle(points[:, -1] - points[:, 0]), 2 * np.pi)


def _hats_at_closest(outward: NDArray) -> NDArray:
    """Find where spokes turn from approaching k = 0 to leaving it, and spread 1 there and 1 a sample beside it.

    Parameters
    ----------
    outward : (spokes, samples) float64
        ``k · ∂k/∂m``, which changes its sign there.

    Returns
    -------
    (2, spokes, samples) float64
    """
    spokes = np.arange(len(outward))
    after = np.clip(np.argmax(outward > 0, axis=1), 1, outward.shape[1] - 1)
    before, behind = outward[spokes, after - 1], outward[spokes, after]
    closest = after - np.clip(behind / np.where(behind > before, behind - before, 1), 0, 1)
    away = np.abs(np.arange(outward.shape[1]) - closest[:, None])
    return np.stack([np.maximum(1 - away, 0), np.maximum(1 - np.abs(away - 1), 0)])


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
