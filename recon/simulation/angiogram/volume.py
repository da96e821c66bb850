"""Simulated 3-D angiograms for super-resolution: coronary-like and brain-like, with shading, blur and texture."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from recon.simulation.angiogram.vessels import Branching, Constraint, Tree, Vessel, coverage

Domain = Literal["coronary", "brain"]
DOMAINS: tuple[Domain, ...] = ("coronary", "brain")

_SINC_DEVIATION = 1.2 / 2.355
"""Deviation, in acquired voxels, of a Gaussian as wide at half height as the point spread of Fourier encoding."""


@dataclass(frozen=True)
class Angiogram:
    """A simulated volume and what is in it.

    Attributes
    ----------
    image : (z, y, x) float32
        Magnitude at full resolution, without noise; blood about 1.
    vessels : list of Vessel
    domain : {"coronary", "brain"}
    seed : int
    """

    image: NDArray
    vessels: list[Vessel]
    domain: Domain
    seed: int


def simulate_angiogram(domain: Domain, shape: tuple[int, int, int], seed: int) -> Angiogram:
    """Simulate a subject.

    Parameters
    ----------
    domain : {"coronary", "brain"}
    shape : (3,) tuple of int
        (z, y, x); x is the readout.
    seed : int

    Returns
    -------
    Angiogram
    """
    rng = np.random.default_rng([seed, DOMAINS.index(domain), 6])
    image, vessels = (_coronary if domain == "coronary" else _brain)(shape, rng)
    image *= _shading(shape, rng)
    image = gaussian_filter(image, _blur(domain, rng))
    return Angiogram(np.maximum(image, 0).astype(np.float32), vessels, domain, seed)


def _blur(domain: Domain, rng: np.random.Generator) -> NDArray:
    """Standard deviation of the point spread in voxels (z, y, x).

    Both data sets of the dissertation (5.2) were acquired with longer voxels along z and interpolated: 1.0 × 1.0 ×
    1.5 mm to 1 mm, and 0.5 × 0.5 × 0.8 mm to 0.5 mm. In a coronary scan, the heart's motion adds a blur everywhere,
    and what the navigator lets pass of breathing adds one along the body axis, z.
    """
    if domain == "brain":
        return _SINC_DEVIATION * rng.uniform(0.2, 1.0) * np.array([rng.uniform(1.0, 1.6), 1.0, 1.0])
    motion = np.array([rng.uniform(0.4, 1.0), 0.0, 0.0])
    return np.sqrt((_SINC_DEVIATION * np.array([1.5, 1.0, 1.0])) ** 2 + motion**2 + rng.uniform(0.3, 0.6) ** 2)


def _texture(shape: tuple[int, ...], rng: np.random.Generator, scale: float) -> NDArray:
    """Smooth noise of unit deviation."""
    noise = gaussian_filter(rng.standard_normal(shape, dtype=np.float32), scale)
    return noise / max(float(noise.std()), 1e-6)


def _octaves(shape: tuple[int, ...], rng: np.random.Generator, scale: float) -> NDArray:
    """Texture on four scales, each twice the last, of about unit deviation: the slowly falling spectrum of tissue."""
    shares = rng.uniform(0.3, 1.0, 4)
    layers = (share * _texture(shape, rng, scale * 2**level) for level, share in enumerate(shares))
    return sum(layers) / np.linalg.norm(shares)


def _shading(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray:
    """Receive coils: brighter towards one side."""
    grids = np.meshgrid(*[np.linspace(-1, 1, size, dtype=np.float32) for size in shape], indexing="ij", sparse=True)
    slope = rng.uniform(-0.25, 0.25, 3)
    curve = rng.uniform(-0.1, 0.25)
    return 1 + sum(s * g for s, g in zip(slope, grids, strict=True)) + curve * sum(g**2 for g in grids) / 3


def _ellipsoid(shape: tuple[int, ...], centre: NDArray, axes: NDArray, turn: NDArray, edge: float = 0.7) -> NDArray:
    """Share of each voxel inside a turned ellipsoid, with an edge of about a voxel."""
    radius = _radius(np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1), centre, axes, turn)
    return np.clip((1 - radius) * float(np.mean(axes)) / edge + 0.5, 0, 1).astype(np.float32)


def _radius(points: NDArray, centre: NDArray, axes: NDArray, turn: NDArray) -> NDArray:
    """Distance from the centre in units of the ellipsoid's own radius."""
    local = ((points - centre).astype(np.float32) @ turn.astype(np.float32)) / axes.astype(np.float32)
    return np.linalg.norm(local, axis=-1)


def _turn(rng: np.random.Generator) -> NDArray:
    rotation, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    return rotation


def _paint(image: NDArray, share: NDArray, value: float | NDArray) -> None:
    image *= 1 - share
    image += share * value


