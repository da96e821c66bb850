"""Simulated 3-D volumes for super-resolution: angiograms of two plain kinds, and richer bodies; shading, blur."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.signal.windows import tukey

from recon.cartesian import centre_region, to_image, to_kspace
from recon.simulation.angiogram.heads import head, vessels_of_head
from recon.simulation.angiogram.objects import fruit, limb, shapes
from recon.simulation.angiogram.random_fields import Grid, any_direction, any_turn, paint
from recon.simulation.angiogram.trunks import abdomen, heart
from recon.simulation.angiogram.vessels import Branching, Tree, Vessel, coverage, on_ellipsoid
from recon.simulation.labelled_brain.labelled_head import head_in_parts

Domain = Literal[
    "coronary",
    "brain",
    "heart",
    "head",
    "head_slices",
    "head_vessels",
    "abdomen",
    "shapes",
    "limb",
    "fruit",
    "head_parts",
]
DOMAINS: tuple[Domain, ...] = (
    "coronary",
    "brain",
    "heart",
    "head",
    "head_slices",
    "head_vessels",
    "abdomen",
    "shapes",
    "limb",
    "fruit",
    "head_parts",
)
"""What can be simulated; the place of a name is part of the seed."""
HELD_OUT: tuple[Domain, ...] = ("limb", "fruit")
"""Kinds for tests alone: no shipped network was trained on them."""

_THICKNESS: dict[Domain, tuple[float, float]] = {"head_slices": (2.0, 7.0), "abdomen": (1.0, 4.0)}
"""Range of the distance of slices, over that of rows; elsewhere voxels are cubes."""
_FINER = 3
"""Sheets of which a thick slice is the mean."""

_SINC_DEVIATION = 1.2 / 2.355
"""Deviation, in acquired voxels, of a Gaussian as wide at half height as the point spread of Fourier encoding."""


@dataclass(frozen=True)
class Angiogram:
    """A simulated volume and what is in it.

    Attributes
    ----------
    image : (z, y, x) float32
        Magnitude at full resolution, without noise; blood about 1, or the 99.9th percentile where no blood is bright.
    vessels : list of Vessel
        Bright ones whose course is known; none where slices are thick, and in heaps of shapes.
    domain : str
        One of :data:`DOMAINS`.
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
    domain : str
        One of :data:`DOMAINS`.
    shape : (3,) tuple of int
        (z, y, x); x is the readout.
    seed : int

    Returns
    -------
    Angiogram
    """
    rng = np.random.default_rng([seed, DOMAINS.index(domain), 6])
    if domain in _BODIES:
        return Angiogram(*_body(domain, shape, rng), domain, seed)
    image, vessels = (_coronary if domain == "coronary" else _brain)(shape, rng)
    image *= _shading(shape, rng)
    image = gaussian_filter(image, _blur(domain, rng))
    return Angiogram(np.maximum(image, 0).astype(np.float32), vessels, domain, seed)


def _without_vessels(draw: Callable[[Grid, np.random.Generator], NDArray]) -> "_Draw":
    return lambda grid, rng: (draw(grid, rng), [])


_Draw = Callable[[Grid, np.random.Generator], tuple[NDArray, list[Vessel]]]
_BODIES: dict[Domain, _Draw] = {
    "heart": heart,
    "head": _without_vessels(head),
    "head_slices": _without_vessels(head),
    "head_vessels": vessels_of_head,
    "abdomen": _without_vessels(abdomen),
    "shapes": _without_vessels(shapes),
    "limb": _without_vessels(limb),
    "fruit": _without_vessels(fruit),
    "head_parts": _without_vessels(head_in_parts),
}


def _body(domain: Domain, shape: tuple[int, int, int], rng: np.random.Generator) -> tuple[NDArray, list[Vessel]]:
    """Draw a body of thick or thin slices, shade it, and show it with the point spread of a scan."""
    thickness = float(rng.uniform(*_THICKNESS.get(domain, (1.0, 1.0))))
    sheets = 1 if thickness < 1.5 else _FINER
    grid = Grid((shape[0] * sheets, *shape[1:]), (thickness / sheets, 1.0, 1.0))
    drawn, vessels = _BODIES[domain](grid, rng)
    image = drawn.reshape(shape[0], sheets, *shape[1:]).mean(axis=1) * _shading(shape, rng)
    image = np.maximum(_point_spread(image, rng), 0)
    if not vessels:
        image = image / max(float(np.percentile(image, 99.9)), 1e-6)
    return image.astype(np.float32), vessels


def _point_spread(image: NDArray, rng: np.random.Generator) -> NDArray:
    """Show a volume as a scanner does: a slight blur of motion and decay, and often interpolated by zero-filling.

    k-space ends at 60 to 100 % of the matrix along each axis, at once or behind the half cosine of a filter.
    """
    image = gaussian_filter(image, _SINC_DEVIATION * rng.uniform(0.1, 0.9) * rng.uniform([0.5, 0.5, 0.5], [1.5, 1, 1]))
    if rng.random() < 0.5:
        return image
    lines = [max(8, min(size, round(size * rng.uniform(0.6, 1.0)))) for size in image.shape]
    slope = float(rng.choice([0.0, rng.uniform(0.1, 0.6)]))
    kspace, window = to_kspace(image), np.ones((), dtype=np.float32)
    for size, count in zip(image.shape, lines, strict=True):
        profile = np.zeros(size, dtype=np.float32)
        profile[centre_region((size,), (count,))[0]] = tukey(count, slope)
        window = window[..., None] * profile
    return np.abs(to_image(kspace * window)).astype(np.float32)


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


def _coronary(shape: tuple[int, int, int], rng: np.random.Generator) -> tuple[NDArray, list[Vessel]]:
    """Fat-suppressed chest wall, lungs, a heart with its chambers, the aorta, and coronaries on the heart's surface."""
    size = np.array(shape, dtype=float)
    image = np.full(shape, rng.uniform(0.15, 0.3), dtype=np.float32)
    for side in (0.05, 0.95):
        centre = size * [rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.7), side]
        lung = _ellipsoid(shape, centre, size * rng.uniform(0.25, 0.4, 3), any_turn(rng))
        paint(image, lung, rng.uniform(0.01, 0.06))
    centre, turn = size * rng.uniform(0.42, 0.58, 3), any_turn(rng)
    axes = size.mean() * rng.uniform([0.32, 0.26, 0.24], [0.42, 0.34, 0.32])
    paint(image, _ellipsoid(shape, centre, axes * 1.08, turn), rng.uniform(0.08, 0.18))  # epicardial fat, suppressed
    paint(image, _ellipsoid(shape, centre, axes, turn), rng.uniform(0.35, 0.55))
    for offset in rng.permutation([[0.35, 0.3, 0.2], [0.35, -0.35, -0.1], [-0.45, 0.3, -0.2], [-0.45, -0.3, 0.2]]):
        chamber = centre + turn @ (axes * offset)
        paint(
            image, _ellipsoid(shape, chamber, axes * rng.uniform(0.25, 0.42, 3), any_turn(rng)), rng.uniform(0.7, 1.0)
        )
    image *= 1 + rng.uniform(0.02, 0.07) * _texture(shape, rng, rng.uniform(0.8, 2.0))
    tree = Tree(Branching(branches=2.5), rng, on_ellipsoid(centre, axes * 1.04, turn))
    great = Tree(Branching((60, 120), (4.0, 7.5), 0.02, 0.6, 2, 0.0), rng)
    for _ in range(rng.integers(1, 4)):
        great.grow(size * rng.uniform(0.15, 0.85, 3), rng.standard_normal(3), rng.uniform(*great.branching.radius))
    for _ in range(rng.integers(3, 6)):
        start = centre + turn @ (axes * 1.04 * any_direction(rng))
        tree.grow(start, rng.standard_normal(3), rng.uniform(*tree.branching.radius))
    paint(image, coverage(great.vessels, shape), rng.uniform(0.8, 1.1))
    paint(image, coverage(tree.vessels, shape, wall=1.5), rng.uniform(0.05, 0.15))
    paint(image, coverage(tree.vessels, shape), rng.uniform(0.75, 1.1))
    return image, tree.vessels


