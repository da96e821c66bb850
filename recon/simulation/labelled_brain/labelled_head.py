"""Random heads as in a T1w scan, with labels: folded cortex in four lobes, nuclei, ventricles, cerebellum, stem.

Lengths are in mm; the matrix always holds the whole head, whose field of view is 180 mm from front to back.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recon.simulation.angiogram.random_fields import Grid, distance_to_level, smooth, within
from recon.simulation.labelled_brain.brain_parts import BRAIN_PARTS, PART

SMALL_HEAD = (56, 72, 56)
"""Matrix (z, y, x) of the shipped weights: voxels of 2.5 mm."""

_FIELD_MM = 180.0
_FINER = 2
"""Parts of a voxel along each axis, of which its signal is the mean: the cortex is about as thick as a voxel."""

_SIGNALS = {
    "white": (0.93, 1.07),
    "grey": (0.6, 0.75),
    "nuclei": (0.74, 0.86),
    "fluid": (0.12, 0.3),
    "scalp": (0.8, 1.3),
    "skull": (0.03, 0.15),
}
"""Ranges of the tissues' signals, over that of white matter, as T1w scans show them."""


@dataclass(frozen=True)
class LabelledHead:
    """A simulated scan and its truth; axes point to the head, the back and the patient's left.

    Attributes
    ----------
    image : (z, y, x) float32
        Magnitude; white matter is about 1.
    labels : (z, y, x) uint8
        Of :data:`~recon.simulation.labelled_brain.brain_parts.BRAIN_PARTS`.
    spacing_mm : float
        Of its cubic voxels.
    seed : int
    """

    image: NDArray
    labels: NDArray
    spacing_mm: float
    seed: int


def simulate_labelled_head(seed: int, shape: tuple[int, int, int] = SMALL_HEAD) -> LabelledHead:
    """Simulate a subject.

    Parameters
    ----------
    seed : int
    shape : (3,) tuple of int
        (z, y, x); all of them hold the same head, with voxels of 180 mm over the rows.

    Returns
    -------
    LabelledHead
    """
    rng = np.random.default_rng([seed, 47])
    drawing = _Drawing(shape, rng)
    drawing.draw_head()
    drawing.draw_cerebrum()
    drawing.draw_below()
    drawing.draw_middle()
    signal, labels = drawing.voxels()
    noise = rng.standard_normal((2, *signal.shape), dtype=np.float32) / np.float32(rng.uniform(25, 60))
    shading = 1 + np.float32(rng.uniform(0.02, 0.08)) * smooth(Grid(shape), rng, 0.25 * shape[1])
    return LabelledHead(np.hypot(signal * shading + noise[0], noise[1]), labels, _FIELD_MM / shape[1], seed)


def head_in_parts(grid: Grid, rng: np.random.Generator) -> NDArray:
    """Draw a head of which the parts are known to nobody, for super-resolution.

    Parameters
    ----------
    grid : Grid
        Of cubic voxels.
    rng : numpy.random.Generator

    Returns
    -------
    (z, y, x) float32
    """
    return simulate_labelled_head(int(rng.integers(2**31)), grid.shape).image


