"""What chests and bellies have in common: trunk, ribs, spine, lungs, liver, stomach, vessels, arms."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recon.simulation.anatomy.canvas import Canvas
from recon.simulation.anatomy.contours import Contour, irregular, random_contour


@dataclass(frozen=True)
class Chest:
    """Where things are in a chest that has its wall, lungs and spine.

    Attributes
    ----------
    cavity : Contour
    inside : (n, n) float32
        Cover of the cavity.
    spine_mm : (2,) tuple of float
        Centre of the vertebral body (x, y).
    """

    cavity: Contour
    inside: NDArray
    spine_mm: tuple[float, float]


def paint_trunk(canvas: Canvas, axes_mm: tuple[float, float], fat_mm: float, wall_mm: float) -> Contour:
    """Skin, subcutaneous fat and muscle layers; the contour within the muscles is handed back."""
    rng = canvas.rng
    center = (rng.normal(0, 2), rng.normal(0, 2))
    body = random_contour(rng, center, axes_mm, rng.normal(0, 0.06), 0.035, 6, rng.uniform(2.0, 2.7))
    canvas.paint(canvas.inside(body), "skin")
    canvas.paint(canvas.inside(body.grown(-rng.uniform(1.2, 2.2))), "fat", "subcutaneous fat")
    thin_fibres(canvas, canvas.whole(body.grown(-2)), int(rng.integers(2, 9)))
    muscle = replace(body.grown(-fat_mm), radius=body.radius * irregular(rng, 0.02, 6))
    canvas.paint(canvas.inside(muscle), "muscle")
    depth = rng.uniform(0.3, 0.6) * wall_mm
    gap, layer = rng.uniform(0.8, 2.2), muscle.grown(-depth)
    ring = canvas.whole(layer) * (1 - canvas.whole(layer.grown(-gap)))
    canvas.paint(canvas.everywhere(ring * np.clip(0.5 + 0.8 * canvas.noise(4), 0, 1)), "fat", "fat between muscles")
    return replace(muscle.grown(-wall_mm), radius=muscle.radius * irregular(rng, 0.02, 6))


def thin_fibres(canvas: Canvas, within: NDArray, count: int) -> None:
    """Thin curved fibrous septa."""
    rng = canvas.rng
    cover = np.zeros_like(canvas.density)
    for _ in range(count):
        start = rng.uniform(-0.45, 0.45, 2) * canvas.fov_mm
        heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.12, 30))
        points = start + 1.2 * np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=-1), axis=0)
        np.maximum(cover, canvas.stroke(points, np.full(30, rng.uniform(0.15, 0.5))), out=cover)
    canvas.paint(canvas.everywhere(cover * within), "fibrous", "septum of fat")


def paint_spine(canvas: Canvas, center_mm: tuple[float, float], size: float = 1.0) -> None:
    """Vertebral body with marrow, canal with fluid and cord, arch and processes; the back lies towards +y."""
    rng = canvas.rng
    x, y = center_mm
    back = random_contour(rng, (x, y + 27 * size), (34 * size, 15 * size), 0, 0.06, 6, 2.4)
    canvas.paint(canvas.inside(back), "muscle", "muscle of the back")
    body = random_contour(rng, center_mm, (rng.uniform(13, 18) * size, rng.uniform(10, 13) * size), 0, 0.05, 5, 2.3)
    canal = random_contour(rng, (x, y + 19 * size), (9 * size, 7 * size), 0, 0.05)
    for side in (-1, 1):
        process = random_contour(rng, (x + side * 17 * size, y + 20 * size), (12 * size, 4.5 * size), -side * 0.4, 0.1)
        bony(canvas, process, "marrow", 1.2, "vertebra")
    bony(canvas, random_contour(rng, (x, y + 32 * size), (3.5 * size, 10 * size), 0, 0.1), "marrow", 1.2, "vertebra")
    bony(canvas, body, "marrow", 1.3, "vertebra")
    bony(canvas, canal.grown(1.5), "fat", 1.0, "epidural fat")
    canvas.paint(canvas.inside(canal), "cerebrospinal fluid", "spinal canal")
    cord = random_contour(rng, (x, y + 19 * size), (4.5 * size, 3.5 * size), 0, 0.05)
    canvas.paint(canvas.inside(cord), "cord")


def bony(canvas: Canvas, contour: Contour, filling: str, rim_mm: float, label: str) -> None:
    """Paint a bone: a dark rim and what fills it."""
    canvas.paint(canvas.inside(contour), "bone", label)
    canvas.paint(canvas.inside(contour.grown(-rim_mm)), filling, label)


def paint_ribs(canvas: Canvas, cavity: Contour, count: int) -> None:
    """Ribs cut obliquely, on the cavity's rim, each with marrow."""
    rng = canvas.rng
    ring = cavity.grown(rng.uniform(4, 7))
    for angle in np.linspace(-np.pi, np.pi, count, endpoint=False) + rng.normal(0, 0.12, count):
        if abs(angle - np.pi / 2) < 0.5:
            continue  # the spine is there
        here, there = ring.point(angle), ring.point(angle + 0.02)
        along = np.arctan2(there[1] - here[1], there[0] - here[0])
        axes = (rng.uniform(5, 15), rng.uniform(2.6, 4.2))
        bony(canvas, random_contour(rng, here, axes, along + rng.normal(0, 0.15), 0.08), "marrow", 1.0, "rib")


