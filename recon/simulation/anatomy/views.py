"""Views of the heart and its vessels in a chest: short axis, long axis, and axial above the heart."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recon.simulation.anatomy.body import Body
from recon.simulation.anatomy.canvas import Canvas
from recon.simulation.anatomy.chambers import Heart, plain_pump, random_pump
from recon.simulation.anatomy.contours import irregular, random_contour
from recon.simulation.anatomy.motion_field import Pump
from recon.simulation.anatomy.thorax import (
    Chest,
    paint_chest,
    paint_liver,
    paint_stomach,
    paint_vessel,
    thin_fibres,
)


def short_axis(rng: np.random.Generator, pixels: int, fov_mm: float, field_t: float) -> Body:
    """Draw a chest in short axis of the heart."""
    canvas = Canvas(rng, pixels, fov_mm, field_t)
    chest = paint_chest(canvas, breast=rng.random() < 0.3)
    a, b = chest.cavity.axes_mm
    size = rng.uniform(0.72, 1.08) * min(1.1, b / 72)
    center = (rng.uniform(0.05, 0.32) * a, rng.uniform(-0.3, 0.02) * b)
    septum = np.pi + rng.uniform(-0.5, 0.7)
    _mediastinum(canvas, chest, center, 30 * size)
    pump = random_pump(rng, center, size, septum)
    _upper_abdomen(canvas, chest, center[1] + 26 * size)
    _posterior_vessels(canvas, chest)
    heart = Heart(canvas, pump, septum)
    heart.paint_fat()
    if rng.random() < 0.25:  # a basal slice cuts an atrium behind
        place = heart.point(septum - rng.uniform(0.9, 1.4), float(pump.outer_mm.max()) + 16 * size)
        atrium = random_contour(rng, place, (18 * size, 12 * size), rng.uniform(-1, 1), 0.1)
        canvas.paint(canvas.inside(atrium.grown(1.8)), "myocardium", "atrial wall")
        canvas.paint(canvas.inside(atrium), "venous blood", "atrium")
    heart.paint_ventricles()
    heart.paint_coronaries()
    if rng.random() < 0.35:
        heart.paint_scar()
    return canvas.finish("short_axis", pump, _breathing(canvas, chest, center[1]), _direction(rng), heart.appearing())


def _mediastinum(canvas: Canvas, chest: Chest, center_mm: tuple[float, float], reach_mm: float) -> None:
    """Fat and soft tissue between the lungs, from the heart to the breastbone and to the spine."""
    rng, unit = canvas.rng, reach_mm
    between = ((center_mm[0] + chest.spine_mm[0]) / 2, (center_mm[1] + chest.spine_mm[1]) / 2)
    back = random_contour(rng, between, (unit * rng.uniform(0.5, 0.75), unit * rng.uniform(0.9, 1.2)), 0.1, 0.1)
    front_mm = chest.cavity.point(-np.pi / 2 + rng.uniform(-0.1, 0.3), 0.9)
    front = ((center_mm[0] + front_mm[0]) / 2, (center_mm[1] + front_mm[1]) / 2)
    fore = random_contour(rng, front, (unit * rng.uniform(0.5, 0.8), unit * rng.uniform(0.8, 1.1)), -0.2, 0.1)
    cover = np.maximum(canvas.whole(back), canvas.whole(fore)) * chest.inside
    canvas.paint(canvas.everywhere(cover), "visceral fat", "mediastinal fat")
    thin_fibres(canvas, cover, int(rng.integers(2, 7)))


def _upper_abdomen(canvas: Canvas, chest: Chest, diaphragm_mm: float) -> None:
    """Liver, stomach and spleen under the diaphragm, as far up as they reach into the slice."""
    rng = canvas.rng
    (x, y), (a, b) = chest.cavity.center_mm, chest.cavity.axes_mm
    top = diaphragm_mm + rng.uniform(-8, 10)
    height = max(8.0, y + 0.95 * b - top) * rng.uniform(0.8, 1.1)
    if rng.random() < 0.85:
        place = (x - rng.uniform(0.1, 0.8) * a, top + 0.75 * height)
        dome = random_contour(rng, place, (rng.uniform(0.3, 0.6) * a, height), rng.uniform(-0.2, 0.2), 0.08)
        paint_liver(canvas, dome, chest.inside)
    if rng.random() < 0.65:
        place = (x + rng.uniform(0.45, 0.8) * a, top + height * rng.uniform(0.7, 1.0))
        axes = (rng.uniform(0.14, 0.28) * a, rng.uniform(0.4, 0.7) * height)
        paint_stomach(canvas, random_contour(rng, place, axes, rng.uniform(-0.5, 0.5), 0.1), chest.inside)
    if rng.random() < 0.35:
        place = (x + rng.uniform(0.7, 0.85) * a, y + rng.uniform(0.4, 0.6) * b)
        spleen = random_contour(rng, place, (rng.uniform(8, 14), rng.uniform(18, 28)), rng.uniform(0, 0.6), 0.08)
        canvas.paint(canvas.everywhere(canvas.whole(spleen) * chest.inside), "spleen")


def _posterior_vessels(canvas: Canvas, chest: Chest) -> None:
    """Descending aorta, oesophagus and azygos vein before the spine, in fat."""
    rng, (x, y) = canvas.rng, chest.spine_mm
    soft = random_contour(rng, (x + 5, y - 13), (rng.uniform(20, 30), rng.uniform(10, 15)), 0, 0.1)
    canvas.paint(canvas.everywhere(canvas.whole(soft) * chest.inside), "visceral fat", "mediastinal fat")
    aorta = (x + rng.uniform(12, 19), y - rng.uniform(12, 17))
    paint_vessel(canvas, aorta, rng.uniform(7, 11.5), "blood", "aorta")
    gullet = random_contour(rng, (x + rng.uniform(-6, 3), y - rng.uniform(18, 22)), (5, 3), rng.uniform(-1, 1), 0.15)
    canvas.paint(canvas.inside(gullet), "muscle", "oesophagus")
    if rng.random() < 0.5:
        canvas.paint(canvas.inside(gullet.grown(-2.2)), "air", "oesophagus air")
    paint_vessel(
        canvas, (x - rng.uniform(6, 11), y - rng.uniform(11, 14)), rng.uniform(1.8, 3), "venous blood", "azygos"
    )


def _breathing(canvas: Canvas, chest: Chest, heart_mm: float) -> NDArray:
    """Where breathing moves the chest: nothing at the wall and the spine, most at the diaphragm."""
    rng, (y, b) = canvas.rng, (chest.cavity.center_mm[1], chest.cavity.axes_mm[1])
    free = np.clip(canvas.whole(chest.cavity.grown(-6)) + rng.uniform(0, 0.1), 0, 1)
    spine = np.hypot(canvas.true_x - chest.spine_mm[0], canvas.true_y - chest.spine_mm[1]) < 26
    down = np.clip((canvas.true_y - (y - b)) / (1.6 * b), 0, 1)
    lowest, highest = rng.uniform(0.3, 0.5), rng.uniform(0.85, 1.0)
    return free * (1 - spine) * (lowest + (highest - lowest) * down)


def _direction(rng: np.random.Generator) -> tuple[float, float]:
    """Breathing in moves the heart down and towards the right or left, within 50° of the navigator's normal."""
    angle = rng.uniform(np.deg2rad(40), np.deg2rad(140))
    return float(np.cos(angle)), float(np.sin(angle))


