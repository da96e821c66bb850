"""A fan of fixed lines, and how the spokes of a scan of any length spread on them (docs/method/space.md).

For an object inside the field of view a spoke is band-limited in its angle: it can be spread on the lines next to it by
the adjoint of a windowed-sinc interpolation. That holds for any spoke that is a smooth function of its angle: it need
not be straight, nor meet k = 0, nor have a sample there.
"""

import logging
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import i0

from recon.readouts.turning_spoke import TurningSpoke, sample_spacing, spoke_angles

log = logging.getLogger(__name__)

# Lines on which a spoke is spread; with 9.6 lines per pixel the fold errs by 3e-4.
TAPS = 8
# Lines over the full circle per pixel: 1536 for a matrix of 160, 2.2 times Nyquist.
_LINES_PER_PIXEL = 9.6
# Angular harmonics per pixel: those of the image's corner at the largest k, pi N / sqrt(2).
_BAND_PER_PIXEL = math.pi / math.sqrt(2)


_SAME_ANGLE_RAD = 1e-6
"""Spokes nearer than this are repetitions: above float32 rounding, and 5e-4 of a sample at the edge of 1024 pixels."""

_SAME_PLACE = 1e-2
"""Samples by which a spoke may miss its line: a phase of 1 % of a turn at the edge of the sampled field of view."""


@dataclass(frozen=True)
class LineFan:
    """Fixed lines, and how each spoke spreads on them.

    Lines lie at ``2π m / M`` over the full circle while spokes are spread. Where spokes are straight and symmetric
    about k = 0, line m + M/2, which runs backwards, is then flipped onto line m. Where a scan has fewer distinct angles
    than that, the lines are those angles and the fold is exact.

    Attributes
    ----------
    trajectory : (lines, radii, 2) float32
        Points of the lines in cycles per field of view.
    order : (spokes,) int
        Spokes sorted by angle; an entry of ``reach`` is a range of it.
    reach : (circle, 2) int
        First spoke and number of spokes (going round at the end) that spread on each line of the full circle.
    taps : list of (n,) float32
        Their interpolation weights.
    center_sample : float
        Where k = 0 lies in a readout, if its lines are flipped.
    samples : int
        Length of a readout.
    folds : bool
        Whether spokes share lines; without it, each spoke is a line of its own.
    """

    trajectory: NDArray
    order: NDArray
    reach: NDArray
    taps: list[NDArray]
    center_sample: float
    samples: int
    folds: bool = True

    @property
    def lines(self) -> int:
        """Lines that are transformed."""
        return int(self.trajectory.shape[0])

    @property
    def circle(self) -> int:
        """Lines over the full circle: twice as many, where lines that run backwards are flipped."""
        return len(self.reach)

    @property
    def radii(self) -> int:
        """Samples per line."""
        return int(self.trajectory.shape[1])

    @property
    def forward_radii(self) -> slice:
        """Where the samples of a spoke lie on a line that runs its way."""
        start = round((self.radii - 1) / 2 - self.center_sample)
        return slice(start, start + self.samples)

    @property
    def backward_radii(self) -> slice:
        """Where the samples of a spoke, in reverse, lie on a line that runs against it."""
        start = round((self.radii - 1) / 2 - (self.samples - 1 - self.center_sample))
        return slice(start, start + self.samples)

    def spokes_of(self, line: int) -> slice | NDArray:
        """Spokes that spread on a line of the full circle: an index into ``order``."""
        first, count = (int(value) for value in self.reach[line])
        if first + count <= len(self.order):
            return slice(first, first + count)
        return np.arange(first, first + count) % len(self.order)


def line_fan(trajectory: NDArray, matrix: int) -> LineFan:
    """Lay out the fan for a scan.

    Spokes that differ by more than their angle, so that no line can stand for several, are lines of their own.

    Parameters
    ----------
    trajectory : (spokes, samples, 2) float32
        In cycles per field of view, in host memory.
    matrix : int
        Pixels across which the object, or the difference of two of its points, may extend.

    Returns
    -------
    LineFan
    """
    half = math.ceil(_LINES_PER_PIXEL * matrix / 2)
    angles, spacing = spoke_angles(trajectory), sample_spacing(trajectory)
    center = _symmetric_center(trajectory, angles, spacing)
    if center is not None:
        return _straight_fan(angles, half, matrix, center, spacing, trajectory.shape[1])
    fan = _turning_fan(trajectory, angles, half, matrix)
    if fan is None:
        log.info("the spokes differ by more than their angles: each is gridded by itself, which takes longer")
        every = np.arange(len(trajectory))
        reach, taps = np.stack([every, np.ones_like(every)], axis=1), [np.ones(1, dtype=np.float32)] * len(every)
        return LineFan(trajectory, every, reach, taps, (trajectory.shape[1] - 1) / 2, trajectory.shape[1], folds=False)
    return fan


