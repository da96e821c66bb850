"""Thin tubes that enter the white matter from its borders: perivascular spaces, pairs of them, and dark vessels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recon.simulation.angiogram.random_fields import any_direction
from recon.simulation.angiogram.vessels import Branching, Tree, Vessel, coverage
from recon.simulation.perivascular.brain import Brain

_LENGTH = (10.0, 60.0)
_RADIUS = (0.3, 1.0)
_TORTUOSITY = (0.01, 0.02)
_STEP = 0.5
"""Distance of centreline points in voxels."""
_SHORTEST = round(_LENGTH[0] / _STEP)
"""Points that a tube must have left within the white matter."""
_GAP = 2.0
"""Voxels of white matter between the walls of a pair: a network that thickens tubes makes them one."""
_PAIRED = 0.2
"""Share of the spaces that run as a pair."""
_THIN = (0.4, 0.55)
"""Radius of a pair's tubes in voxels: thin, yet not so faint that noise hides them."""


@dataclass(frozen=True)
class Spaces:
    """Perivascular spaces of one brain.

    Attributes
    ----------
    tubes : list of Vessel
    signals : (tubes,) float64
        Of what is inside, in units of the white matter's.
    pairs : list of (int, int)
        Which two run side by side.
    """

    tubes: list[Vessel]
    signals: NDArray
    pairs: list[tuple[int, int]]

    def contrast(self, background: NDArray) -> NDArray:
        """What they add to a (z, y, x) signal without them; float32, not negative."""
        added = np.zeros(background.shape, dtype=np.float32)
        for signal in np.unique(self.signals):
            group = [tube for tube, own in zip(self.tubes, self.signals, strict=True) if own == signal]
            share = coverage(group, background.shape)
            np.maximum(added, share * np.maximum(np.float32(signal) - background, 0), out=added)
        return added

    def share(self, shape: tuple[int, int, int]) -> NDArray:
        """Share of each voxel that lies inside one; (z, y, x) float32."""
        return coverage(self.tubes, shape)


def grow_spaces(brain: Brain, count: int, rng: np.random.Generator) -> Spaces:
    """Grow perivascular spaces from ventricle walls and the cortex, along the normals, until they leave white matter.

    Parameters
    ----------
    brain : Brain
    count : int
        Pairs count once.
    rng : numpy.random.Generator

    Returns
    -------
    Spaces
        Fewer than ``count`` where the white matter is too small for tubes of 10 voxels.
    """
    levels = rng.uniform(1.3, 2.5, 8)  # a few signals, so that tubes of one signal are drawn at once
    tubes: list[Vessel] = []
    signals: list[float] = []
    pairs: list[tuple[int, int]] = []
    for _ in range(count):
        paired = rng.random() < _PAIRED
        tube, signal = _tube(brain, rng, _THIN if paired else _RADIUS), float(rng.choice(levels))
        if tube is None:
            continue
        tubes.append(tube)
        signals.append(signal)
        partner = _beside(tube, brain.white_matter, rng) if paired else None
        if partner is not None:
            pairs.append((len(tubes) - 1, len(tubes)))
            tubes.append(partner)
            signals.append(signal)
    return Spaces(tubes, np.array(signals), pairs)


def dark_vessels(brain: Brain, rng: np.random.Generator) -> list[Vessel]:
    """Grow 5 to 20 tubes as perivascular spaces are, for veins, which are dark."""
    grown = (_tube(brain, rng, (0.4, 0.9)) for _ in range(rng.integers(5, 21)))
    return [tube for tube in grown if tube is not None]


def _tube(brain: Brain, rng: np.random.Generator, radius: tuple[float, float]) -> Vessel | None:
    """One tube, from either border in half of the cases; None if it leaves the white matter at once."""
    borders = [border for border in (brain.ventricle_wall, brain.cortex_border) if len(border)]
    border = borders[rng.integers(len(borders))]
    start = border[rng.integers(len(border))]
    normal = brain.inward[tuple(start)].astype(float)
    direction = normal / max(float(np.linalg.norm(normal)), 1e-6) + 0.2 * rng.standard_normal(3)
    branching = Branching(_LENGTH, radius, float(rng.uniform(*_TORTUOSITY)), 0.0, 1, 0.0)
    tree = Tree(branching, rng)
    tree.grow(start.astype(float), direction, float(rng.uniform(*radius)))
    return _within_white_matter(tree.vessels[0], brain.white_matter)


def _within_white_matter(tube: Vessel, mask: NDArray) -> Vessel | None:
    places = np.rint(tube.centreline).astype(int)
    inside = ((places >= 0) & (places < mask.shape)).all(axis=1)
    inside[inside] = mask[tuple(places[inside].T)]
    length = len(inside) if inside.all() else int(np.argmin(inside))
    return Vessel(tube.centreline[:length], tube.healthy_radius[:length]) if length >= _SHORTEST else None


def _beside(tube: Vessel, mask: NDArray, rng: np.random.Generator) -> Vessel | None:
    along = tube.centreline[-1] - tube.centreline[0]
    across = np.cross(along, any_direction(rng))
    across /= max(float(np.linalg.norm(across)), 1e-6)
    distance = _GAP + 2 * float(tube.healthy_radius.mean())
    partner = _within_white_matter(Vessel(tube.centreline + distance * across, tube.healthy_radius), mask)
    return partner if partner is not None and len(partner.centreline) == len(tube.centreline) else None
