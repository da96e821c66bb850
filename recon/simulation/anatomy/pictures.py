"""Contents that are no bodies, so that a network learns to remove streaks rather than to draw hearts."""

from dataclasses import replace

import numpy as np
import scipy.ndimage
import skimage.data
from numpy.typing import NDArray

from recon.simulation.anatomy.body import Body
from recon.simulation.anatomy.canvas import Canvas
from recon.simulation.anatomy.chambers import plain_pump
from recon.simulation.anatomy.contours import random_contour
from recon.simulation.anatomy.fields import power_law_noise
from recon.simulation.anatomy.tissues import Material

PHOTOGRAPHS = (
    "astronaut",
    "brick",
    "camera",
    "cell",
    "cat",
    "clock",
    "coffee",
    "coins",
    "grass",
    "gravel",
    "horse",
    "hubble_deep_field",
    "immunohistochemistry",
    "microaneurysms",
    "moon",
    "page",
    "retina",
    "rocket",
    "text",
)
"""Pictures of scikit-image that its wheel holds, by the names of `skimage.data`."""


def _random_material(rng: np.random.Generator) -> Material:
    return Material(
        "shape",
        rng.uniform(0.15, 1.0),
        np.exp(rng.uniform(np.log(250), np.log(3000))),
        rng.uniform(10, 60),
        rng.uniform(0.2, 0.9) if rng.random() < 0.2 else 0.0,
        rng.uniform(0.8, 1.0) if rng.random() < 0.2 else 0.0,
        rng.uniform(0.0, 0.15),
    )


def _frame(canvas: Canvas) -> NDArray:
    """Cover of what can be seen: an irregular outline with air around."""
    rng, unit = canvas.rng, canvas.fov_mm
    axes = (rng.uniform(0.36, 0.48) * unit, rng.uniform(0.36, 0.48) * unit)
    center = (rng.normal(0, 0.01) * unit, rng.normal(0, 0.01) * unit)
    outline = canvas.whole(random_contour(rng, center, axes, rng.uniform(0, np.pi), 0.05, 8, rng.uniform(2, 4)))
    farthest = np.maximum(np.abs(canvas.true_x), np.abs(canvas.true_y))
    return outline * np.clip((0.48 * unit - farthest) / canvas.pixel_mm, 0, 1)


def _finish(canvas: Canvas, kind: str, frame: NDArray) -> Body:
    """Give it motion as large as that of a heart and a breath."""
    rng = canvas.rng
    center = tuple(rng.normal(0, 0.08, 2) * canvas.fov_mm)
    mobile = scipy.ndimage.gaussian_filter(frame, 6) ** 2 * np.clip(0.7 + 0.3 * canvas.noise(4), 0, 1)
    angle = rng.uniform(0, 2 * np.pi)
    pump = replace(plain_pump(rng, center, rng.uniform(14, 26)), ejection=rng.uniform(0.2, 0.35))
    return canvas.finish(kind, pump, mobile, (np.cos(angle), np.sin(angle)))


def shapes(rng: np.random.Generator, pixels: int, fov_mm: float, field_t: float) -> Body:
    """Draw shapes, lines, edges and dots of all sizes over each other."""
    canvas = Canvas(rng, pixels, fov_mm, field_t)
    frame = _frame(canvas)
    if rng.random() < 0.7:
        canvas.paint(canvas.everywhere(frame), _random_material(rng), "ground")
    for _ in range(rng.integers(15, 60)):
        place = tuple(rng.uniform(-0.42, 0.42, 2) * fov_mm)
        size = np.exp(rng.uniform(np.log(0.004), np.log(0.2), 2)) * fov_mm
        power = rng.choice([1.0, 2.0, 2.0, 2.0, 6.0])
        shape = random_contour(rng, place, tuple(size), rng.uniform(0, np.pi), rng.uniform(0, 0.2), 8, power)
        mask = canvas.inside(shape, frame)
        if rng.random() < 0.15:
            canvas.paint(mask, "air")
        else:
            soft = mask.cover * np.float32(rng.uniform(0.3, 1) if rng.random() < 0.3 else 1)
            canvas.paint(mask._replace(cover=soft), _random_material(rng), "shape")
    for _ in range(rng.integers(3, 15)):
        heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, rng.uniform(0, 0.15), 80))
        start = rng.uniform(-0.4, 0.4, 2) * fov_mm
        radius = np.exp(rng.uniform(np.log(0.2), np.log(3)))
        path = start + max(0.7, radius / 2) * np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=-1), axis=0)
        line = canvas.stroke(path, np.full(len(path), radius), frame)
        canvas.paint(canvas.everywhere(line), _random_material(rng), "line")
    return _finish(canvas, "shapes", frame)


