"""Axial sections of the abdomen, the head and the thighs."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recon.simulation.anatomy.body import Body
from recon.simulation.anatomy.canvas import Canvas
from recon.simulation.anatomy.chambers import plain_pump
from recon.simulation.anatomy.contours import Contour, coverage, irregular, random_contour
from recon.simulation.anatomy.thorax import (
    bony,
    branches,
    paint_liver,
    paint_spine,
    paint_stomach,
    paint_trunk,
    paint_vessel,
    thin_fibres,
)


def abdomen(rng: np.random.Generator, pixels: int, fov_mm: float, field_t: float) -> Body:
    """Draw an axial abdomen: liver, spleen, kidneys, pancreas, bowel with air, great vessels, spine."""
    canvas = Canvas(rng, pixels, fov_mm, field_t)
    width = rng.uniform(98, 126) * fov_mm / 270
    axes = (width, rng.uniform(0.62, 0.85) * width)
    cavity = paint_trunk(canvas, axes, rng.uniform(4, 20), rng.uniform(7, 12))
    inside = canvas.whole(cavity)
    canvas.paint(canvas.everywhere(inside), "visceral fat")
    thin_fibres(canvas, inside, int(rng.integers(3, 10)))
    (x, y), (a, b) = cavity.center_mm, cavity.axes_mm
    spine = (x + rng.uniform(-4, 4), y + rng.uniform(0.55, 0.65) * b)
    for side in (-1, 1):
        psoas = random_contour(rng, (spine[0] + side * 24, spine[1] + 3), (9, 13), side * 0.3, 0.08)
        canvas.paint(canvas.inside(psoas), "muscle", "psoas")
        if rng.random() < 0.85:
            place = (spine[0] + side * rng.uniform(0.42, 0.55) * a, spine[1] - rng.uniform(-8, 8))
            _paint_kidney(canvas, place, rng.uniform(0.85, 1.15) * min(1.0, a / 95), side, inside)
    _paint_bowel(canvas, cavity, inside)
    pancreas = random_contour(rng, (x + rng.uniform(0, 15), y + 0.02 * b), (30, 8), rng.uniform(-0.5, 0.1), 0.18)
    canvas.paint(canvas.everywhere(canvas.whole(pancreas) * inside), "pancreas")
    place = (x - rng.uniform(0.45, 0.6) * a, y - rng.uniform(-0.1, 0.25) * b)
    axes = (rng.uniform(0.35, 0.6) * a, rng.uniform(0.4, 0.75) * b)
    paint_liver(canvas, random_contour(rng, place, axes, rng.uniform(-0.4, 0.4), 0.1), inside)
    if rng.random() < 0.7:
        place = (x + 0.8 * a, y + rng.uniform(0, 0.35) * b)
        spleen = random_contour(rng, place, (rng.uniform(12, 18), rng.uniform(24, 38)), rng.uniform(0, 0.5), 0.08)
        canvas.paint(canvas.everywhere(canvas.whole(spleen) * inside), "spleen")
    if rng.random() < 0.7:
        place = (x + rng.uniform(0.25, 0.55) * a, y - rng.uniform(0.25, 0.5) * b)
        stomach = random_contour(rng, place, (rng.uniform(18, 34), rng.uniform(13, 22)), rng.uniform(-0.6, 0.6), 0.1)
        paint_stomach(canvas, stomach, inside)
    if rng.random() < 0.5:
        gall = random_contour(rng, (x - 0.25 * a, y - 0.05 * b), (9, 6), rng.uniform(-1, 1), 0.06)
        canvas.paint(canvas.everywhere(canvas.whole(gall) * inside), "fluid", "gallbladder")
    aorta = (spine[0] + rng.uniform(3, 8), spine[1] - rng.uniform(20, 24))
    paint_vessel(
        canvas, (aorta[0] - rng.uniform(21, 26), aorta[1] + 2), rng.uniform(7, 11), "venous blood", "vena cava"
    )
    paint_vessel(canvas, aorta, rng.uniform(7, 10), "blood", "aorta")
    paint_spine(canvas, spine, rng.uniform(0.85, 1.05) * min(1.0, a / 95))
    mobile = canvas.whole(cavity.grown(-6)) * np.clip((spine[1] - 14 - canvas.true_y) / (0.8 * b), 0, 1)
    angle = rng.uniform(0, 2 * np.pi)
    pump = plain_pump(rng, aorta, rng.uniform(8, 12))
    return canvas.finish("abdomen", pump, mobile, (np.cos(angle), np.sin(angle)))


def _paint_kidney(canvas: Canvas, center_mm: tuple[float, float], size: float, side: int, inside: NDArray) -> None:
    rng = canvas.rng
    kidney = random_contour(rng, center_mm, (19 * size, 27 * size), side * 0.4, 0.06)
    cover = canvas.whole(kidney) * inside
    canvas.paint(canvas.everywhere(canvas.whole(kidney.grown(0.8)) * inside), "fibrous", "capsule of the kidney")
    canvas.paint(canvas.everywhere(cover), "kidney cortex")
    for angle in np.linspace(-np.pi, np.pi, 8, endpoint=False) + rng.normal(0, 0.15, 8):
        pyramid = random_contour(rng, kidney.point(angle, 0.55), (4.6 * size, 3.8 * size), angle, 0.12)
        canvas.paint(canvas.everywhere(canvas.whole(pyramid) * cover), "kidney medulla")
    x, y = kidney.point(0.0 if side < 0 else np.pi, 0.35)
    sinus = random_contour(rng, (x, y), (9 * size, 8 * size), 0, 0.2)
    canvas.paint(canvas.inside(sinus), "visceral fat", "renal sinus")
    canvas.paint(canvas.inside(sinus.grown(-5)), "fluid", "renal pelvis")


def _paint_bowel(canvas: Canvas, cavity: Contour, inside: NDArray) -> None:
    rng = canvas.rng
    for _ in range(rng.integers(8, 18)):
        place = cavity.point(rng.uniform(-np.pi, 0.3), rng.uniform(0.15, 0.88))
        axes = (rng.uniform(6, 14), rng.uniform(5, 10))
        loop = random_contour(rng, place, axes, rng.uniform(-np.pi, np.pi), 0.12)
        if rng.random() < 0.5:
            paint_stomach(canvas, loop, inside)
        else:
            canvas.paint(canvas.everywhere(canvas.whole(loop) * inside), "bowel wall", "bowel")
            folds = canvas.whole(loop.grown(-1.6)) * inside * np.clip(0.7 + 0.5 * canvas.noise(2), 0, 1)
            canvas.paint(canvas.everywhere(folds), "bowel content")


def brain(rng: np.random.Generator, pixels: int, fov_mm: float, field_t: float) -> Body:
    """Draw an axial head: scalp, skull, folded cortex, white matter, ventricles, deep grey matter, vessels."""
    canvas = Canvas(rng, pixels, fov_mm, field_t)
    unit = rng.uniform(0.88, 1.12) * fov_mm / 270
    center = (rng.normal(0, 5), rng.normal(0, 5))
    head = random_contour(rng, center, (76 * unit, 95 * unit), rng.normal(0, 0.15), 0.02, 5, rng.uniform(2.0, 2.3))
    scalp, skull = rng.uniform(3, 7), rng.uniform(5, 9)
    canvas.paint(canvas.inside(head), "skin")
    canvas.paint(canvas.inside(head.grown(-1.8)), "fat", "scalp")
    for side in (0.2, np.pi - 0.2):
        temporal = random_contour(rng, head.point(side, 0.93), (5, 22), rng.normal(0, 0.1), 0.1)
        canvas.paint(canvas.inside(temporal), "muscle", "temporal muscle")
    vault = replace(head.grown(-scalp), radius=head.radius * irregular(rng, 0.008, 6))
    canvas.paint(canvas.inside(vault), "bone", "skull")
    diploe = canvas.whole(vault.grown(-1.8)) * (1 - canvas.whole(vault.grown(1.8 - skull)))
    canvas.paint(canvas.everywhere(diploe * np.clip(0.7 + 0.4 * canvas.noise(3), 0, 1)), "marrow", "skull")
    space = vault.grown(-skull)
    canvas.paint(canvas.inside(space.grown(0.8)), "fibrous", "dura")
    canvas.paint(canvas.inside(space), "cerebrospinal fluid")
    white = _paint_cortex(canvas, space.grown(-rng.uniform(1, 4)), space)
    _paint_deep(canvas, space, unit, white)
    for _ in range(rng.integers(4, 9)):
        start = space.point(rng.uniform(-np.pi, np.pi), rng.uniform(0.2, 0.95))
        vessels = branches(canvas, start, 30, 2, rng.uniform(0.5, 1.3), canvas.whole(space))
        canvas.paint(canvas.everywhere(vessels * rng.uniform(0.5, 1)), "blood", "vessel")
    sinus = random_contour(rng, space.point(np.pi / 2 + rng.normal(0, 0.05), 0.96), (5, 3.5), 0, 0.1)
    canvas.paint(canvas.inside(sinus), "venous blood", "sagittal sinus")
    mobile = canvas.whole(space.grown(-8)) * rng.uniform(0.5, 1.0)
    pump = plain_pump(rng, space.point(rng.uniform(-np.pi, np.pi), rng.uniform(0, 0.4)), rng.uniform(10, 20))
    angle = rng.uniform(0, 2 * np.pi)
    return canvas.finish("brain", pump, mobile, (np.cos(angle), np.sin(angle)))


def _paint_cortex(canvas: Canvas, hull: Contour, space: Contour) -> NDArray:
    """Cortex as a ribbon of grey matter along sulci, which are level sets of noise; the cover of white matter."""
    rng = canvas.rng
    depth = (1 - hull.level(canvas.y, canvas.x)) * hull.axes_mm[0]
    # sulci: where the noise crosses zero, near the surface only; distance to the crossing by its slope
    fold = canvas.noise(4) * 0.5 + canvas.noise(3) * rng.uniform(0.6, 1.0)
    slope_y, slope_x = np.gradient(fold, np.float32(canvas.pixel_mm))
    crossing = np.abs(fold) / np.maximum(np.hypot(slope_y, slope_x), 0.03)
    deepest = rng.uniform(16, 28) * (1 + 0.25 * canvas.noise(4))
    away = np.where(depth < deepest, crossing, crossing + 0.8 * (depth - deepest))
    cleft = np.abs(canvas.x - space.center_mm[0] - 1.5 * canvas.noise(4))
    middle = np.abs(canvas.y - space.center_mm[1])
    cleft = np.where(middle > 0.42 * space.axes_mm[1], cleft, cleft + 0.5 * (0.42 * space.axes_mm[1] - middle))
    away = np.minimum(np.minimum(away, cleft), np.maximum(depth, 0)).astype(np.float32)
    hull_cover = coverage(hull.level(canvas.y, canvas.x))
    gap, ribbon = rng.uniform(0.5, 1.3), rng.uniform(2.6, 3.6)
    grey = hull_cover * np.clip((away - gap) / canvas.pixel_mm + 0.5, 0, 1)
    white = hull_cover * np.clip((away - gap - ribbon) / canvas.pixel_mm + 0.5, 0, 1)
    canvas.paint(canvas.everywhere(grey), "grey matter", "cortex")
    canvas.paint(canvas.everywhere(white), "white matter")
    return white


def _paint_deep(canvas: Canvas, space: Contour, unit: float, white: NDArray) -> None:
    rng, (x, y) = canvas.rng, space.center_mm
    wide = rng.uniform(0.7, 1.6)
    for side in (-1, 1):
        for name, dx, dy, axes, tilt in (
            ("thalamus", 10, 8, (8, 12), 0.4),
            ("lentiform nucleus", 23, -4, (7, 14), -0.25),
            ("caudate nucleus", 13, -19, (4.5, 9), -0.3),
        ):
            place = (x + side * dx * unit, y + (dy + rng.normal(0, 1)) * unit)
            nucleus = random_contour(rng, place, (axes[0] * unit, axes[1] * unit), side * tilt, 0.07)
            canvas.paint(canvas.inside(nucleus), "deep grey matter", name)
        for dy, axes, tilt in ((-20, (4 * wide, 12), 0.35), (26, (4 * wide, 12), -0.45)):
            place = (x + side * (5 + 2 * wide) * unit, y + dy * unit)
            horn = random_contour(rng, place, (axes[0] * unit, axes[1] * unit), -side * tilt, 0.08)
            canvas.paint(canvas.inside(horn), "cerebrospinal fluid", "lateral ventricle")
    third = random_contour(rng, (x, y + 6 * unit), (1.3 * wide * unit, 11 * unit), 0, 0.08)
    canvas.paint(canvas.inside(third), "cerebrospinal fluid", "third ventricle")
    if rng.random() < 0.3:  # a lesion with soft borders
        place = space.point(rng.uniform(-np.pi, np.pi), rng.uniform(0.3, 0.7))
        level = random_contour(rng, place, (rng.uniform(4, 12), rng.uniform(4, 12)), 0, 0.2).level(canvas.y, canvas.x)
        soft = 1 / (1 + np.exp(np.clip((level - 1) / rng.uniform(0.05, 0.3), -30, 30)))
        canvas.paint(canvas.everywhere((soft * white).astype(np.float32)), "oedema", "lesion")


def legs(rng: np.random.Generator, pixels: int, fov_mm: float, field_t: float) -> Body:
    """Draw two thighs: fat, muscle groups between septa, femur with marrow, vessels."""
    canvas = Canvas(rng, pixels, fov_mm, field_t)
    unit, size = fov_mm / 270, rng.uniform(0.8, 1.0)
    fat, mobile = rng.uniform(3, 14), np.zeros_like(canvas.density)
    middle_mm = rng.normal(0, 6)
    for side in (-1, 1):
        place = (side * rng.uniform(57, 62) * unit, middle_mm + rng.normal(0, 3))
        axes = (rng.uniform(48, 54) * size * unit, rng.uniform(54, 68) * size * unit)
        limb = random_contour(rng, place, axes, side * rng.uniform(-0.3, 0.3), 0.04, 6)
        canvas.paint(canvas.inside(limb), "skin")
        canvas.paint(canvas.inside(limb.grown(-1.6)), "fat", "subcutaneous fat")
        muscle = limb.grown(-1.6 - fat)
        canvas.paint(canvas.inside(muscle.grown(0.6)), "fibrous", "fascia")
        cover = canvas.whole(muscle)
        canvas.paint(canvas.everywhere(cover), "fat", "fat between muscles")
        femur = muscle.point(rng.uniform(-np.pi, np.pi), rng.uniform(0, 0.2))
        _paint_muscles(canvas, muscle, femur, cover)
        bony(canvas, random_contour(rng, femur, (13 * size, 12.5 * size), 0, 0.05), "yellow marrow", 4.0, "femur")
        inner = 0.0 if side < 0 else np.pi
        vessel = muscle.point(inner + rng.normal(0, 0.5), rng.uniform(0.4, 0.6))
        paint_vessel(canvas, vessel, rng.uniform(3, 4.5), "blood", "femoral artery")
        beside = (vessel[0] + 7, vessel[1] + rng.uniform(2, 6))
        paint_vessel(canvas, beside, rng.uniform(3.5, 5.5), "venous blood", "femoral vein")
        mobile = np.maximum(mobile, canvas.whole(limb.grown(-6)) * rng.uniform(0.4, 0.9))
    pump = plain_pump(rng, vessel, rng.uniform(8, 14))
    angle = rng.uniform(0, 2 * np.pi)
    return canvas.finish("legs", pump, mobile, (np.cos(angle), np.sin(angle)))


def _paint_muscles(canvas: Canvas, muscle: Contour, femur_mm: tuple[float, float], cover: NDArray) -> None:
    """Muscle groups are the cells of random seeds, with fat between."""
    rng = canvas.rng
    count = int(rng.integers(8, 13))
    angles = np.linspace(-np.pi, np.pi, count, endpoint=False) + rng.normal(0, 0.15, count)
    seeds = np.array([muscle.point(angle, rng.uniform(0.45, 0.8)) for angle in angles])
    bend = [2.0 * canvas.noise(4) for _ in range(2)]
    distance = np.stack([np.hypot(canvas.x + bend[0] - x, canvas.y + bend[1] - y) for x, y in seeds])
    nearest = np.partition(distance, 1, axis=0)
    gap = rng.uniform(0.5, 1.8) * (1 + 0.5 * canvas.noise(3))
    apart = np.clip((nearest[1] - nearest[0] - 2 * gap) / (2 * canvas.pixel_mm) + 0.5, 0, 1)
    owner = distance.argmin(axis=0)
    grade = rng.normal(1, 0.05, count)
    for one in range(count):
        group = replace(canvas.materials["muscle"], density=canvas.materials["muscle"].density * grade[one])
        canvas.paint(canvas.everywhere((cover * apart * (owner == one)).astype(np.float32)), group, "muscle")
    near = random_contour(rng, femur_mm, (20, 18), 0, 0.1)
    canvas.paint(canvas.everywhere(canvas.whole(near) * cover), "muscle")
