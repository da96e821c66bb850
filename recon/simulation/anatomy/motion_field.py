"""How a body moves: ventricles that contract, thicken and twist, a valve plane that descends, breathing that slides."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recon.simulation.anatomy.contours import at_angle


@dataclass(frozen=True)
class Pump:
    """Ventricles in polar coordinates about the centre of the left one; all radii over the angle, see `at_angle`.

    For each angle the squared radius at rest is a rising, piecewise linear function of that of the moved heart, so
    areas are kept or shrunk exactly: walls keep theirs and so thicken, the cavities lose what they eject, and what
    lies around gives way, less and less up to `far_mm`.

    Attributes
    ----------
    center_mm : (2,) tuple of float
        As (x, y).
    inner_mm, outer_mm : (361,) float32
        Endocardium and epicardium of the left ventricle at end-diastole.
    right_mm : (361,) float32
        Width of the right ventricle's cavity, 0 where there is none.
    right_wall_mm : float
    far_mm : float
        Nothing moves beyond this distance.
    ejection : float
        Share by which the left ventricle's inner radius shortens; 0.3 for a normal heart.
    twist_rad : float
        Rotation at end-systole.
    descent_mm : (2,) tuple of float
        How far the valve plane comes down at end-systole, as (x, y).
    valve_mm : (2,) tuple of float
        Its centre.
    """

    center_mm: tuple[float, float]
    inner_mm: NDArray
    outer_mm: NDArray
    right_mm: NDArray
    right_wall_mm: float
    far_mm: float
    ejection: float
    twist_rad: float
    descent_mm: tuple[float, float] = (0.0, 0.0)
    valve_mm: tuple[float, float] = (0.0, 0.0)

    def radii_mm(self, contraction: float) -> NDArray:
        """Radii of the layers over the angle: ``(6, 361)`` float64.

        They are the rim of the papillary muscles, the endocardium, the epicardium, the right cavity, the right wall,
        and where motion ends.
        """
        shortened = 1 - self.ejection * contraction
        inner = self.inner_mm.astype(float) ** 2
        rim = _RIM**2 * inner
        # the trabeculated rim keeps its area as far as the cavity allows; the core makes up for it
        kept = min(0.85, 0.75 * (1 - self.ejection) ** 2 / (1 - _RIM**2))
        kept = 1 - (1 - kept) * contraction
        outer = self.outer_mm.astype(float)
        cavity = (outer + self.right_mm) ** 2 - outer**2
        wall = np.where(self.right_mm > 0.5, (outer + self.right_mm + self.right_wall_mm) ** 2, 0)
        wall = np.maximum(wall - (outer + self.right_mm) ** 2, 1e-3)
        layers = [np.zeros_like(inner)] * 5
        layers[1] = inner * shortened**2
        layers[0] = layers[1] - (inner - rim) * kept
        layers[2] = layers[1] + outer**2 - inner
        layers[3] = layers[2] + np.maximum(cavity * (1 - _RIGHT * self.ejection * contraction), 1e-3)
        layers[4] = layers[3] + wall
        far = np.full_like(inner, self.far_mm**2)
        return np.sqrt(np.stack([*layers, far]))

    def backward(self, y_mm: NDArray, x_mm: NDArray, contraction: float) -> tuple[NDArray, NDArray]:
        """Where points of the moved heart lie at rest, in mm."""
        if contraction == 0:
            return y_mm, x_mm
        bump = _bell(y_mm - self.valve_mm[1], x_mm - self.valve_mm[0], _VALVE_REACH_MM)
        y = y_mm - self.center_mm[1] - np.float32(contraction * self.descent_mm[1]) * bump
        x = x_mm - self.center_mm[0] - np.float32(contraction * self.descent_mm[0]) * bump
        radius = np.sqrt(x * x + y * y)
        fade = np.clip(1 - radius / np.float32(self.far_mm), 0, 1)
        angle = np.arctan2(y, x) + np.float32(self.twist_rad * contraction) * fade * fade * (3 - 2 * fade)
        angle = (angle + np.float32(np.pi)) % np.float32(2 * np.pi) - np.float32(np.pi)
        rest = self._radius_at_rest(radius, angle, contraction)
        return rest * np.sin(angle) + self.center_mm[1], rest * np.cos(angle) + self.center_mm[0]

    def _radius_at_rest(self, radius: NDArray, angle: NDArray, contraction: float) -> NDArray:
        square = radius * radius
        rest_square = square.copy()
        moved = [at_angle(row**2, angle) for row in self.radii_mm(contraction)]
        rest = [at_angle(row**2, angle) for row in self.radii_mm(0.0)]
        low_moved = low_rest = np.zeros_like(square)
        for high_moved, high_rest in zip(moved, rest, strict=True):
            inside = (square >= low_moved) & (square < high_moved)
            slope = (high_rest - low_rest) / np.maximum(high_moved - low_moved, np.float32(1e-6))
            rest_square = np.where(inside, low_rest + slope * (square - low_moved), rest_square)
            low_moved, low_rest = high_moved, high_rest
        return np.sqrt(np.maximum(rest_square, 0))


_RIM = 0.7
"""Papillary muscles and trabeculae lie beyond this share of the left ventricle's radius."""

_RIGHT = 1.5
"""Share of the right cavity's area that is lost, over the left one's shortening."""

_VALVE_REACH_MM = 26.0
"""Its steepest slope, 0.6 / 26 a mm, keeps a descent of 15 mm invertible."""


def _bell(y: NDArray, x: NDArray, scale: float) -> NDArray:
    return np.exp(-(x * x + y * y) / np.float32(2 * scale**2))


@dataclass(frozen=True)
class MotionField:
    """Heartbeat and breathing of a body.

    Attributes
    ----------
    pump : Pump
    breathing : (n, n) float32
        Share of the diaphragm's displacement by which what is now at each place has moved, in [0, 1]; its slope
        times the displacement stays below 1.
    direction : (2,) tuple of float
        Of breathing in, as (x, y), of unit length.
    pixel_mm : float
    """

    pump: Pump
    breathing: NDArray
    direction: tuple[float, float]
    pixel_mm: float

    def backward_map(self, contraction: float, displacement_mm: float) -> NDArray:
        """Where each pixel of the moved body lies at rest; see `Body.backward_map`."""
        pixels = len(self.breathing)
        index = np.arange(pixels, dtype=np.float32)
        y = index[:, None] - np.float32(displacement_mm * self.direction[1] / self.pixel_mm) * self.breathing
        x = index[None, :] - np.float32(displacement_mm * self.direction[0] / self.pixel_mm) * self.breathing
        if contraction:
            scale, center = np.float32(self.pixel_mm), pixels // 2
            y, x = self.pump.backward((y - center) * scale, (x - center) * scale, contraction)
            y, x = y / scale + center, x / scale + center
        return np.stack([y, x]).astype(np.float32)