def _paint_picture(canvas: Canvas, picture: NDArray, frame: NDArray) -> None:
    """Density by brightness; T1 by clusters of brightness, each with its own, soft between them."""
    rng = canvas.rng
    picture = np.clip(picture, 0, 1).astype(np.float32)
    if rng.random() < 0.5:
        picture = 1 - picture
    floor = rng.uniform(0, 0.3)
    canvas.density[:] = (floor + (1 - floor) * picture ** np.float32(rng.uniform(0.7, 1.5))) * frame
    count = int(rng.integers(3, 7))
    knots = np.sort(rng.uniform(0, 1, count))
    t1_ms = np.exp(rng.uniform(np.log(250), np.log(2500), count))
    brightness = np.quantile(picture[::4, ::4], knots) + 1e-3 * np.arange(count)
    canvas.maps["t1_ms"][:] = np.interp(
        scipy.ndimage.gaussian_filter(picture, rng.uniform(0.7, 2.0)), brightness, t1_ms
    )
    canvas.maps["t2_star_ms"][:] = rng.uniform(15, 50) * (1 + 0.1 * np.clip(canvas.noise(3), -3, 3))
    canvas.maps["inflow"][:] = np.clip(0.4 * canvas.noise(4) - 0.3, 0, 0.9)
    canvas.maps["fat"][:] = np.clip(0.6 * canvas.noise(4) - 0.6, 0, 1)
    canvas.names.append("picture")
    canvas.labels[canvas.density > 0] = 1


def texture(rng: np.random.Generator, pixels: int, fov_mm: float, field_t: float) -> Body:
    """Draw random fields whose power falls as 1/f^a, one or a patchwork of them."""
    canvas = Canvas(rng, pixels, fov_mm, field_t)
    frame = _frame(canvas)
    picture = power_law_noise(rng, pixels, rng.uniform(1.0, 4.0))
    for _ in range(rng.integers(0, 4)):
        mask = np.clip(canvas.noise(4) * rng.uniform(1, 8) + rng.normal(0, 1), 0, 1)
        picture = picture * (1 - mask) + mask * power_law_noise(rng, pixels, rng.uniform(0.8, 4.0))
    if rng.random() < 0.3:
        picture = np.abs(picture)  # ridges
    low, high = np.quantile(picture[::4, ::4], (0.02, 0.98))
    _paint_picture(canvas, (picture - low) / (high - low), frame)
    return _finish(canvas, "texture", frame)


def photograph(rng: np.random.Generator, pixels: int, fov_mm: float, field_t: float) -> Body:
    """Draw a grey part of a picture of scikit-image: cut, zoomed, turned and mirrored at random."""
    canvas = Canvas(rng, pixels, fov_mm, field_t)
    frame = _frame(canvas)
    image = np.asarray(getattr(skimage.data, PHOTOGRAPHS[rng.integers(len(PHOTOGRAPHS))])())
    image = image[..., :3].mean(axis=-1) if image.ndim == 3 else image
    image = image.astype(np.float32)
    shorter = min(image.shape)
    side = shorter * rng.uniform(0.45, 1.0)
    angle, mirror = rng.uniform(0, 2 * np.pi), rng.choice([-1, 1])
    step = side / pixels
    cosine, sine = step * np.cos(angle), step * np.sin(angle)
    matrix = np.array([[cosine, -sine * mirror], [sine, cosine * mirror]])
    center = [rng.uniform(side / 2, max(side / 2 + 1, length - side / 2)) for length in image.shape]
    offset = center - matrix @ np.full(2, pixels / 2)
    blurred = scipy.ndimage.gaussian_filter(image, 0.4 * max(step - 1, 0)) if step > 1 else image
    picture = scipy.ndimage.affine_transform(blurred, matrix, offset, (pixels, pixels), order=1, mode="mirror")
    low, high = np.quantile(picture[::4, ::4], (0.01, 0.99))
    _paint_picture(canvas, (picture - low) / max(high - low, 1e-6), frame)
    return _finish(canvas, "photograph", frame)