def _brain(shape: tuple[int, int, int], rng: np.random.Generator) -> tuple[NDArray, list[Vessel]]:
    """Tissue, suppressed or as bright as in T1w, with a scalp, ventricles, and many thin tortuous vessels."""
    size = np.array(shape, dtype=float)
    centre, turn = size * rng.uniform(0.45, 0.55, 3), any_turn(rng)
    axes = size * rng.uniform(0.42, 0.6, 3)
    image = np.full(shape, 0.01, dtype=np.float32)
    paint(image, _ellipsoid(shape, centre, axes * 1.08, np.eye(3)), rng.uniform(0.2, 0.6))
    paint(image, _ellipsoid(shape, centre, axes * 1.03, np.eye(3)), rng.uniform(0.02, 0.08))
    paint(image, _ellipsoid(shape, centre, axes, np.eye(3)), rng.uniform(0.12, 0.8))
    folds = _octaves(shape, rng, rng.uniform(0.5, 1.8))
    folds = 0.5 + (0.3 * folds if rng.random() < 0.5 else np.clip(rng.uniform(0.5, 3.0) * folds, -0.5, 0.5))
    inside = _ellipsoid(shape, centre, axes * 0.98, np.eye(3))
    image *= 1 + rng.uniform(0.1, 0.9) * inside * (folds - 0.5)
    image *= 1 + rng.uniform(0.0, 0.15) * _octaves(shape, rng, rng.uniform(0.3, 0.8))
    paint(image, _ellipsoid(shape, centre, axes * rng.uniform(0.12, 0.25, 3), turn), rng.uniform(0.04, 0.12))
    tree = Tree(Branching((50, 140), (0.9, 2.4), 0.09, 2.0, 3, 0.3), rng)
    for _ in range(rng.integers(4, 8)):
        start = centre + axes * 0.7 * rng.uniform(0.2, 1.0) * any_direction(rng)
        tree.grow(start, rng.standard_normal(3), rng.uniform(*tree.branching.radius))
    paint(image, coverage(tree.vessels, shape), rng.uniform(0.7, 1.1))
    return image, tree.vessels
