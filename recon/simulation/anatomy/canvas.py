"""Painting a body: tissues laid over each other with partial volume and texture."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recon.simulation.anatomy.body import Body
from recon.simulation.anatomy.contours import Contour, coverage
from recon.simulation.anatomy.fields import (
    flip_angle_ratio,
    object_phase,
    off_resonance_hz,
    smooth_noise,
    softened,
)
from recon.simulation.anatomy.motion_field import MotionField, Pump
from recon.simulation.anatomy.tissues import AIR, Material, random_materials

_SCALES = (0.6, 1.2, 2.5, 5.0, 12.0)
"""Standard deviations of the textures' filters, in pixels."""

_MAPS = ("t1_ms", "inflow", "t2_star_ms", "fat")


class Mask(NamedTuple):
    """What share of each pixel of a window is covered."""

    window: tuple[slice, slice]
    cover: NDArray


class Canvas:
    """A body while it is painted, from the outside in.

    Attributes
    ----------
    rng : numpy.random.Generator
    materials : dict of str to Material
    y, x : (n, n) float32
        Places in mm from the centre, where `irregular` is asked for, bent smoothly, so that no two contours are alike.
    true_y, true_x : (n, n) float32
        Places in mm.
    """

    def __init__(self, rng: np.random.Generator, pixels: int, fov_mm: float, field_t: float) -> None:
        self.rng, self.pixels, self.fov_mm, self.field_t = rng, pixels, fov_mm, field_t
        self.pixel_mm = fov_mm / pixels
        self.materials = random_materials(rng, field_t)
        place = ((np.arange(pixels) - pixels // 2) * self.pixel_mm).astype(np.float32)
        self.true_y, self.true_x = (axis.copy() for axis in np.meshgrid(place, place, indexing="ij"))
        self._noise = [smooth_noise(rng, pixels, scale) for scale in _SCALES]
        bend = [smooth_noise(rng, pixels, 18 / self.pixel_mm) for _ in range(2)]
        self.y = self.true_y + np.float32(rng.uniform(0.5, 2.2)) * bend[0]
        self.x = self.true_x + np.float32(rng.uniform(0.5, 2.2)) * bend[1]
        self.density = np.zeros((pixels, pixels), dtype=np.float32)
        self.maps = {name: np.full((pixels, pixels), getattr(AIR, name), dtype=np.float32) for name in _MAPS}
        self.labels = np.zeros((pixels, pixels), dtype=np.uint8)
        self.names = ["air"]

    def noise(self, scale: int, window: tuple[slice, slice] | None = None) -> NDArray:
        """Field of unit deviation at one of the scales (0 the finest), another one each time."""
        field, shift = self._noise[scale], self.rng.integers(self.pixels, size=2)
        if window is None:
            return np.roll(field, tuple(shift), (0, 1))
        rows, columns = (np.arange(part.start, part.stop) + move for part, move in zip(window, shift, strict=True))
        return field[np.ix_(rows % self.pixels, columns % self.pixels)]

    def window(self, center_mm: tuple[float, float], reach_mm: float) -> tuple[slice, slice]:
        """Pixels that lie within a distance of a point (x, y), two at least."""
        center = np.array(center_mm[::-1]) / self.pixel_mm + self.pixels // 2
        reach = reach_mm / self.pixel_mm + 2
        low = np.clip(np.floor(center - reach), 0, self.pixels - 2).astype(int)
        high = np.clip(np.ceil(center + reach) + 1, low + 2, self.pixels).astype(int)
        return slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))

    def inside(self, contour: Contour, within: NDArray | None = None) -> Mask:
        """Cover the inside of a contour, where wanted only within another mask of all pixels."""
        # the bend moves a point by up to four standard deviations of 2.2 mm
        window = self.window(contour.center_mm, contour.reach_mm + 9)
        cover = coverage(contour.level(self.y[window], self.x[window]))
        return Mask(window, cover if within is None else cover * within[window])

    def whole(self, contour: Contour) -> NDArray:
        """Cover of a contour's inside as a map of all pixels."""
        mask = self.inside(contour)
        result = np.zeros((self.pixels, self.pixels), dtype=np.float32)
        result[mask.window] = mask.cover
        return result

    def everywhere(self, cover: NDArray) -> Mask:
        """Make a mask of a map of all pixels."""
        return Mask((slice(0, self.pixels), slice(0, self.pixels)), cover)

    def paint(self, mask: Mask, material: str | Material, label: str | None = None) -> None:
        """Lay a tissue over what is there; mixed pixels hold the mean weighted by protons."""
        tissue = self.materials[material] if isinstance(material, str) else material
        window, cover = mask
        old = self.density[window] * (1 - cover)
        if tissue.density > 0:
            new = np.float32(tissue.density) * (1 + self._texture(window, tissue.texture)) * cover
            total = old + new
            share = new / np.maximum(total, np.float32(1e-9))
            for name in _MAPS:
                here = self.maps[name][window]
                here += share * (self._values(tissue, name, window) - here)
            self.density[window] = total
        else:
            self.density[window] = old
        self.labels[window][cover >= 0.5] = self._label(label or tissue.name)

    def _values(self, tissue: Material, name: str, window: tuple[slice, slice]) -> NDArray | np.float32:
        value = np.float32(getattr(tissue, name))
        if name == "t1_ms":
            return value * (1 + np.float32(0.02) * np.clip(self.noise(3, window), -2.5, 2.5))
        if name == "inflow" and value > 0:
            return np.clip(value * (1 + np.float32(0.15) * self.noise(4, window)), 0, np.float32(0.97))
        return value

    def _texture(self, window: tuple[slice, slice], deviation: float) -> NDArray:
        weights = self.rng.dirichlet(np.ones(3)) ** 0.5 * deviation
        scales = self.rng.choice(len(_SCALES), 3, replace=False)
        field = sum(
            np.float32(weight) * self.noise(scale, window) for weight, scale in zip(weights, scales, strict=True)
        )
        return np.clip(field, -0.5, 0.5)

    def _label(self, name: str) -> int:
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)

    def stroke(self, points_mm: NDArray, radii_mm: NDArray, within: NDArray | None = None) -> NDArray:
        """Cover of a line that is as wide as discs along it.

        Parameters
        ----------
        points_mm : (points, 2) float64
            As (x, y), closer than their radii.
        radii_mm : (points,) float64
        within : (n, n) float32, optional

        Returns
        -------
        (n, n) float32
        """
        cover = np.zeros((self.pixels, self.pixels), dtype=np.float32)
        for point, radius in zip(points_mm, radii_mm, strict=True):
            window = self.window(tuple(point), radius + 1)
            distance = np.hypot(self.true_y[window] - np.float32(point[1]), self.true_x[window] - np.float32(point[0]))
            # a disc thinner than a pixel covers a share of it
            thin = min(1.0, 2 * radius / self.pixel_mm)
            disc = thin * np.clip((radius - distance) / self.pixel_mm + 0.5, 0, 1)
            np.maximum(cover[window], disc, out=cover[window])
        return cover if within is None else cover * within

    def finish(
        self,
        kind: str,
        pump: Pump,
        mobile: NDArray,
        direction: tuple[float, float],
        appearing: NDArray | None = None,
    ) -> Body:
        """Make the body of what was painted.

        Parameters
        ----------
        kind : str
        pump : Pump
        mobile : (n, n) float32
            Where breathing moves the body and how far, in [0, 1]; softened here until its slope is harmless.
        direction : (2,) tuple of float
            Of breathing in, as (x, y).
        appearing : (n, n) float32, optional

        Returns
        -------
        Body
        """
        rng, pixels = self.rng, self.pixels
        water = np.minimum(self.density / np.float32(0.6), 1)
        phase = object_phase(rng, pixels)
        breathing = softened(mobile.astype(np.float32), _SLIDING_MM / self.pixel_mm)
        length = np.hypot(*direction)
        return Body(
            kind,
            self.fov_mm,
            (self.density * np.exp(1j * phase)).astype(np.complex64),
            **self.maps,
            off_resonance_hz=off_resonance_hz(rng, water, self.pixel_mm, self.field_t),
            b1=flip_angle_ratio(rng, pixels, self.field_t),
            labels=self.labels,
            names=tuple(self.names),
            appearing=np.zeros_like(self.density) if appearing is None else appearing.astype(np.float32),
            motion=MotionField(pump, breathing, (direction[0] / length, direction[1] / length), self.pixel_mm),
        )


_SLIDING_MM = 12.0
"""Standard deviation of the Gaussian that softens sliding: a step becomes a slope of at most 1 / (12 √2π) a mm, so
that 20 mm of breathing stay invertible."""
