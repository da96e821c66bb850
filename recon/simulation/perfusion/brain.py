"""A simulated brain: shares of grey matter, white matter and fluid, blood flow, arrival time, proton density."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recon.simulation.angiogram.random_fields import Grid, blob, distance_to_level, paint, radius_in, smooth, within

VOXEL_MM = (6.0, 3.4375, 3.4375)
"""5 mm slices with a gap of 1 mm, 220 mm in 64 pixels: the scans of Xie 2020."""

_FINER = (3, 2, 2)
"""Parts of a voxel along each axis of which its shares are the mean: folds are thinner than voxels."""

_GREY_CBF, _WHITE_CBF = (50.0, 80.0), (15.0, 25.0)
"""Ranges in mL/100 g/min of healthy adults."""

_MODULATION = 0.2
"""Regional blood flow differs by up to a fifth from that of the tissue elsewhere."""

PROTON_DENSITY = {"grey": 850.0, "white": 700.0, "fluid": 1000.0}
"""Of the tissues, on a scanner's arbitrary scale; their ratios are those of the water contents (85, 70, 100 %)."""

_ARRIVAL_S = {"front": 0.8, "middle": 0.7, "back": 1.1}
"""Mean arrival times of the three arteries' territories."""


@dataclass(frozen=True)
class Lesion:
    """A place whose blood flow differs.

    Attributes
    ----------
    centre : (3,) tuple of int
        First voxel (z, y, x) of it.
    size : (3,) tuple of int
        Voxels along z, y, x.
    factor : float
        Its blood flow over that of healthy tissue: below 1 it is hypoperfused.
    """

    centre: tuple[int, int, int]
    size: tuple[int, int, int] = (1, 2, 2)
    factor: float = 0.3

    @property
    def place(self) -> tuple[slice, slice, slice]:
        """Its voxels."""
        z, y, x = (slice(first, first + length) for first, length in zip(self.centre, self.size, strict=True))
        return z, y, x


@dataclass(frozen=True)
class Brain:
    """Maps of a brain, all (z, y, x) float32.

    Attributes
    ----------
    grey, white, fluid : array
        Shares of each voxel; outside of the head all are 0.
    cbf : array
        Blood flow in mL/100 g/min, of the whole voxel.
    arrival_s : array
        Time that labelled blood takes to it.
    lesions : list of Lesion
    """

    grey: NDArray[np.float32]
    white: NDArray[np.float32]
    fluid: NDArray[np.float32]
    cbf: NDArray[np.float32]
    arrival_s: NDArray[np.float32]
    lesions: list[Lesion] = field(default_factory=list)

    @property
    def m0(self) -> NDArray[np.float32]:
        """(z, y, x) proton density."""
        density = PROTON_DENSITY
        return self.grey * density["grey"] + self.white * density["white"] + self.fluid * density["fluid"]


def simulate_brain(shape: tuple[int, int, int], seed: int, lesions: int | Sequence[Lesion] = 0) -> Brain:
    """Simulate a brain.

    Parameters
    ----------
    shape : (3,) tuple of int
        Voxels (z, y, x) of 6 × 3.4 × 3.4 mm, as in :data:`VOXEL_MM`.
    seed : int
        Of the subject.
    lesions : int or sequence of Lesion
        How many of 1 × 2 × 2 voxels are put into grey matter at random, or those that are wanted.

    Returns
    -------
    Brain
    """
    rng = np.random.default_rng((seed, 0))
    grey, white, fluid, centre = _tissues(shape, rng)
    grid = Grid(shape, (VOXEL_MM[0] / VOXEL_MM[1], 1.0, 1.0))
    flow = _regional(grid, rng) * (grey * rng.uniform(*_GREY_CBF) + white * rng.uniform(*_WHITE_CBF))
    placed = _placed(grey, lesions, np.random.default_rng((seed, 1))) if isinstance(lesions, int) else list(lesions)
    for lesion in placed:
        flow[lesion.place] *= np.float32(lesion.factor)
    return Brain(grey, white, fluid, flow.astype(np.float32), _arrival(grid, rng, centre), placed)


