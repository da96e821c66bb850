"""What surrounds the organs: wall, lungs, spine with its cord, great vessels, muscles, arms."""

import numpy as np

from recon.simulation.abdomen.implicit_shapes import ellipsoid, tube
from recon.simulation.abdomen.torso import Torso

_CYLINDER = float("inf")


def draw_trunk(torso: Torso) -> None:
    """Draw skin, fat, muscles, lungs and spine, and set the room that organs have.

    Parameters
    ----------
    torso : Torso
        Empty.
    """
    _wall(torso)
    _lungs(torso)
    _spine(torso)
    _great_vessels(torso)
    _psoas(torso)


def _wall(torso: Torso) -> None:
    rng, grid, signals = torso.rng, torso.grid, torso.signals
    wide, deep = torso.wide_mm, torso.deep_mm
    skin = ellipsoid(grid, (0, 0, 0), (_CYLINDER, deep, wide), power=rng.uniform(2.1, 2.7))
    skin = skin + 2 * grid.random_field(70.0)
    texture = 1 + 0.06 * grid.random_field(9.0)
    torso.image += np.float32(rng.uniform(0.0, 0.02))
    if rng.random() < 0.5:
        for side in (-1, 1):
            arm = ellipsoid(grid, (0, rng.uniform(-10, 40), side * (wide + 42)), (_CYLINDER, 38, 34))
            torso.paint(arm, signals["fat"])
            torso.paint(arm - rng.uniform(5, 12), signals["muscle"])
    torso.paint(skin, signals["fat"] * texture)
    fat = rng.uniform(8, 26) + rng.uniform(0, 6) * grid.random_field(90.0)
    muscle = rng.uniform(8, 14)
    back = np.clip((grid.points[1] - (torso.spine_mm + 4)) / 25, 0, 1)
    wall = skin - np.maximum(fat, 4)
    torso.paint(wall, signals["muscle"] * texture)
    cavity = wall - muscle - back * rng.uniform(26, 34)
    torso.paint(cavity, signals["fat"] * texture)
    _ribs(torso, fat=float(np.mean(fat)) + muscle / 2)
    torso.room_mm = (cavity - 1).astype(np.float32)


def _ribs(torso: Torso, fat: float) -> None:
    """Slanting arcs within the wall, from the spine to the front."""
    rng = torso.rng
    angles = np.linspace(0.35 * np.pi, -0.25 * np.pi, 9)
    for side in (-1, 1):
        for level in np.arange(rng.uniform(-10, 20), 130, rng.uniform(24, 30)):
            y = (torso.deep_mm - fat) * np.sin(angles)
            x = side * (torso.wide_mm - fat) * np.cos(angles)
            z = level + 0.35 * (y - y[0])
            rib = tube(torso.grid, np.stack([z, y, x], axis=1), np.full(len(angles), rng.uniform(4.0, 5.5)))
            torso.paint(rib.depth, torso.signals["bone"])
            torso.paint(rib.depth - 2, 0.7 * torso.signals["marrow"])


def _lungs(torso: Torso) -> None:
    """Two domes of the diaphragm; above them lungs and the heart's underside."""
    rng, grid = torso.rng, torso.grid
    z, y, x = grid.points
    height = np.full(grid.shape, -np.inf, dtype=np.float32)
    for side, top in ((-1, rng.uniform(82, 104)), (1, rng.uniform(74, 96))):
        radius = ((x - side * 0.42 * torso.wide_mm) / (0.55 * torso.wide_mm)) ** 2 + (y / torso.deep_mm) ** 2
        height = np.maximum(height, np.float32(top) - np.float32(rng.uniform(48, 65)) * radius)
    height = height + 3 * grid.random_field(60.0)
    above = np.minimum(z - height, torso.room_mm)
    torso.paint(above, torso.signals["lung"] * (1 + 0.3 * grid.random_field(8.0)))
    heart = ellipsoid(grid, (rng.uniform(105, 120), -30, 25), (42, 42, 58), (0, 0, rng.uniform(-20, 20)))
    torso.paint(np.minimum(heart, above), torso.signals["muscle"])
    torso.room_mm = np.minimum(torso.room_mm, height - z - 1)


def _spine(torso: Torso) -> None:
    """Vertebral bodies with discs between them, the canal with fluid and cord, a ring of bone, a spinous process."""
    rng, grid, signals = torso.rng, torso.grid, torso.signals
    z, y, x = grid.points
    bend = rng.uniform(0, 5) * np.sin(z / 70 + rng.uniform(0, 6.3))
    sway = torso.spine_mm + rng.uniform(2, 7) * np.cos(z / 75 + rng.uniform(-0.6, 0.6)) - y
    half_x, half_y = rng.uniform(21, 26), rng.uniform(15, 19)
    radius = np.sqrt(((x - bend) / half_x) ** 2 + (sway / half_y) ** 2)
    column = ((1 - radius) * np.float32(np.sqrt(half_x * half_y)) + 0.8 * grid.random_field(15.0)).astype(np.float32)
    period, disc = rng.uniform(33, 38), rng.uniform(7, 10)
    level = (z + rng.uniform(-0.15, 0.15) * sway) / period + rng.random()
    along = np.abs(level - np.floor(level) - 0.5) * np.float32(period)
    body = np.minimum(column, (np.float32(period) - np.float32(disc)) / 2 - along)
    canal_y = -sway - half_y - rng.uniform(8.5, 10.5)
    canal = 10 - np.hypot((x - bend) / 1.15, canal_y)
    cord = rng.uniform(5.2, 6.5) - np.hypot((x - bend) / rng.uniform(1.1, 1.3), canal_y)
    process = np.minimum(4 - np.abs(x - bend), np.minimum(canal_y - 8, 34 - canal_y) + 0 * z)
    process = np.minimum(process, 9 - np.abs(along - 8))
    bone = np.maximum(np.minimum(canal + rng.uniform(4, 6), 12 - along), process)
    torso.paint(bone, 0.6 * signals["marrow"])
    torso.place(torso.free(canal, 0.0, confined=False), signals["water"])
    torso.paint(cord, signals["cord"])
    torso.labels[cord > 0] = 9
    torso.place(torso.free(column, 0.5, confined=False), signals["disc"])
    torso.paint(body, signals["bone"])
    torso.paint(body - 1.2, signals["marrow"] * (1 + 0.07 * grid.random_field(8.0)))
    torso.labels[(body > 0) & (torso.labels == 0)] = 10


def _great_vessels(torso: Torso) -> None:
    rng, front = torso.rng, torso.spine_mm
    levels = np.linspace(-150, 150, 6)
    for side, ahead, radius in ((12, 31, rng.uniform(8, 11)), (-21, 27, rng.uniform(9, 12))):
        wander = rng.normal(0, 2, (6, 2))
        places = np.stack([levels, front - ahead + wander[:, 0], side + wander[:, 1]], axis=1)
        vessel = tube(torso.grid, places, np.full(6, radius))
        torso.place(torso.free(vessel.depth, 1.0, confined=False), torso.signals["blood"])


def _psoas(torso: Torso) -> None:
    rng = torso.rng
    levels = np.linspace(20, -150, 5)
    for side in (-1, 1):
        wide = rng.uniform(15, 20)
        places = np.stack([levels, torso.spine_mm + rng.uniform(0, 8) + 0 * levels, side * np.linspace(30, 48, 5)], 1)
        muscle = tube(torso.grid, places, np.linspace(4, wide, 5))
        torso.place(torso.free(muscle.depth, 0.5, confined=False), torso.signals["muscle"])