def branches(
    canvas: Canvas,
    start_mm: tuple[float, float],
    reach_mm: float,
    count: int,
    radius_mm: float,
    within: NDArray,
    spread: tuple[float, float] = (-np.pi, np.pi),
) -> NDArray:
    """Cover of a tree of vessels that winds from a hilum, thinner as it goes, and leaves the plane here and there."""
    rng = canvas.rng
    points, radii = [], []
    for _ in range(count):
        steps = int(rng.uniform(0.35, 1.0) * reach_mm)
        heading = rng.uniform(*spread) + np.cumsum(rng.normal(0, 0.11, steps))
        path = start_mm + np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=-1), axis=0)
        width = radius_mm * rng.uniform(0.5, 1.1) * np.linspace(1, 0.3, steps)
        seen = np.sin(np.linspace(0, rng.uniform(2, 9), steps) + rng.uniform(0, 6)) > rng.uniform(-1, 0.4)
        points.append(path[seen])
        radii.append(width[seen])
    return canvas.stroke(np.concatenate(points), np.concatenate(radii), within)


def paint_lungs(canvas: Canvas, cavity: Contour) -> NDArray:
    """Fill the cavity with lung, its vessels and airways; its cover is handed back."""
    rng, inside = canvas.rng, canvas.whole(cavity)
    canvas.paint(canvas.everywhere(canvas.whole(cavity.grown(1.2))), "fibrous", "pleura")
    canvas.paint(canvas.everywhere(inside), "lung")
    for side in (-1, 1):
        hilum = (cavity.center_mm[0] + side * 0.25 * cavity.axes_mm[0], cavity.center_mm[1] + rng.normal(0, 6))
        spread = (-1.4, 1.4) if side > 0 else (np.pi - 1.4, np.pi + 1.4)
        tree = branches(canvas, hilum, 0.75 * cavity.axes_mm[0], int(rng.integers(12, 24)), 2.8, inside, spread)
        canvas.paint(canvas.everywhere(tree * rng.uniform(0.45, 0.8)), "venous blood", "lung vessel")
    return inside


def paint_liver(canvas: Canvas, dome: Contour, within: NDArray) -> None:
    """Liver under the diaphragm, with veins."""
    rng = canvas.rng
    cover = canvas.whole(dome) * within
    canvas.paint(canvas.everywhere(canvas.whole(dome.grown(1.5)) * within), "muscle", "diaphragm")
    canvas.paint(canvas.everywhere(cover), "liver")
    tree = branches(canvas, dome.center_mm, max(dome.axes_mm), int(rng.integers(8, 16)), rng.uniform(2, 3.5), cover)
    canvas.paint(canvas.everywhere(tree * rng.uniform(0.6, 1)), "venous blood", "liver vessel")


