"""The heart: ventricles about the left one's centre, papillary muscles, coronaries, scars, atria."""

import numpy as np
from numpy.typing import NDArray

from recon.simulation.anatomy.canvas import Canvas
from recon.simulation.anatomy.contours import at_angle, coverage, irregular, random_contour
from recon.simulation.anatomy.motion_field import Pump

_ANGLES = np.linspace(-np.pi, np.pi, 361)


def _turn(angle_rad: NDArray, about: float) -> NDArray:
    return np.angle(np.exp(1j * (angle_rad - about)))


def random_pump(rng: np.random.Generator, center_mm: tuple[float, float], size: float, septum_rad: float) -> Pump:
    """Draw both ventricles in short axis: a round left one and a crescent about the septum.

    Parameters
    ----------
    rng : numpy.random.Generator
    center_mm : (2,) tuple of float
    size : float
        1 for an inner diameter of about 42 mm.
    septum_rad : float
        Direction of the septum from the centre, from x towards y.

    Returns
    -------
    Pump
    """
    wall = rng.uniform(6.5, 12.0) * size
    inner = (rng.uniform(18, 23.5) * size - 0.4 * (wall - 8)) * irregular(rng, 0.04, 5)
    thickness = wall * irregular(rng, 0.08, 4)
    outer = inner + thickness
    # the crescent: widest beside the septum, nothing beyond its insertions
    half = np.deg2rad(rng.uniform(62, 88))
    lean = rng.uniform(-0.25, 0.25)
    offset = np.clip(_turn(_ANGLES, septum_rad) / half, -1, 1)
    profile = np.cos(np.pi / 2 * offset) ** rng.uniform(0.6, 1.1) * (1 + lean * offset)
    right = rng.uniform(17, 30) * size * profile * irregular(rng, 0.06, 5)
    right[right < 1.0] = 0
    return Pump(
        center_mm,
        inner.astype(np.float32),
        outer.astype(np.float32),
        right.astype(np.float32),
        rng.uniform(2.2, 4.2) * size,
        float((outer + right).max() + 38 * size),
        rng.uniform(0.2, 0.36),
        rng.uniform(0.08, 0.2) * rng.choice([-1, 1]),
    )


def plain_pump(rng: np.random.Generator, center_mm: tuple[float, float], radius_mm: float) -> Pump:
    """Draw something that pulsates where there is no heart."""
    inner = radius_mm * irregular(rng, 0.08, 4)
    outer = inner + radius_mm * rng.uniform(0.25, 0.5)
    still = np.zeros_like(inner)
    far = float(outer.max() + rng.uniform(25, 40))
    return Pump(center_mm, inner, outer, still, 2.0, far, rng.uniform(0.15, 0.3), rng.uniform(-0.15, 0.15))