class _Drawing:
    """Signal and labels on a grid finer than the image's, and the places of its voxels in the head's own axes."""

    def __init__(self, shape: tuple[int, int, int], rng: np.random.Generator) -> None:
        fine = (_FINER * shape[0], _FINER * shape[1], _FINER * shape[2])
        self.rng, self.grid = rng, Grid(fine)
        self.per_mm = fine[1] / _FIELD_MM
        centred = [
            (axis - size / 2) / np.float32(self.per_mm) - np.float32(shift)
            for axis, size, shift in zip(self.grid.points, fine, rng.normal(0, 2, 3), strict=True)
        ]
        turn = _small_turn(rng, 0.07)
        self.place = [sum(np.float32(c) * each for c, each in zip(row, centred, strict=True)) for row in turn]
        self.size = 1 + rng.normal(0, 0.03, 3)
        self.signals = {tissue: float(rng.uniform(*span)) for tissue, span in _SIGNALS.items()}
        self.image = np.zeros(fine, dtype=np.float32)
        self.labels = np.zeros(fine, dtype=np.uint8)

    def voxels(self) -> tuple[NDArray, NDArray]:
        """Mean signal of each voxel of the image, and the label of most of it."""
        z, y, x = (size // _FINER for size in self.grid.shape)
        boxes = (z, _FINER, y, _FINER, x, _FINER)
        shares = [(self.labels == part).reshape(boxes).mean(axis=(1, 3, 5)) for part in range(len(BRAIN_PARTS))]
        return self.image.reshape(boxes).mean(axis=(1, 3, 5)), np.argmax(shares, axis=0).astype(np.uint8)

    def depth(self, centre: tuple[float, float, float], axes: tuple[float, float, float], uneven: float) -> NDArray:
        """Depth in mm below the uneven surface of an ellipsoid, to first order; places vary a little."""
        middle, lengths = np.array(centre) + self.rng.normal(0, 1, 3), np.array(axes) * self.size
        lengths = lengths * self.rng.uniform(0.93, 1.07, 3)
        square = sum(
            ((each - np.float32(c)) / np.float32(a)) ** 2
            for each, c, a in zip(self.place, middle, lengths, strict=True)
        )
        bumps = np.float32(uneven) * self.field(0.4 * float(lengths.mean()))
        return (1 - np.sqrt(square) - bumps) * np.float32(lengths.mean())

    def field(self, scale_mm: float) -> NDArray:
        """Smooth field of unit deviation."""
        return smooth(self.grid, self.rng, scale_mm * self.per_mm)

    def sheets(self, scale_mm: float) -> NDArray:
        """Distance in mm from the surfaces on which a smooth field is zero."""
        return np.abs(distance_to_level(self.field(scale_mm), self.grid)) / np.float32(self.per_mm)

    def cover(self, depth: NDArray, tissue: str, part: str | NDArray) -> None:
        """Put a tissue where a depth in mm is positive, with the label of a part, or of one for each voxel."""
        share = within(depth * np.float32(self.per_mm))
        self.image *= 1 - share
        self.image += share * np.float32(self.signals[tissue])
        inside = depth > 0
        self.labels[inside] = PART[part] if isinstance(part, str) else part[inside]

    def draw_head(self) -> None:
        """Scalp, skull, and fluid around the brain, all of it one smooth ellipsoid."""
        inner = self.depth((4, 0, 0), (57, 74, 58), 0.02)
        skull, scalp = self.rng.uniform(3, 5), self.rng.uniform(2, 4)
        self.cover(inner + skull + scalp, "scalp", "background")
        self.cover(inner + skull, "skull", "background")
        self.cover(inner, "fluid", "outer fluid")
        self.inner = inner

    def draw_cerebrum(self) -> None:
        """White matter in a folded ribbon of grey, whose sulci are sheets of fluid; the halves lie apart."""
        z, y, x = self.place
        gap, cortex = self.rng.uniform(0.7, 1.3), self.rng.uniform(2.6, 3.6)
        upper = np.minimum(self.inner - self.rng.uniform(1.5, 3), z + 16)  # its base is flat
        temporal = np.maximum(*(self.depth((-22, -8, side * 38), (20, 36, 18), 0.05) for side in (-1, 1)))
        depth = np.maximum(upper, np.minimum(temporal, self.inner - 1))
        apart = np.where((z > 14) | (np.abs(y) > 45), np.abs(x) - gap, np.float32(_FIELD_MM))
        depth = np.minimum(depth, apart)
        folds = self.sheets(self.rng.uniform(5, 6.5)) + np.maximum(depth - self.rng.uniform(14, 20), 0)
        lobes = self.lobes(temporal)
        self.cover(depth, "grey", lobes)
        self.cover(np.minimum(depth, folds - gap) - cortex, "white", "white matter")
        self.cover(np.minimum(depth, gap - folds), "fluid", "outer fluid")

    def lobes(self, temporal: NDArray) -> NDArray:
        """Label of the lobe that each voxel would belong to: borders are planes that wave."""
        z, y, _ = self.place
        waves = 3 * self.field(12)
        found = np.full(self.grid.shape, PART["parietal grey matter"], dtype=np.uint8)
        found[(temporal > -4 + waves) & (z < 4 + waves)] = PART["temporal grey matter"]
        found[y > 46 + waves] = PART["occipital grey matter"]
        front = (y < 0.35 * z - 8 + waves) & ~((found == PART["temporal grey matter"]) & (z < -6))
        found[front] = PART["frontal grey matter"]
        return found

    def draw_below(self) -> None:
        """Cerebellum with fine leaves, and the stem."""
        z, y, x = self.place
        depth = np.minimum(self.depth((-36, 40, 0), (20, 26, 42), 0.04), self.inner - 1)
        self.cover(depth, "grey", "cerebellum")
        self.cover(np.minimum(depth - 3, self.sheets(3) - 1), "white", "cerebellum")
        bend = y - np.float32(14) + np.float32(0.2) * z
        radius = np.float32(self.rng.uniform(9, 12)) + np.float32(0.06) * np.minimum(z + 30, 0)
        stem = np.minimum(radius - np.hypot(bend, x), -6 - z)
        self.cover(np.minimum(stem, self.inner + 2), "white", "brain stem")

    def draw_middle(self) -> None:
        """Nuclei and ventricles, left and right alike but for their bumps."""
        for side in (-1, 1):
            self.cover(self.depth((4, -14, side * 23), (12, 20, 8), 0.06), "nuclei", "striatum")
            self.cover(self.depth((4, 12, side * 11), (10, 15, 9), 0.06), "nuclei", "thalamus")
        wide = self.rng.uniform(3.5, 7.5)
        for side in (-1, 1):
            self.cover(self.depth((17, 4, side * (4 + wide)), (8, 32, wide), 0.1), "fluid", "ventricles")
        self.cover(self.depth((4, 8, 0), (9, 12, 2), 0.1), "fluid", "ventricles")


def _small_turn(rng: np.random.Generator, spread_rad: float) -> NDArray:
    """(3, 3) product of turns around the three axes."""
    turn = np.eye(3)
    for axis, angle in enumerate(rng.normal(0, spread_rad, 3)):
        first, second = (other for other in range(3) if other != axis)
        about = np.eye(3)
        about[[first, second], [first, second]] = np.cos(angle)
        about[first, second], about[second, first] = -np.sin(angle), np.sin(angle)
        turn = turn @ about
    return turn
