"""What basis maps look like in a few numbers without scale: whether a scan is like those that a network knows."""

from itertools import pairwise

import numpy as np
import sigpy
from numpy.typing import NDArray

# Rings of k-space, over the highest frequency along an axis: octaves, as the spectra of bodies fall with a power.
_RINGS = (0.0, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
# Angles of k-space among which energy is compared: fewer than the spokes of any scan that is imaged.
_ANGLES = 16
# Groups of maps, by singular value.
_GROUPS = (0, 1, 3, 8, 16)
# Shares of the pixels, from air to the brightest tissue; brightness is told over that of 90 %.
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.99)
_BRIGHT = 0.9
_LEAST = 1e-12
# Share of the energy below which a network changed nothing: rounding is no statistic.
_NO_CHANGE = 1e-6


def map_statistics(back_projection: NDArray, estimate: NDArray) -> dict[str, float]:
    """Describe what a network was given and what it changed: decadic logarithms of ratios, but for a few.

    Parameters
    ----------
    back_projection : (L, N, N) complex64
        U₀, of any scale and phase.
    estimate : (L, N, N) complex64
        U.

    Returns
    -------
    dict of str to float
        By names for people. Static scans of one map have fewer.
    """
    before, after = (sigpy.to_device(maps, sigpy.cpu_device) for maps in (back_projection, estimate))
    magnitude: NDArray = np.sqrt(np.einsum("lyx,lyx->yx", before, before.conj()).real.astype(np.float64))
    shown, changed = _energy(before), _energy(after - before)
    found = _brightness(magnitude) | _rings("first map", shown[:1].sum(axis=0))
    if len(before) > 1:
        found |= _shares(before) | _rings("other maps", shown[1:].sum(axis=0))
    rings = _ring_energy(changed.sum(axis=0)), _ring_energy(shown.sum(axis=0))
    for name, change, total in zip(_ring_names(), *rings, strict=True):
        found[f"change by the network at {name}"] = _log(max(change, _NO_CHANGE * total), total)
    gain = np.vdot(before, after) / max(float(np.vdot(before, before).real), _LEAST)
    found["gain of the network"] = float(np.log10(max(abs(gain), _LEAST)))
    return found | _unevenness(shown.sum(axis=0))


def _energy(maps: NDArray) -> NDArray:
    """Energy at each k-space point, the middle at N/2: (L, N, N) float64."""
    return np.abs(sigpy.fft(maps, axes=(-2, -1))).astype(np.float64) ** 2


def _places(matrix: int) -> tuple[NDArray, NDArray]:
    """Radius over the highest frequency of an axis, and angle from 0 to π, of each k-space point."""
    frequency = (np.arange(matrix) - matrix // 2) / (matrix / 2)
    ky, kx = np.meshgrid(frequency, frequency, indexing="ij")
    return np.hypot(ky, kx), np.arctan2(ky, kx) % np.pi


def _ring_energy(energy: NDArray) -> list[float]:
    radius, _ = _places(energy.shape[-1])
    return [float(energy[(radius >= low) & (radius < high)].sum()) for low, high in pairwise(_RINGS)]


def _ring_names() -> list[str]:
    return ["the centre of k-space", *(f"1/{round(1 / edge)} of the k-space radius" for edge in _RINGS[1:-1])]


def _rings(what: str, energy: NDArray) -> dict[str, float]:
    values = _ring_energy(energy)
    pairs = zip(_ring_names()[1:], values[1:], values, strict=False)
    return {f"fall of the spectrum of {what} beyond {name}": _log(outer, inner) for name, outer, inner in pairs}


def _unevenness(energy: NDArray) -> dict[str, float]:
    """How differently directions of k-space are filled: deviation over mean, of the outer two rings."""
    radius, angle = _places(energy.shape[-1])
    number = np.minimum((angle / np.pi * _ANGLES).astype(int), _ANGLES - 1)
    found = {}
    for name, low, high in zip(_ring_names()[-2:], _RINGS[-3:-1], _RINGS[-2:], strict=True):
        ring = (radius >= low) & (radius < high)
        counts = np.maximum(np.bincount(number[ring], minlength=_ANGLES), 1)
        sums = np.bincount(number[ring], energy[ring], _ANGLES) / counts
        found[f"directions at {name}"] = _log(float(sums.std()), float(sums.mean()))
    return found


def _brightness(magnitude: NDArray) -> dict[str, float]:
    """Of pixels that were seen: where coil maps are blanked, nothing was measured that could be strange."""
    seen = magnitude > 0 if magnitude.any() else np.ones_like(magnitude, dtype=bool)
    bright, *quantiles = (float(np.quantile(magnitude[seen], share)) for share in (_BRIGHT, *_QUANTILES))
    found = {
        f"brightness of {100 * share:.0f} % of the pixels": _log(value, bright)
        for share, value in zip(_QUANTILES, quantiles, strict=True)
    }
    matrix = len(magnitude)
    own = np.arange(matrix) - (matrix - 1) / 2
    corners = seen & (np.hypot(own[:, None], own) > matrix / 2)
    energy = magnitude**2
    in_corners = float(energy[corners].mean()) if corners.any() else quantiles[0] ** 2
    found["energy in the corners"] = _log(in_corners, float(energy[seen].mean()))
    found["peakedness"] = _log(float(np.mean(energy[seen] ** 2)), float(np.mean(energy[seen]) ** 2))
    return found


def _shares(maps: NDArray) -> dict[str, float]:
    energy = (np.abs(maps).astype(np.float64) ** 2).sum(axis=(1, 2))
    found = {}
    for first, end in zip(_GROUPS, (*_GROUPS[1:], None), strict=True):
        if first < len(energy):
            name = "map 1" if end == 1 else f"maps from {first + 1}"
            found[f"share of {name}"] = _log(float(energy[first:end].sum()), float(energy.sum()))
    return found


def _log(value: float, reference: float) -> float:
    return float(np.log10(max(value, _LEAST) / max(reference, _LEAST)))
