"""Smooth irregular closed curves, and what share of each pixel they cover."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

_ANGLES = np.linspace(-np.pi, np.pi, 361)
"""Where a contour's radius is tabulated; between them it is interpolated."""


@dataclass(frozen=True)
class Contour:
    """A superellipse whose radius is varied by a Fourier series of the angle.

    Attributes
    ----------
    center_mm, axes_mm : (2,) tuple of float
        Centre and semi-axes (x, y) before rotation.
    angle_rad : float
        Rotation from x towards y.
    power : float
        2 is an ellipse, more is squarer.
    radius : (361,) float32
        Factor of the radius over the angle -π..π.
    """

    center_mm: tuple[float, float]
    axes_mm: tuple[float, float]
    angle_rad: float
    power: float
    radius: NDArray

    @property
    def reach_mm(self) -> float:
        """No point lies farther from the centre."""
        return float(max(self.axes_mm) * self.radius.max() * np.sqrt(2))

    def grown(self, margin_mm: float) -> "Contour":
        """Return the contour with both semi-axes longer by a margin (shorter if negative), 1 mm at least."""
        first, second = (max(1.0, axis + margin_mm) for axis in self.axes_mm)
        return replace(self, axes_mm=(first, second))

    def level(self, y_mm: NDArray, x_mm: NDArray) -> NDArray:
        """Distance from the centre over that of the contour: below 1 inside."""
        x, y = x_mm - np.float32(self.center_mm[0]), y_mm - np.float32(self.center_mm[1])
        cosine, sine = np.float32(np.cos(self.angle_rad)), np.float32(np.sin(self.angle_rad))
        u = (cosine * x + sine * y) / np.float32(self.axes_mm[0])
        v = (cosine * y - sine * x) / np.float32(self.axes_mm[1])
        if self.power == 2:
            radius = np.sqrt(u * u + v * v)
        else:
            radius = (np.abs(u) ** self.power + np.abs(v) ** self.power) ** np.float32(1 / self.power)
        return radius / at_angle(self.radius, np.arctan2(v, u))

    def point(self, angle_rad: float, depth: float = 1.0) -> tuple[float, float]:
        """Return the point (x, y) in mm in a direction before rotation, at a share of the way from the centre."""
        u, v = np.cos(angle_rad), np.sin(angle_rad)
        length = depth * np.interp(np.angle(u + 1j * v), _ANGLES, self.radius)
        length /= (abs(u) ** self.power + abs(v) ** self.power) ** (1 / self.power)
        u, v = length * u * self.axes_mm[0], length * v * self.axes_mm[1]
        cosine, sine = np.cos(self.angle_rad), np.sin(self.angle_rad)
        return self.center_mm[0] + cosine * u - sine * v, self.center_mm[1] + sine * u + cosine * v


def at_angle(table: NDArray, angle_rad: NDArray) -> NDArray:
    """Interpolate a table over the angle -π..π (361 values, the last equal to the first); float32."""
    place = (angle_rad + np.float32(np.pi)) * np.float32(180 / np.pi)
    low = np.clip(place.astype(np.int32), 0, 359)
    table = np.asarray(table, dtype=np.float32)
    return table[low] + (place - low) * (table[low + 1] - table[low])


def irregular(rng: np.random.Generator, roughness: float, harmonics: int = 7) -> NDArray:
    """Draw a radius over the angle that varies about 1 by a Fourier series from the second harmonic on.

    Parameters
    ----------
    rng : numpy.random.Generator
    roughness : float
        Standard deviation of the radius; harmonics fall as 1/h.
    harmonics : int
        The highest.

    Returns
    -------
    (361,) float32
        At -π, -π + 1°, … π; at least 0.3.
    """
    order = np.arange(2, harmonics + 1)
    weight = 1 / order
    weight *= roughness * np.sqrt(2 / np.sum(weight**2))
    phase = rng.uniform(0, 2 * np.pi, len(order))
    amplitude = weight * rng.uniform(0.5, 1.3, len(order))
    return np.maximum(1 + amplitude @ np.cos(order[:, None] * _ANGLES + phase[:, None]), 0.3).astype(np.float32)


def random_contour(
    rng: np.random.Generator,
    center_mm: tuple[float, float],
    axes_mm: tuple[float, float],
    angle_rad: float = 0.0,
    roughness: float = 0.06,
    harmonics: int = 7,
    power: float = 2.0,
) -> Contour:
    """Draw a contour about an ellipse (or squarer, by `power`); see `irregular`."""
    return Contour(center_mm, axes_mm, angle_rad, power, irregular(rng, roughness, harmonics))


def coverage(level: NDArray) -> NDArray:
    """Share of each pixel that lies where a smooth level is below 1, to first order in the distance from the edge.

    Parameters
    ----------
    level : (height, width) float32

    Returns
    -------
    (height, width) float32
        In [0, 1].
    """
    slope_y, slope_x = np.gradient(level)
    slope = np.sqrt(slope_y * slope_y + slope_x * slope_x)
    return np.clip((1 - level) / np.maximum(slope, np.float32(1e-6)) + np.float32(0.5), 0, 1)