def _tissues(shape: tuple[int, int, int], rng: np.random.Generator) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Shares of grey and white matter and of fluid, and the place of the centre."""
    fine = tuple(size * parts for size, parts in zip(shape, _FINER, strict=True))
    part_mm = VOXEL_MM[1] / _FINER[1]
    grid = Grid((fine[0], fine[1], fine[2]), (VOXEL_MM[0] / _FINER[0] / part_mm, 1.0, 1.0))
    centre = grid.extent * rng.uniform(0.47, 0.53, 3)
    # Heads of 13 to 15 cm by 16 to 18 cm; the stack of slices is shorter than the head.
    axes = np.array([rng.uniform(68, 80), rng.uniform(80, 90), rng.uniform(65, 75)]) / part_mm
    axes = np.minimum(axes, [np.inf, 0.45 * fine[1], 0.45 * fine[2]])
    depth = (1 - radius_in(grid, centre, axes, bumps=0.03 * smooth(grid, rng, 12))) * np.float32(axes[1:].mean())
    cortex, gap = rng.uniform(2.5, 3.5) / part_mm, rng.uniform(0.5, 1.2) / part_mm
    sheets = np.abs(distance_to_level(smooth(grid, rng, rng.uniform(4.5, 6.5)), grid))
    sheets += np.maximum(depth - rng.uniform(18, 26) / part_mm, 0)
    grey = within(cortex + gap - np.minimum(sheets, depth))
    for side in (-1, 1):
        for y, radius_mm in ((-0.15, rng.uniform(9, 12)), (0.12, rng.uniform(9, 13))):
            middle = centre + axes * np.array([0.0, y, side * 0.24])
            paint(grey, blob(grid, rng, middle, np.array([12, radius_mm, 8]) / part_mm, 0.1), 1.0)
    fluid = within(gap - np.minimum(sheets, depth))
    for side in (-1, 1):
        middle = centre + axes * np.array([0.15, 0.0, side * 0.1])
        paint(fluid, blob(grid, rng, middle, np.array([14, 22, 4]) / part_mm, 0.15), 1.0)
    head = within(depth + rng.uniform(2, 4) / part_mm)  # a film of fluid around the brain
    brain = within(depth)
    fluid = np.maximum(fluid, 1 - brain)
    shares = (head * (1 - fluid) * grey, head * (1 - fluid) * (1 - grey), head * fluid)
    return (*(_coarse(share) for share in shares), centre / np.array([1.0, _FINER[1], _FINER[2]]))


def _coarse(share: NDArray) -> NDArray[np.float32]:
    z, y, x = (size // parts for size, parts in zip(share.shape, _FINER, strict=True))
    return share.reshape(z, _FINER[0], y, _FINER[1], x, _FINER[2]).mean(axis=(1, 3, 5)).astype(np.float32)


def _regional(grid: Grid, rng: np.random.Generator) -> NDArray:
    """Smooth factor between 0.8 and 1.2 that is 1 on average."""
    return 1 + _MODULATION * np.tanh(smooth(grid, rng, 6.0))


def _arrival(grid: Grid, rng: np.random.Generator, centre: NDArray) -> NDArray[np.float32]:
    """Arrival times by territory, with smooth borders, and a little longer towards the surface."""
    y = grid.points[1] - np.float32(centre[1])
    place = y / np.float32(0.3 * grid.extent[1]) + 0.4 * smooth(grid, rng, 5.0)
    back, front = within(place - 0.5, edge=0.6), within(-place - 0.5, edge=0.6)
    times = {name: mean + rng.normal(0, 0.08) for name, mean in _ARRIVAL_S.items()}
    mixed = front * times["front"] + back * times["back"] + (1 - front - back) * times["middle"]
    return np.clip(mixed + 0.05 * smooth(grid, rng, 3.0), 0.3, None).astype(np.float32)


def _placed(grey: NDArray, count: int, rng: np.random.Generator) -> list[Lesion]:
    """Lesions of 1 × 2 × 2 voxels in grey matter, half of them with too little and half with too much blood flow."""
    share = np.minimum.reduce([grey[:, :-1, :-1], grey[:, 1:, :-1], grey[:, :-1, 1:], grey[:, 1:, 1:]])
    inner = slice(1, -1) if len(grey) > 2 else slice(None)
    ranked = np.argsort(share[inner], axis=None)[::-1][: max(40 * count, 1)]
    chosen: list[Lesion] = []
    for flat in rng.permutation(ranked):
        z, y, x = map(int, np.unravel_index(flat, share[inner].shape))
        corner = (z + (inner.start or 0), y, x)
        if len(chosen) == count:
            break
        if all(max(abs(a - b) for a, b in zip(corner, other.centre, strict=True)) > 4 for other in chosen):
            chosen.append(Lesion(corner, factor=0.3 if len(chosen) % 2 == 0 else 1.8))
    return chosen


_SIDES, _LIKELY = (1, 2, 3, 4, 5), (0.15, 0.4, 0.2, 0.15, 0.1)
"""Voxels along y and along x of drawn lesions, and how likely each is: small ones are those that a denoiser loses."""

_LESS, _MORE = (0.1, 0.6), (1.4, 2.4)
"""Ranges of their blood flow over that of healthy tissue: infarcts and their rims; tumours, seizures, luxury flow."""


def drawn_lesions(brain: Brain, count: int, rng: np.random.Generator) -> list[Lesion]:
    """Draw lesions of many sizes and contrasts anywhere in the tissue of a brain; they may touch each other.

    Parameters
    ----------
    brain : Brain
        A healthy one.
    count : int
    rng : numpy.random.Generator

    Returns
    -------
    list of Lesion
        For :func:`simulate_brain` with the same shape and seed.
    """
    tissue = np.argwhere(brain.grey + brain.white > 0.5)
    found = []
    for number in range(count):
        corner = tissue[rng.integers(len(tissue))]
        size = (int(rng.integers(1, 3)), *(int(side) for side in rng.choice(_SIDES, 2, p=_LIKELY)))
        factor = float(rng.uniform(*(_LESS if number % 2 else _MORE)))
        found.append(Lesion((int(corner[0]), int(corner[1]), int(corner[2])), (size[0], size[1], size[2]), factor))
    return found