def long_axis(rng: np.random.Generator, pixels: int, fov_mm: float, field_t: float) -> Body:
    """Draw a chest with the heart cut along its axis: four chambers, or two."""
    canvas = Canvas(rng, pixels, fov_mm, field_t)
    chest = paint_chest(canvas, breast=rng.random() < 0.3)
    a, b = chest.cavity.axes_mm
    size = rng.uniform(0.75, 1.02) * min(1.1, b / 72)
    apex = rng.uniform(-1.0, 0.1)
    center = (rng.uniform(0.12, 0.34) * a, rng.uniform(-0.3, -0.02) * b)
    _mediastinum(canvas, chest, center, 34 * size)
    if rng.random() < 0.4:
        _upper_abdomen(canvas, chest, center[1] + 40 * size)
    _posterior_vessels(canvas, chest)
    four = rng.random() < 0.65
    pump, septum = _long_pump(rng, center, size, apex, four)
    heart = Heart(canvas, pump, septum)
    heart.paint_fat()
    heart.paint_ventricles()
    _paint_atria(heart, apex, size, four)
    heart.paint_coronaries()
    if rng.random() < 0.3:
        heart.paint_scar()
    appearing = heart.appearing()
    return canvas.finish("long_axis", pump, _breathing(canvas, chest, center[1]), _direction(rng), appearing)