class Heart:
    """Paints the heart that a pump moves.

    Parameters
    ----------
    canvas : Canvas
    pump : Pump
    septum_rad : float
    """

    def __init__(self, canvas: Canvas, pump: Pump, septum_rad: float) -> None:
        self.canvas, self.pump, self.septum_rad = canvas, pump, septum_rad
        y, x = canvas.true_y - pump.center_mm[1], canvas.true_x - pump.center_mm[0]
        self.radius, self.angle = np.hypot(y, x), np.arctan2(y, x)
        self.inner = self._within(pump.inner_mm)
        self.outer = self._within(pump.outer_mm)
        self.cavity = self._within(pump.outer_mm + pump.right_mm)
        wall = np.where(pump.right_mm > 1, pump.right_wall_mm, 0)
        self.edge_mm = pump.outer_mm + pump.right_mm + wall
        self.all = self._within(self.edge_mm)

    def _within(self, radius_mm: NDArray) -> NDArray:
        return coverage(self.radius / at_angle(radius_mm, self.angle))

    def point(self, angle_rad: float, radius_mm: float) -> tuple[float, float]:
        """Return a point (x, y) about the centre of the left ventricle."""
        x, y = self.pump.center_mm
        return x + radius_mm * np.cos(angle_rad), y + radius_mm * np.sin(angle_rad)

    def _at(self, table: NDArray, angle_rad: float) -> float:
        return float(np.interp(np.angle(np.exp(1j * angle_rad)), _ANGLES, table))

    def paint_fat(self) -> None:
        """Fat between the heart and the pericardium, the pericardium a thin dark line on it."""
        canvas, rng = self.canvas, self.canvas.rng
        thickness = rng.uniform(1.5, 6) * irregular(rng, 0.35, 6)
        # more fat in the grooves where the right ventricle meets the left one
        for side in (-1, 1):
            groove = _turn(_ANGLES, self.septum_rad + side * 1.35) / 0.35
            thickness = thickness + rng.uniform(2, 7) * np.exp(-(groove**2))
        smooth = np.convolve(np.tile(self.edge_mm + thickness, 3), np.hanning(31) / np.hanning(31).sum(), "same")
        self.sac_mm = smooth[361:722].astype(np.float32)
        self.sac_mm[-1] = self.sac_mm[0]
        line = rng.uniform(0.5, 1.2)
        canvas.paint(canvas.everywhere(self._within(self.sac_mm + line)), "fibrous", "pericardium")
        canvas.paint(canvas.everywhere(self._within(self.sac_mm)), "visceral fat", "epicardial fat")

    def paint_ventricles(self, papillaries: bool = True) -> None:
        """Walls and blood; the endocardium is rough by trabeculae, more so in the right ventricle."""
        canvas, rng = self.canvas, self.canvas.rng
        canvas.paint(canvas.everywhere(self.all), "myocardium", "right ventricle wall")
        rough = canvas.noise(1) * rng.uniform(0.02, 0.09) + canvas.noise(2) * rng.uniform(0.02, 0.08)
        rough = np.maximum(rough, -0.015)  # inwards only: blood does not cross the thin wall
        right_edge = at_angle(self.pump.outer_mm + self.pump.right_mm, self.angle)
        right = coverage(self.radius / right_edge + rough) * (1 - self.outer)
        canvas.paint(canvas.everywhere(right), "venous blood", "right ventricle")
        canvas.paint(canvas.everywhere(self.outer), "myocardium", "left ventricle wall")
        level = self.radius / at_angle(self.pump.inner_mm, self.angle)
        left = coverage(level + 0.6 * rough)
        canvas.paint(canvas.everywhere(left), "blood", "left ventricle")
        if papillaries:
            self._paint_papillaries()

    def _paint_papillaries(self) -> None:
        canvas, rng = self.canvas, self.canvas.rng
        for lateral in (1.9, -1.9):
            for _ in range(rng.integers(1, 3)):
                angle = self.septum_rad + lateral + rng.normal(0, 0.25)
                inner = self._at(self.pump.inner_mm, angle)
                center = self.point(angle, inner * rng.uniform(0.68, 0.92))
                axes = (rng.uniform(2.2, 5.0) * inner / 20, rng.uniform(1.6, 3.6) * inner / 20)
                muscle = random_contour(rng, center, axes, angle + rng.normal(0, 0.4), 0.15)
                canvas.paint(canvas.inside(muscle), "myocardium", "papillary muscle")
        for _ in range(rng.integers(1, 6)):  # bands across the right ventricle
            angle = self.septum_rad + rng.uniform(-0.9, 0.9)
            outer, width = self._at(self.pump.outer_mm, angle), self._at(self.pump.right_mm, angle)
            near, far = rng.uniform(0, 0.7), rng.uniform(0.75, 1.1)
            ends = [
                self.point(angle, outer + near * width),
                self.point(angle + rng.normal(0, 0.3), outer + far * width),
            ]
            points = np.linspace(ends[0], ends[1], 14)
            band = canvas.stroke(points, np.full(14, rng.uniform(0.6, 1.6)), self.cavity)
            canvas.paint(canvas.everywhere(band), "myocardium", "trabeculae")

    def paint_coronaries(self) -> None:
        """Small bright dots and short stretches of vessel in the fat on the heart."""
        canvas, rng = self.canvas, self.canvas.rng
        for angle in (self.septum_rad + 1.35, self.septum_rad - 1.35, *rng.uniform(-np.pi, np.pi, 3)):
            angle, length = angle + rng.normal(0, 0.15), abs(rng.normal(0, 0.12))
            directions = angle + np.linspace(-length, length, 12)
            edge = np.array([self._at(self.edge_mm, one) for one in directions])
            depth = 0.5 * (edge + np.array([self._at(self.sac_mm, one) for one in directions]))
            points = np.array([self.point(one, far) for one, far in zip(directions, depth, strict=True)])
            cover = canvas.stroke(points, np.full(12, rng.uniform(0.8, 2.0)))
            canvas.paint(canvas.everywhere(cover), "blood", "coronary")

    def paint_scar(self) -> None:
        """An infarct or oedema: a sector of the left wall with soft borders, from the inside out, or patches."""
        canvas, rng = self.canvas, self.canvas.rng
        wall = self.outer * (1 - self.inner)
        depth = (self.radius - at_angle(self.pump.inner_mm, self.angle)) / at_angle(
            self.pump.outer_mm - self.pump.inner_mm, self.angle
        )
        middle, half = rng.uniform(-np.pi, np.pi), rng.uniform(0.25, 0.8)
        transmural, soft = rng.uniform(0.3, 1.2), rng.uniform(0.06, 0.25)
        sector = _sigmoid((half - np.abs(_turn(self.angle, middle))) / soft)
        layer = _sigmoid((transmural - depth) / rng.uniform(0.05, 0.2))
        name = rng.choice(["infarct", "oedema"])
        patchy = np.clip(1 + rng.uniform(0, 0.4) * canvas.noise(2), 0, 1)
        canvas.paint(canvas.everywhere((wall * sector * layer * patchy).astype(np.float32)), name, name)

    def appearing(self) -> NDArray:
        """Share of the density that comes or goes through the plane: a few smooth patches on the heart."""
        rng = self.canvas.rng
        result = np.zeros_like(self.canvas.density)
        for _ in range(rng.integers(1, 4)):
            angle = rng.uniform(-np.pi, np.pi)
            x, y = self.point(angle, rng.uniform(0.3, 1.1) * self._at(self.pump.outer_mm, angle))
            size = rng.uniform(4, 11)
            distance = (self.canvas.true_x - x) ** 2 + (self.canvas.true_y - y) ** 2
            result += rng.uniform(-0.5, 0.25) * np.exp(-distance / (2 * size**2))
        return np.clip(result, -0.7, 0.3) * self.all


def _sigmoid(value: NDArray) -> NDArray:
    return 1 / (1 + np.exp(-np.clip(value, -30, 30)))
