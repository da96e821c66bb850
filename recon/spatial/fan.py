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

    Lines are evenly spread over half a circle, where spokes are straight and symmetric about k = 0: a spoke that runs
    against a line is flipped onto it. Else they are spread over the full circle. Where a scan has fewer distinct angles
    than that, the lines are those angles and the fold is exact.

    Attributes
    ----------
    trajectory : (lines, radii, 2) float32
        Points of the lines in cycles per field of view.
    near : (entries,) int
        Spokes by angle, so that those near a line stand in a row: a spoke near both ends of the circle stands twice.
    against : (entries,) bool
        Whether a spoke runs against the lines that it is near.
    first, count : (lines,) int
        Which entries spread on each line.
    taps : (lines, widest) float32
        Their interpolation weights; zeros after the last.
    center_sample : float
        Where k = 0 lies in a readout, if its lines are flipped.
    samples : int
        Length of a readout.
    spokes : int
        Readouts of the scan.
    folds : bool
        Whether spokes share lines; without it, each spoke is a line of its own.
    """

    trajectory: NDArray
    near: NDArray
    against: NDArray
    first: NDArray
    count: NDArray
    taps: NDArray
    center_sample: float
    samples: int
    spokes: int
    folds: bool = True

    @property
    def lines(self) -> int:
        """Lines that are transformed."""
        return int(self.trajectory.shape[0])

    @property
    def radii(self) -> int:
        """Samples per line."""
        return int(self.trajectory.shape[1])

    @property
    def flips(self) -> bool:
        """Whether some spokes run against their lines."""
        return bool(self.against.any())

    @property
    def nbytes(self) -> int:
        """Memory of all arrays."""
        arrays = (self.trajectory, self.near, self.against, self.first, self.count, self.taps)
        return sum(array.nbytes for array in arrays)

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
    half = _half_circle(matrix)
    angles, spacing = spoke_angles(trajectory), sample_spacing(trajectory)
    center = _symmetric_center(trajectory, angles, spacing)
    if center is not None:
        return _straight_fan(angles, half, matrix, center, spacing, trajectory.shape[1])
    fan = _turning_fan(trajectory, angles, half, matrix)
    if fan is None:
        log.info("the spokes differ by more than their angles: each is gridded by itself, which takes longer")
        every = np.arange(len(trajectory))
        spread = _exact(every, np.zeros(len(every), dtype=bool), len(every))
        samples = trajectory.shape[1]
        return LineFan(trajectory, *spread, (samples - 1) / 2, samples, len(every), folds=False)
    return fan


def fixed_lines(samples: int, matrix: int, spacing: float, center: float) -> NDArray:
    """Lines on which straight, symmetric spokes are interpolated, whatever their angles: known before a scan is.

    Parameters
    ----------
    samples : int
        Length of a readout.
    matrix : int
        As for :func:`line_fan`.
    spacing : float
        Δk in cycles per field of view.
    center : float
        Sample at k = 0, a multiple of a half.

    Returns
    -------
    (lines, radii, 2) float32
    """
    half = _half_circle(matrix)
    return _straight_lines(np.pi / half * np.arange(half), samples, spacing, center)


def _symmetric_center(trajectory: NDArray, angles: NDArray, spacing: float) -> float | None:
    """Where straight, equally spaced spokes have k = 0, if a spoke in reverse falls on its samples but for one."""
    samples, direction = trajectory.shape[1], np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    # signed radius of each spoke's first sample: k₀(t) · direction(t)
    along = np.einsum("td,td->t", trajectory[:, 0], direction)
    center = round(2 * float(-np.mean(along)) / spacing) / 2
    if abs(samples - 1 - 2 * center) > 1:
        return None
    radius = ((np.arange(samples) - center) * spacing).astype(np.float32)
    away = radius[:, None] * direction.astype(np.float32)[:, None, :]
    away -= trajectory
    return center if max(away.max(), -away.min()) <= _SAME_PLACE * spacing else None


def _half_circle(matrix: int) -> int:
    return math.ceil(_LINES_PER_PIXEL * matrix / 2)


def _straight_lines(angles: NDArray, samples: int, spacing: float, center: float) -> NDArray:
    farthest = max(center, samples - 1 - center)
    # in float32, scans of one protocol have the same mean spacing, and so the same lines
    radius = np.arange(-farthest, farthest + 1) * float(np.float32(spacing))
    direction = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return (direction[:, None, :] * radius[None, :, None]).astype(np.float32)


def _straight_fan(angles: NDArray, half: int, matrix: int, center: float, spacing: float, samples: int) -> LineFan:
    """Lines over half a circle, onto which those of the other half are flipped."""
    distinct, line_of_spoke = _distinct_lines(angles, np.pi)
    if len(distinct) <= half:
        line_angles = distinct
        against = np.cos(angles - line_angles[line_of_spoke]) < 0
        spread = _exact(line_of_spoke, against, len(line_angles))
    else:
        line_angles = np.pi / half * np.arange(half)
        place = angles * half / np.pi
        spread = _interpolating(np.mod(place, half), place >= half, half, matrix / half, flip_around=True)
    lines = _straight_lines(line_angles, samples, spacing, center)
    return LineFan(lines, *spread, center, samples, len(angles))


def _turning_fan(trajectory: NDArray, angles: NDArray, half: int, matrix: int) -> LineFan | None:
    """Lines over the full circle for spokes that are smooth functions of their angle, or repeat; None for others."""
    samples, tolerance = trajectory.shape[1], _SAME_PLACE * sample_spacing(trajectory)
    distinct, line_of_spoke = _distinct_lines(angles, 2 * np.pi)
    along = np.zeros(len(angles), dtype=bool)
    if len(distinct) <= half:
        lines = trajectory[np.unique(line_of_spoke, return_index=True)[1]]
        spread = _exact(line_of_spoke, along, len(distinct))
        deviation = float(np.abs(lines[line_of_spoke] - trajectory).max())
    else:
        spoke = TurningSpoke(trajectory)
        lines, deviation = spoke.at(np.pi / half * np.arange(2 * half)), spoke.deviation
        spread = _interpolating(angles * half / np.pi, along, 2 * half, matrix / half, flip_around=False)
    if deviation > tolerance:
        return None
    return LineFan(lines.astype(np.float32), *spread, (samples - 1) / 2, samples, len(angles))


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


_Spread = tuple[NDArray, NDArray, NDArray, NDArray, NDArray]  # near, against, first, count and taps of a LineFan


def _exact(line_of_spoke: NDArray, against: NDArray, lines: int) -> _Spread:
    """Each spoke belongs to the line that it has."""
    order = np.argsort(line_of_spoke, kind="stable")
    count = np.bincount(line_of_spoke, minlength=lines)
    taps = (np.arange(count.max()) < count[:, None]).astype(np.float32)
    return order, against[order], np.cumsum(count) - count, count, taps


def _interpolating(place: NDArray, against: NDArray, lines: int, pixels: float, flip_around: bool) -> _Spread:
    """Kaiser-windowed sinc between lines, for the angular bandwidth of an object.

    Parameters
    ----------
    place : (spokes,) float64
        Where spokes lie among the lines, which are 0 to ``lines - 1``; what is near ``lines`` is near 0 too.
    against : (spokes,) bool
    lines : int
    pixels : float
        Across the object, for each line of half a circle.
    flip_around : bool
        Whether a spoke that runs along the last line runs against the first.
    """
    order = np.argsort(place, kind="stable")
    wide = np.concatenate([place[order] + turn * lines for turn in (-1, 0, 1)])
    flipped = np.concatenate([against[order] ^ (flip_around and turn != 0) for turn in (-1, 0, 1)])
    line = np.arange(lines)
    first = np.searchsorted(wide, line - TAPS / 2, side="right")
    count = np.searchsorted(wide, line + TAPS / 2) - first
    entry = first[:, None] + np.arange(count.max())
    distance = wide[np.minimum(entry, len(wide) - 1)] - line[:, None]
    band = _BAND_PER_PIXEL * pixels / 2  # cycles per line spacing
    shape = 2 * np.pi * (TAPS / 2) * (0.5 - band)
    window = i0(shape * np.sqrt(np.maximum(1 - (2 * distance / TAPS) ** 2, 0))) / i0(shape)
    taps = np.where(np.abs(distance) < TAPS / 2, np.sinc(distance) * window, 0).astype(np.float32)
    used = slice(int(first[0]), int(first[-1] + count[-1]))
    return np.tile(order, 3)[used], flipped[used], first - first[0], count, taps
