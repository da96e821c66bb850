"""A chest of ellipses, each inside the one that it is drawn on; their Fourier transforms are closed forms.

Positions are in mm from the centre of the field of view: x along ``read_dir``, y along ``phase_dir``.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recon.simulation.chest.motion import Motion


@dataclass(frozen=True)
class Shape:
    """One ellipse of the body at rest (end-diastole, end-expiration).

    Attributes
    ----------
    name, tissue, parent : str
        Its own name, what it is made of, and the tissue that it displaces.
    center_mm, axes_mm : (2,) tuple of float
        Centre and semi-axes (x, y) before rotation.
    angle_rad : float
        Rotation from x towards y.
    breathing : float
        Share of the diaphragm's displacement that moves it along the direction of breathing.
    layer : {"still", "epicardium", "endocardium"}
        How its axes follow the contraction of the heart.
    inward : float
        Share of its distance from the centre of the left ventricle that it moves inward at end-systole.
    """

    name: str
    tissue: str
    parent: str
    center_mm: tuple[float, float]
    axes_mm: tuple[float, float]
    angle_rad: float = 0.0
    breathing: float = 0.0
    layer: str = "still"
    inward: float = 0.0


@dataclass(frozen=True)
class Ellipses:
    """Geometry of all shapes at several times.

    Attributes
    ----------
    center_mm, axes_mm : (shapes, times, 2) float64
    angle_rad : (shapes,) float64
    """

    center_mm: NDArray
    axes_mm: NDArray
    angle_rad: NDArray


@dataclass(frozen=True)
class Phantom:
    """The body of one subject.

    Attributes
    ----------
    shapes : tuple of Shape
        From the outside in: later ones lie on earlier ones.
    heart_mm : (2,) tuple of float
        Centre of the left ventricle, towards which walls and papillary muscles move.
    """

    shapes: tuple[Shape, ...]
    heart_mm: tuple[float, float]

    def at(self, motion: Motion) -> Ellipses:
        """Geometry at the times of a motion.

        Parameters
        ----------
        motion : Motion

        Returns
        -------
        Ellipses
        """
        squeeze = motion.contraction
        center = np.empty((len(self.shapes), len(squeeze), 2))
        axes = np.empty_like(center)
        for row, shape in enumerate(self.shapes):
            center[row] = shape.center_mm
            axes[row] = _contracted_axes(shape, squeeze)
            to_heart = np.subtract(self.heart_mm, shape.center_mm)
            center[row] += shape.inward * squeeze[:, None] * to_heart
            center[row] += shape.breathing * motion.displacement_mm[:, None] * _BREATHING_DIRECTION
        return Ellipses(center, axes, np.array([shape.angle_rad for shape in self.shapes]))


_EJECTION = 0.32
"""Shortening of the ventricle's inner radius at end-systole."""

# Thickness of the left ventricle's wall at end-diastole, in mm; normal adults have 6 to 10.
_WALL_MM = 9.5

_BREATHING_DIRECTION = np.array([-0.6, 0.8])
"""Oblique to the navigator (along x): a navigator that lies across the breathing sees it only through the coils'
shading, which is why operators plan it along the breathing as far as they can."""


def _contracted_axes(shape: Shape, squeeze: NDArray) -> NDArray:
    rest = np.asarray(shape.axes_mm)
    if shape.layer == "endocardium":
        return rest * (1 - _EJECTION * squeeze)[:, None]
    if shape.layer == "epicardium":
        wall = 3.5 if shape.name == "right ventricle wall" else _WALL_MM
        inner = rest - wall
        wall_area = rest**2 - inner**2
        return np.sqrt((inner * (1 - _EJECTION * squeeze)[:, None]) ** 2 + wall_area)
    return np.broadcast_to(rest, (len(squeeze), 2))


