"""Whether spokes lie at the angles that a trajectory says: neighbours, and opposite ones, must resemble each other."""

import numpy as np
import sigpy
from numpy.typing import NDArray

# Radii of k-space, in cycles per field of view, that are compared: the centre is the same at every angle, and far out
# noise prevails.
_NEAREST, _FARTHEST = 1.0, 16.0
# Cycles per field of view by which neighbours may be apart: at half of one, a body of the field's size is another.
_APART = 0.3
# Least range of radii with which anything can be said.
_LEAST_RANGE = 2.0
# Pairs of spokes that are compared; their median is known to a few per cent.
_PAIRS = 400

# What opposite spokes may differ more than neighbours do: off-resonance, fat and delays run along the other way. A body
# at 3 T has 0.30 where its neighbours have 0.014; wrong angles have 0.5 to 1.1.
_OPPOSITE = 4.0

DISAGREEMENT_LIMIT = 0.15
"""Disagreement above which angles are wrong: right ones lie below 0.1 in simulated scans, wrong ones mostly near 1."""


def angle_disagreement(kspace: NDArray, trajectory: NDArray, noise_variance: float = 0.0) -> float | None:
    """Compare neighbouring spokes, opposite ones, and any two: ``(1 - ρ) / (1 - ρ_any)``, the larger one of both.

    Opposite ones count a quarter.

    ρ is the median magnitude of the normalised correlation over coils and samples, so that the contrast may change from
    spoke to spoke. A mirrored, turned or scaled trajectory is the right one of another body, and not noticed.

    Parameters
    ----------
    kspace : (coils, spokes, samples) complex64
    trajectory : (spokes, samples, 2) float32
        (kx, ky) in cycles per field of view; spokes are straight and alike but for their angles.
    noise_variance : float
        Of a sample, which lowers all correlations.

    Returns
    -------
    float or None
        None if spokes are too few, or all alike.
    """
    host = sigpy.to_device(trajectory[:, :2], sigpy.cpu_device).astype(np.float64)
    step = host[:, 1] - host[:, 0]
    angle = np.arctan2(step[:, 1], step[:, 0]) % (2 * np.pi)
    order = np.argsort(angle, kind="stable")
    gaps = np.diff(angle[order])
    if len(gaps) == 0 or float(np.median(gaps)) <= 0:
        return None
    farthest = min(_FARTHEST, _APART / float(np.median(gaps)))
    if farthest - _NEAREST < _LEAST_RANGE:
        return None
    length = float(np.median(np.hypot(*step.T)))
    middle = -float(np.median(np.sum(host[:, 0] * step, axis=1))) / length**2  # where k = 0, in samples
    offsets = np.arange(int(np.ceil(_NEAREST / length)), int(farthest / length) + 1)
    ahead, behind = (np.rint(middle + sign * offsets).astype(int) for sign in (1, -1))
    rng, count, most = np.random.default_rng(0), len(order), 2 * float(np.median(gaps))
    rows = rng.permutation(np.flatnonzero(gaps <= most))[:_PAIRS]
    first, energy = order[rows], noise_variance * len(kspace) * len(offsets)

    def alike(other: NDArray, samples: NDArray, some: NDArray) -> float:
        return _correlation(_samples(kspace, first[some], ahead), _samples(kspace, other[some], samples), energy)

    everyone = np.arange(len(rows))
    unlike = max(1 - alike(rng.permutation(order)[everyone % count], ahead, everyone), 1e-6)
    found = [(1 - alike(order[rows + 1], ahead, everyone)) / unlike]
    across = (angle[first] + np.pi) % (2 * np.pi)
    opposite = order[np.minimum(np.searchsorted(angle[order], across), count - 1)]
    facing = np.flatnonzero(np.abs(angle[opposite] - across) <= most)
    if len(facing) > len(rows) // 4:  # a fan of half a turn has none
        found.append((1 - alike(opposite, behind, facing)) / unlike / _OPPOSITE)
    return max(found)


def _samples(kspace: NDArray, spokes: NDArray, samples: NDArray) -> NDArray:
    xp = sigpy.get_array_module(kspace)
    return sigpy.to_device(kspace[:, xp.asarray(spokes)][..., xp.asarray(samples)], sigpy.cpu_device)


def _correlation(one: NDArray, other: NDArray, noise_energy: float) -> float:
    """Median over pairs of ``|Σ_cs a* b| / (|a| |b|)``, the noise's energy taken off the norms."""
    product = np.abs(np.einsum("cps,cps->p", one.conj(), other))
    norms = [np.einsum("cps,cps->p", part.conj(), part).real - noise_energy for part in (one, other)]
    known = (norms[0] > noise_energy) & (norms[1] > noise_energy)  # at the null of the recovery, noise alone is left
    if not known.any():
        return 0.0
    return float(np.median(product[known] / np.sqrt(norms[0][known] * norms[1][known])))