def paint_stomach(canvas: Canvas, contour: Contour, within: NDArray) -> None:
    """A wall, what was eaten, and air above it (towards -y)."""
    rng = canvas.rng
    canvas.paint(canvas.everywhere(canvas.whole(contour) * within), "bowel wall", "stomach")
    inner = canvas.whole(contour.grown(-rng.uniform(2, 4))) * within
    canvas.paint(canvas.everywhere(inner), "bowel content", "stomach content")
    surface = contour.center_mm[1] + rng.uniform(-0.8, 0.6) * contour.axes_mm[1]
    above = np.clip((surface - canvas.y) / canvas.pixel_mm + 0.5, 0, 1)
    canvas.paint(canvas.everywhere(inner * above), "air", "stomach air")


def paint_vessel(canvas: Canvas, center_mm: tuple[float, float], radius_mm: float, blood: str, label: str) -> Contour:
    """A round vessel with its wall."""
    contour = random_contour(canvas.rng, center_mm, (radius_mm, radius_mm * canvas.rng.uniform(0.85, 1.1)), 0, 0.04)
    canvas.paint(canvas.inside(contour.grown(canvas.rng.uniform(1.0, 1.8))), "muscle", f"wall of the {label}")
    canvas.paint(canvas.inside(contour), blood, label)
    return contour


def paint_chest(canvas: Canvas, breast: bool) -> Chest:
    """Wall, ribs, lungs and spine; sometimes arms beside and breasts before them."""
    rng = canvas.rng
    unit = canvas.fov_mm / 270
    arms = rng.random() < 0.25
    width = rng.uniform(84, 96) if arms else rng.uniform(98, 124)
    axes = (width * unit, rng.uniform(0.68, 0.86) * width * unit)
    fat, wall = rng.uniform(4, 15), rng.uniform(9, 15)
    if arms:
        for side in (-1, 1):
            center = (side * (axes[0] + rng.uniform(19, 22) * unit), rng.uniform(-5, 30))
            arm = random_contour(rng, center, (rng.uniform(14, 17) * unit, rng.uniform(16, 22) * unit), 0, 0.05)
            paint_limb(canvas, arm, rng.uniform(2, 5))
    if breast:
        for side in (-1, 1):
            center = (side * rng.uniform(0.42, 0.5) * axes[0], -rng.uniform(0.6, 0.72) * axes[1])
            size = (rng.uniform(0.34, 0.46) * axes[0], rng.uniform(0.34, 0.56) * axes[1])
            bust = random_contour(rng, center, size, side * 0.2, 0.05, 5)
            canvas.paint(canvas.inside(bust.grown(1.6)), "skin")
            canvas.paint(canvas.inside(bust), "fat", "subcutaneous fat")
            gland = canvas.whole(bust.grown(-6)) * np.clip(0.4 + 0.6 * canvas.noise(3), 0, 1)
            canvas.paint(canvas.everywhere(gland), "gland")
    cavity = paint_trunk(canvas, axes, fat, wall)
    spine = (rng.uniform(-8, 8), cavity.center_mm[1] + rng.uniform(0.72, 0.8) * cavity.axes_mm[1])
    paint_ribs(canvas, cavity, int(rng.integers(11, 18)))
    inside = paint_lungs(canvas, cavity)
    paint_spine(canvas, spine, rng.uniform(0.75, 0.95) * unit)
    return Chest(cavity, inside, spine)


def paint_limb(canvas: Canvas, limb: Contour, fat_mm: float) -> None:
    """An arm: skin, fat, muscle, a bone with marrow and vessels."""
    rng = canvas.rng
    canvas.paint(canvas.inside(limb), "skin")
    canvas.paint(canvas.inside(limb.grown(-1.2)), "fat", "subcutaneous fat")
    canvas.paint(canvas.inside(limb.grown(-1.2 - fat_mm)), "muscle")
    bone = random_contour(rng, limb.point(rng.uniform(-3, 3), 0.15), (6, 6), 0, 0.08)
    bony(canvas, bone, "yellow marrow", 2.0, "humerus")
    paint_vessel(canvas, limb.point(rng.uniform(-3, 3), 0.55), 1.6, "blood", "brachial artery")