def random_phantom(rng: np.random.Generator, infarct: bool = False) -> Phantom:
    """Anatomy of one subject.

    Parameters
    ----------
    rng : numpy.random.Generator
    infarct : bool
        Put a scar into the wall of the left ventricle.

    Returns
    -------
    Phantom
        Fits into a circle of 250 mm; siblings do not overlap at any phase.
    """
    body = rng.uniform(0.93, 1.0)
    fat = rng.uniform(7.0, 12.0)
    heart = rng.uniform(0.9, 1.0)
    left = (18.0 + rng.uniform(-2, 2), -8.0 + rng.uniform(-2, 2))
    outer = 28.0 * heart
    inner = outer - _WALL_MM
    right = (left[0] - outer - 14.5 * heart, left[1] - 2.0 + rng.uniform(-2, 2))
    tilt = rng.uniform(-0.15, 0.15)
    shapes = [
        Shape("body", "fat", "air", (0, 0), (121 * body, 92 * body)),
        Shape("chest wall", "muscle", "fat", (0, 0), (121 * body - fat, 92 * body - fat)),
        Shape("right lung", "lung", "muscle", (-70 * body, -16 * body), (18 * body, 30 * body), 0.0, 0.1),
        Shape("left lung", "lung", "muscle", (70 * body, -6 * body), (17 * body, 34 * body), 0.0, 0.1),
        Shape("liver", "liver", "muscle", (-32, 43), (30 * body, 13 * body), 0.0, 0.7),
        Shape("spine", "marrow", "muscle", (16, 67 * body), (12, 9)),
        Shape("aorta", "blood", "muscle", (31, 47), (9, 9)),
        Shape("left ventricle wall", "myocardium", "muscle", left, (outer, outer), 0.0, 0.5, "epicardium"),
        Shape("left ventricle", "blood", "myocardium", left, (inner, inner), 0.0, 0.5, "endocardium"),
        Shape(
            "right ventricle wall",
            "myocardium",
            "muscle",
            right,
            (13 * heart, 23 * heart),
            tilt,
            0.5,
            "epicardium",
        ),
        Shape(
            "right ventricle",
            "blood",
            "myocardium",
            right,
            (13 * heart - 3.5, 23 * heart - 3.5),
            tilt,
            0.5,
            "endocardium",
        ),
    ]
    for name, angle in (("lateral papillary muscle", 0.5), ("septal papillary muscle", 2.2)):
        centre = _around(left, 0.6 * inner, angle + rng.uniform(-0.3, 0.3))
        shapes.append(Shape(name, "myocardium", "blood", centre, (2.8, 2.8), breathing=0.5, inward=0.35))
    if infarct:
        angle = rng.uniform(-0.6, 0.3)
        centre = _around(left, outer - _WALL_MM / 2, angle)
        shapes.append(Shape("infarct", "infarct", "myocardium", centre, (3.2, 7.0), angle, 0.5, inward=0.2))
    return Phantom(tuple(shapes), left)


def _around(center: tuple[float, float], radius: float, angle_rad: float) -> tuple[float, float]:
    return center[0] + radius * np.cos(angle_rad), center[1] + radius * np.sin(angle_rad)


def coverage(ellipses: Ellipses, row: int, time: int, matrix: int, fov_mm: float) -> NDArray:
    """Share of each pixel that one ellipse covers, to first order in the distance from its edge.

    Parameters
    ----------
    ellipses : Ellipses
    row, time : int
        Which shape, and at which time.
    matrix : int
    fov_mm : float

    Returns
    -------
    (N, N) float32
        In [0, 1]; axes (y, x).
    """
    pixel = fov_mm / matrix
    position = (np.arange(matrix, dtype=np.float32) - matrix // 2) * pixel
    x = position[None, :] - ellipses.center_mm[row, time, 0]
    y = position[:, None] - ellipses.center_mm[row, time, 1]
    cosine, sine = np.cos(ellipses.angle_rad[row]), np.sin(ellipses.angle_rad[row])
    a, b = ellipses.axes_mm[row, time]
    first, second = (cosine * x + sine * y) / a, (cosine * y - sine * x) / b
    radius = np.sqrt(first**2 + second**2)
    slope = np.sqrt((first / a) ** 2 + (second / b) ** 2)
    to_edge = np.where(radius > 1e-6, radius / np.maximum(slope, 1e-12), min(a, b))
    distance = (1 - radius) * to_edge
    return np.clip(distance / pixel + 0.5, 0, 1).astype(np.float32)