def _symmetric_center(trajectory: NDArray, angles: NDArray, spacing: float) -> float | None:
    """Where straight, equally spaced spokes have k = 0, if a spoke in reverse falls on its samples but for one."""
    samples, direction = trajectory.shape[1], np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    # signed radius of each spoke's first sample: k₀(t) · direction(t)
    along = np.einsum("td,td->t", trajectory[:, 0], direction)
    center = round(2 * float(-np.mean(along)) / spacing) / 2
    expected = (np.arange(samples) - center)[None, :, None] * spacing * direction[:, None, :]
    if abs(samples - 1 - 2 * center) > 1 or np.max(np.abs(expected - trajectory)) > _SAME_PLACE * spacing:
        return None
    return center


def _straight_fan(angles: NDArray, half: int, matrix: int, center: float, spacing: float, samples: int) -> LineFan:
    """Lines over half a circle, onto which those of the other half are flipped."""
    order = np.argsort(angles, kind="stable")
    distinct, line_of_spoke = _distinct_lines(angles, np.pi)
    if len(distinct) <= half:
        line_angles = distinct
        backward = np.cos(angles - line_angles[line_of_spoke]) < 0
        place = line_of_spoke + len(line_angles) * backward
        reach, taps = _exact_reach(place[order], 2 * len(line_angles))
    else:
        line_angles = np.pi / half * np.arange(half)
        reach, taps = _interpolating_reach(angles[order], 2 * half, matrix)
    farthest = max(center, samples - 1 - center)
    radius = np.arange(-farthest, farthest + 1) * spacing
    direction = np.stack([np.cos(line_angles), np.sin(line_angles)], axis=-1)
    lines = (direction[:, None, :] * radius[None, :, None]).astype(np.float32)
    return LineFan(lines, order, reach, taps, center, samples)


def _turning_fan(trajectory: NDArray, angles: NDArray, half: int, matrix: int) -> LineFan | None:
    """Lines over the full circle for spokes that are smooth functions of their angle, or repeat; None for others."""
    samples, tolerance = trajectory.shape[1], _SAME_PLACE * sample_spacing(trajectory)
    order = np.argsort(angles, kind="stable")
    distinct, line_of_spoke = _distinct_lines(angles, 2 * np.pi)
    if len(distinct) <= half:
        lines = trajectory[np.unique(line_of_spoke, return_index=True)[1]]
        reach, taps = _exact_reach(line_of_spoke[order], len(distinct))
        deviation = float(np.abs(lines[line_of_spoke] - trajectory).max())
    else:
        spoke = TurningSpoke(trajectory)
        lines, deviation = spoke.at(np.pi / half * np.arange(2 * half)), spoke.deviation
        reach, taps = _interpolating_reach(angles[order], 2 * half, matrix)
    if deviation > tolerance:
        return None
    return LineFan(lines.astype(np.float32), order, reach, taps, (samples - 1) / 2, samples)


def _distinct_lines(angles: NDArray, period: float) -> tuple[NDArray, NDArray]:
    """Angles modulo a period that differ by more than rounding, and which of these lines each spoke has."""
    folded = np.mod(angles, period)
    order = np.argsort(folded, kind="stable")
    line = np.concatenate([[0], np.cumsum(np.diff(folded[order]) > _SAME_ANGLE_RAD)])
    starts = np.flatnonzero(np.diff(line, prepend=-1))
    distinct = folded[order][starts]
    if len(distinct) > 1 and folded[order[0]] + period - folded[order[-1]] <= _SAME_ANGLE_RAD:
        line[line == line[-1]] = 0  # just below the period lies the first line
        distinct = distinct[:-1]
    line_of_spoke = np.empty_like(line)
    line_of_spoke[order] = line
    return distinct, line_of_spoke


def _exact_reach(place: NDArray, lines: int) -> tuple[NDArray, list[NDArray]]:
    """Each spoke belongs to the line that it has: a range of the spokes sorted by angle."""
    count = np.bincount(place, minlength=lines)
    first = np.zeros_like(count)
    begins = np.flatnonzero(place != np.roll(place, 1))
    first[place[begins]] = begins
    return np.stack([first, count], axis=1), [np.ones(number, dtype=np.float32) for number in count]


def _interpolating_reach(angles: NDArray, lines: int, matrix: int) -> tuple[NDArray, list[NDArray]]:
    """Kaiser-windowed sinc between lines, for the angular bandwidth of an object."""
    band = _BAND_PER_PIXEL * matrix / lines  # cycles per line spacing
    position = angles * lines / (2 * np.pi)
    wide = np.concatenate([position - lines, position, position + lines])
    shape = 2 * np.pi * (TAPS / 2) * (0.5 - band)
    reach, taps = [], []
    for line in range(lines):
        first = int(np.searchsorted(wide, line - TAPS / 2, side="right"))
        count = int(np.searchsorted(wide, line + TAPS / 2)) - first
        distance = wide[first : first + count] - line
        window = i0(shape * np.sqrt(np.maximum(1 - (2 * distance / TAPS) ** 2, 0))) / i0(shape)
        reach.append((first % len(angles), count))
        taps.append((np.sinc(distance) * window).astype(np.float32))
    return np.array(reach), taps
