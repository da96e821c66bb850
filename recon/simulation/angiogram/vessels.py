"""Random vessel trees: smooth tapering centrelines with branches and stenoses, and their picture on a grid."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

_STEP = 0.5
"""Distance of centreline points in voxels."""


@dataclass(frozen=True)
class Stenosis:
    """A narrowing of a vessel.

    Attributes
    ----------
    point : int
        Index into the centreline.
    depth : float
        Share of the diameter that is lost at its throat.
    width : float
        Standard deviation along the vessel, in voxels.
    """

    point: int
    depth: float
    width: float


@dataclass(frozen=True)
class Vessel:
    """A tube around a smooth curve.

    Attributes
    ----------
    centreline : (points, 3) float64
        (z, y, x) in voxels, half a voxel apart.
    healthy_radius : (points,) float64
        In voxels, without stenosis.
    stenoses : tuple of Stenosis
    """

    centreline: NDArray
    healthy_radius: NDArray
    stenoses: tuple[Stenosis, ...] = ()

    @property
    def radius(self) -> NDArray:
        """(points,) float64 radius with the stenoses, in voxels."""
        radius, along = self.healthy_radius.copy(), np.arange(len(self.centreline)) * _STEP
        for stenosis in self.stenoses:
            distance = (along - stenosis.point * _STEP) / stenosis.width
            radius *= 1 - stenosis.depth * np.exp(-0.5 * distance**2)
        return radius


@dataclass(frozen=True)
class Branching:
    """How the vessels of a domain grow.

    Attributes
    ----------
    length : (2,) tuple of float
        Range in voxels.
    radius : (2,) tuple of float
        Range of a root's radius at its start, in voxels.
    tortuosity : float
        Standard deviation of the turn per voxel, in radians.
    branches : float
        Mean number of children of a vessel.
    generations : int
    stenosis_share : float
        Share of vessels that have one.
    """

    length: tuple[float, float] = (40, 110)
    radius: tuple[float, float] = (1.2, 2.4)
    tortuosity: float = 0.05
    branches: float = 2.0
    generations: int = 3
    stenosis_share: float = 0.4


Constraint = Callable[[NDArray, NDArray], tuple[NDArray, NDArray]]
"""Moves a point and a direction to where vessels may be, such as the surface of the heart."""


def on_ellipsoid(centre: NDArray, axes: NDArray, turn: NDArray) -> Constraint:
    """Keep vessels on an ellipsoid, as coronaries on the heart.

    Parameters
    ----------
    centre, axes : (3,) float64
        In voxels.
    turn : (3, 3) float64
        Its columns are the ellipsoid's axes.

    Returns
    -------
    callable
    """

    def constrain(point: NDArray, direction: NDArray) -> tuple[NDArray, NDArray]:
        local = (point - centre) @ turn / axes
        local = local / max(np.linalg.norm(local), 1e-6)
        normal = turn @ (local / axes)
        normal = normal / np.linalg.norm(normal)
        along = direction - (direction @ normal) * normal
        return centre + turn @ (local * axes), along / max(np.linalg.norm(along), 1e-6)

    return constrain


@dataclass
class Tree:
    """Grows vessels from a root.

    Attributes
    ----------
    branching : Branching
    rng : numpy.random.Generator
    constraint : callable
    vessels : list of Vessel
        Grown so far.
    """

    branching: Branching
    rng: np.random.Generator
    constraint: Constraint = lambda point, direction: (point, direction)
    vessels: list[Vessel] = field(default_factory=list)

    def grow(self, start: NDArray, direction: NDArray, radius: float, generation: int = 0) -> None:
        """Add a vessel and its children.

        Parameters
        ----------
        start, direction : (3,) float64
            (z, y, x) in voxels.
        radius : float
            At its start; children get about what Murray's law leaves them.
        generation : int
        """
        scale = 0.75**generation
        points = max(8, int(self.rng.uniform(*self.branching.length) * scale / _STEP))
        curve, directions = self._curve(start, direction / np.linalg.norm(direction), points)
        taper = np.linspace(1, self.rng.uniform(0.45, 0.75), points)
        vessel = Vessel(curve, radius * taper)
        if self.rng.random() < self.branching.stenosis_share and points > 40:
            vessel = replace(vessel, stenoses=(self._stenosis(points),))
        self.vessels.append(vessel)
        if generation + 1 >= self.branching.generations:
            return
        for _ in range(self.rng.poisson(self.branching.branches)):
            at = int(self.rng.integers(points // 5, points))
            child = radius * taper[at] * self.rng.uniform(0.6, 0.85)
            if child > 0.4:
                turned = directions[at] + self.rng.normal(0, 0.6, 3)
                self.grow(curve[at], turned, child, generation + 1)

    def _curve(self, start: NDArray, direction: NDArray, points: int) -> tuple[NDArray, NDArray]:
        curve, directions = np.empty((points, 3)), np.empty((points, 3))
        point, turn = start.astype(float), np.zeros(3)
        for number in range(points):
            turn = 0.9 * turn + self.rng.normal(0, self.branching.tortuosity * 0.44, 3) * _STEP**0.5
            direction = direction + turn * _STEP
            direction = direction / np.linalg.norm(direction)
            point, direction = self.constraint(point + _STEP * direction, direction)
            curve[number], directions[number] = point, direction
        return curve, directions

    def _stenosis(self, points: int) -> Stenosis:
        point = int(self.rng.integers(points // 5, 4 * points // 5))
        return Stenosis(point, float(self.rng.uniform(0.3, 0.85)), float(self.rng.uniform(1.0, 3.0)))


def coverage(vessels: list[Vessel], shape: tuple[int, int, int], wall: float = 0.0) -> NDArray:
    """Share of each voxel that lies inside a vessel.

    Parameters
    ----------
    vessels : list of Vessel
    shape : (3,) tuple of int
    wall : float
        Added to every radius, in voxels: the fat around a coronary.

    Returns
    -------
    (z, y, x) float32
        0 to 1; partial volumes by the distance to the tube's surface.
    """
    share = np.zeros(shape, dtype=np.float32)
    for vessel in vessels:
        for point, radius in zip(vessel.centreline, vessel.radius + wall, strict=True):
            _stamp(share, point, radius)
    return share


def _stamp(share: NDArray, point: NDArray, radius: float) -> None:
    """Draw a ball; one thinner than a voxel keeps its cross-section by being fainter."""
    reach = int(np.ceil(radius + 1))
    low = np.maximum(np.rint(point).astype(int) - reach, 0)
    high = np.minimum(np.rint(point).astype(int) + reach + 1, share.shape)
    if np.any(low >= high):
        return
    z, y, x = (np.arange(a, b) - p for a, b, p in zip(low, high, point, strict=True))
    distance = np.sqrt(z[:, None, None] ** 2 + y[None, :, None] ** 2 + x[None, None] ** 2)
    drawn = max(radius, 0.56)
    ball = np.clip(drawn + 0.5 - distance, 0, 1) * min(1.0, (radius / drawn) ** 2)
    window = share[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
    np.maximum(window, ball, out=window)