def _long_pump(
    rng: np.random.Generator, center_mm: tuple[float, float], size: float, apex_rad: float, four: bool
) -> tuple[Pump, float]:
    """Ventricles as bullets: the left one about its own centre, the right one beside it."""
    angles = np.linspace(-np.pi, np.pi, 361)
    turn = np.angle(np.exp(1j * (angles - apex_rad)))
    long, short = rng.uniform(34, 42) * size, rng.uniform(17, 21.5) * size
    inner = 1 / np.sqrt((np.cos(turn) / long) ** 2 + (np.sin(turn) / short) ** 2)
    # towards the base the bullet is cut off
    base = rng.uniform(24, 30) * size
    inner = np.where(np.cos(turn) < 0, np.minimum(inner, base / np.maximum(-np.cos(turn), 1e-3)), inner)
    inner = inner * irregular(rng, 0.03, 5)
    thickness = rng.uniform(7, 11) * size * (0.8 + 0.35 * np.abs(np.sin(turn))) * irregular(rng, 0.08, 4)
    outer = inner + thickness
    side = rng.choice([-1.0, 1.0]) if not four else 1.0
    septum = apex_rad + side * np.pi / 2 * rng.uniform(1.05, 1.25)
    offset = np.clip(np.angle(np.exp(1j * (angles - septum))) / np.deg2rad(70), -1, 1)
    right = np.cos(np.pi / 2 * offset) ** 0.8 * rng.uniform(20, 30) * size * irregular(rng, 0.06, 5)
    right[right < 1] = 0
    right *= four
    valve = (center_mm[0] - base * np.cos(apex_rad), center_mm[1] - base * np.sin(apex_rad))
    descent = rng.uniform(8, 14) * size
    return Pump(
        center_mm,
        inner.astype(np.float32),
        outer.astype(np.float32),
        right.astype(np.float32),
        rng.uniform(2.2, 4) * size,
        float((outer + right).max() + 36 * size),
        rng.uniform(0.18, 0.3),
        rng.uniform(-0.06, 0.06),
        (descent * np.cos(apex_rad), descent * np.sin(apex_rad)),
        valve,
    ), septum


def _paint_atria(heart: Heart, apex_rad: float, size: float, four: bool) -> None:
    """Atria behind the ventricles, and the valves as thin lines between."""
    canvas, rng, pump = heart.canvas, heart.canvas.rng, heart.pump
    behind = apex_rad + np.pi
    base = float(np.interp(np.angle(np.exp(1j * behind)), np.linspace(-np.pi, np.pi, 361), pump.inner_mm))
    chambers = [("left atrium", "blood", 0.0)]
    if four:
        chambers.insert(0, ("right atrium", "venous blood", 1.0))
    across = np.array([-np.sin(apex_rad), np.cos(apex_rad)]) * np.sign(np.sin(heart.septum_rad - apex_rad))
    along = np.array([np.cos(apex_rad), np.sin(apex_rad)])
    for label, blood, beside in chambers:
        depth, width = rng.uniform(17, 23) * size, rng.uniform(17, 23) * size
        place = np.array(pump.center_mm) - along * (base + 0.86 * depth) + across * beside * 42 * size
        atrium = random_contour(rng, tuple(place), (depth, width), apex_rad, 0.08)
        canvas.paint(canvas.inside(atrium.grown(2.0)), "myocardium", "atrial wall")
        canvas.paint(canvas.inside(atrium), blood, label)
        opening = place + along * 0.9 * depth
        ends = opening + np.outer([-1, 1], across) * 13 * size
        gate = canvas.stroke(np.linspace(ends[0], ends[1], 16), np.full(16, 5.0 * size))
        canvas.paint(canvas.everywhere(gate), blood, label)
        for leaf in (0, 1):
            tip = opening + along * rng.uniform(3, 10) * size + across * rng.normal(0, 3)
            leaflet = canvas.stroke(np.linspace(ends[leaf], tip, 14), np.full(14, rng.uniform(0.4, 0.8)))
            canvas.paint(canvas.everywhere(leaflet), "fibrous", "valve")
    for _ in range(rng.integers(0, 3)):  # veins that enter the left atrium
        start = np.array(pump.center_mm) - along * (base + 30 * size) - across * rng.uniform(-5, 12)
        path = np.linspace(start, start - along * 22 - across * rng.uniform(5, 30), 12)
        canvas.paint(canvas.everywhere(canvas.stroke(path, np.full(12, rng.uniform(3, 5)))), "blood", "pulmonary vein")