def _coronary(shape: tuple[int, int, int], rng: np.random.Generator) -> tuple[NDArray, list[Vessel]]:
    """Fat-suppressed chest wall, lungs, a heart with its chambers, the aorta, and coronaries on the heart's surface."""
    size = np.array(shape, dtype=float)
    image = np.full(shape, rng.uniform(0.15, 0.3), dtype=np.float32)
    for side in (0.05, 0.95):
        centre = size * [rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.7), side]
        lung = _ellipsoid(shape, centre, size * rng.uniform(0.25, 0.4, 3), _turn(rng))
        _paint(image, lung, rng.uniform(0.01, 0.06))
    centre, turn = size * rng.uniform(0.42, 0.58, 3), _turn(rng)
    axes = size.mean() * rng.uniform([0.32, 0.26, 0.24], [0.42, 0.34, 0.32])
    _paint(image, _ellipsoid(shape, centre, axes * 1.08, turn), rng.uniform(0.08, 0.18))  # epicardial fat, suppressed
    _paint(image, _ellipsoid(shape, centre, axes, turn), rng.uniform(0.35, 0.55))
    for offset in rng.permutation([[0.35, 0.3, 0.2], [0.35, -0.35, -0.1], [-0.45, 0.3, -0.2], [-0.45, -0.3, 0.2]]):
        chamber = centre + turn @ (axes * offset)
        _paint(image, _ellipsoid(shape, chamber, axes * rng.uniform(0.25, 0.42, 3), _turn(rng)), rng.uniform(0.7, 1.0))
    image *= 1 + rng.uniform(0.02, 0.07) * _texture(shape, rng, rng.uniform(0.8, 2.0))
    tree = Tree(Branching(branches=2.5), rng, _on_surface(centre, axes * 1.04, turn))
    great = Tree(Branching((60, 120), (4.0, 7.5), 0.02, 0.6, 2, 0.0), rng)
    for _ in range(rng.integers(1, 4)):
        great.grow(size * rng.uniform(0.15, 0.85, 3), rng.standard_normal(3), rng.uniform(*great.branching.radius))
    for _ in range(rng.integers(3, 6)):
        start = centre + turn @ (axes * 1.04 * _unit(rng))
        tree.grow(start, rng.standard_normal(3), rng.uniform(*tree.branching.radius))
    _paint(image, coverage(great.vessels, shape), rng.uniform(0.8, 1.1))
    _paint(image, coverage(tree.vessels, shape, wall=1.5), rng.uniform(0.05, 0.15))
    _paint(image, coverage(tree.vessels, shape), rng.uniform(0.75, 1.1))
    return image, tree.vessels


def _unit(rng: np.random.Generator) -> NDArray:
    direction = rng.standard_normal(3)
    return direction / np.linalg.norm(direction)


def _on_surface(centre: NDArray, axes: NDArray, turn: NDArray) -> Constraint:
    def constrain(point: NDArray, direction: NDArray) -> tuple[NDArray, NDArray]:
        local = (point - centre) @ turn / axes
        local = local / max(np.linalg.norm(local), 1e-6)
        normal = turn @ (local / axes)
        normal = normal / np.linalg.norm(normal)
        along = direction - (direction @ normal) * normal
        return centre + turn @ (local * axes), along / max(np.linalg.norm(along), 1e-6)

    return constrain


def _brain(shape: tuple[int, int, int], rng: np.random.Generator) -> tuple[NDArray, list[Vessel]]:
    """Tissue, suppressed or as bright as in T1w, with a scalp, ventricles, and many thin tortuous vessels."""
    size = np.array(shape, dtype=float)
    centre, turn = size * rng.uniform(0.45, 0.55, 3), _turn(rng)
    axes = size * rng.uniform(0.42, 0.6, 3)
    image = np.full(shape, 0.01, dtype=np.float32)
    _paint(image, _ellipsoid(shape, centre, axes * 1.08, np.eye(3)), rng.uniform(0.2, 0.6))
    _paint(image, _ellipsoid(shape, centre, axes * 1.03, np.eye(3)), rng.uniform(0.02, 0.08))
    _paint(image, _ellipsoid(shape, centre, axes, np.eye(3)), rng.uniform(0.12, 0.8))
    folds = _octaves(shape, rng, rng.uniform(0.5, 1.8))
    folds = 0.5 + (0.3 * folds if rng.random() < 0.5 else np.clip(rng.uniform(0.5, 3.0) * folds, -0.5, 0.5))
    inside = _ellipsoid(shape, centre, axes * 0.98, np.eye(3))
    image *= 1 + rng.uniform(0.1, 0.9) * inside * (folds - 0.5)
    image *= 1 + rng.uniform(0.0, 0.15) * _octaves(shape, rng, rng.uniform(0.3, 0.8))
    _paint(image, _ellipsoid(shape, centre, axes * rng.uniform(0.12, 0.25, 3), turn), rng.uniform(0.04, 0.12))
    tree = Tree(Branching((50, 140), (0.9, 2.4), 0.09, 2.0, 3, 0.3), rng)
    for _ in range(rng.integers(4, 8)):
        start = centre + axes * 0.7 * rng.uniform(0.2, 1.0) * _unit(rng)
        tree.grow(start, rng.standard_normal(3), rng.uniform(*tree.branching.radius))
    _paint(image, coverage(tree.vessels, shape), rng.uniform(0.7, 1.1))
    return image, tree.vessels