def great_vessels(rng: np.random.Generator, pixels: int, fov_mm: float, field_t: float) -> Body:
    """Draw an axial chest above the heart: aorta, pulmonary artery, vena cava, airways."""
    canvas = Canvas(rng, pixels, fov_mm, field_t)
    chest = paint_chest(canvas, breast=rng.random() < 0.2)
    size = rng.uniform(0.85, 1.1) * min(1.1, chest.cavity.axes_mm[1] / 72)
    center = (rng.uniform(-8, 8), chest.cavity.center_mm[1] - rng.uniform(0.05, 0.2) * chest.cavity.axes_mm[1])
    _mediastinum(canvas, chest, center, 40 * size)
    middle = random_contour(rng, center, (rng.uniform(34, 44) * size, rng.uniform(26, 34) * size), 0, 0.12)
    canvas.paint(canvas.everywhere(canvas.whole(middle) * chest.inside), "visceral fat", "mediastinal fat")
    _posterior_vessels(canvas, chest)
    x, y = center
    for side in (-1, 1):
        bronchus = random_contour(
            rng, (x + side * rng.uniform(8, 16) * size, y + 17 * size), (7, 5.5), side * 0.5, 0.08
        )
        canvas.paint(canvas.inside(bronchus.grown(1.4)), "cartilage", "wall of the bronchus")
        canvas.paint(canvas.inside(bronchus), "air", "bronchus")
    trunk = np.array([(x + 15 * size, y - 8 * size), (x + 10 * size, y + 2 * size), (x - 16 * size, y + 7 * size)])
    steps = np.linspace(0, 2, 40)
    path = np.stack([np.interp(steps, [0, 1, 2], trunk[:, axis]) for axis in (0, 1)], axis=-1)
    artery = canvas.stroke(path, np.linspace(rng.uniform(10, 13), rng.uniform(6, 9), 40) * size)
    canvas.paint(canvas.everywhere(artery), "venous blood", "pulmonary artery")
    aorta = (x - rng.uniform(6, 10) * size, y - rng.uniform(8, 12) * size)
    radius = rng.uniform(12, 16) * size
    paint_vessel(canvas, aorta, radius, "blood", "ascending aorta")
    cava = (aorta[0] - radius - rng.uniform(8, 11) * size, aorta[1] + 8 * size)
    paint_vessel(canvas, cava, rng.uniform(6, 9) * size, "venous blood", "vena cava")
    for _ in range(rng.integers(2, 9)):
        node = random_contour(rng, middle.point(rng.uniform(-np.pi, np.pi), rng.uniform(0.75, 0.95)), (3, 2), 0, 0.15)
        canvas.paint(canvas.inside(node), "muscle", "lymph node")
    pump = plain_pump(rng, aorta, radius)
    pump = replace(pump, ejection=0.5 * pump.ejection)
    return canvas.finish("great_vessels", pump, _breathing(canvas, chest, y), _direction(rng))
