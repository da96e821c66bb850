"""Folding a radial scan of any length onto a fan of fixed lines (docs/method/space.md).

For an object inside the field of view a spoke is band-limited in its angle: it can be spread on the lines next to it by
the adjoint of a windowed-sinc interpolation. All spokes, weighted by the temporal basis, collapse onto about a thousand
lines by one small matrix product per line, and every later transform costs the same whatever the scan's length.
"""

import math
from dataclasses import dataclass

import numpy as np
import sigpy
from numpy.typing import NDArray
from scipy.special import i0
from sigpy import linop

from recon.errors import DataError

# Lines on which a spoke is spread; with 9.6 lines per pixel the fold errs by 3e-4.
TAPS = 8
# Lines over the full circle per pixel: 1536 for a matrix of 160, 2.2 times Nyquist.
_LINES_PER_PIXEL = 9.6
# Angular harmonics per pixel: those of the image's corner at the largest k, pi N / sqrt(2).
_BAND_PER_PIXEL = math.pi / math.sqrt(2)


_SAME_ANGLE_RAD = 1e-6
"""Spokes nearer than this are repetitions: above float32 rounding, and 5e-4 of a sample at the edge of 1024 pixels."""


@dataclass(frozen=True)
class LineFan:
    """Fixed lines, and how each spoke spreads on them.

    Lines lie at ``2π m / M`` over the full circle while spokes are spread; then line m + M/2, which runs backwards,
    is flipped onto line m. Where a scan has fewer distinct angles than that, the lines are those angles and the fold
    is exact.

    Attributes
    ----------
    trajectory : (lines, radii, 2) float32
        Points of the lines over half a circle, in cycles per field of view, radii symmetric about k = 0.
    order : (spokes,) int
        Spokes sorted by angle; an entry of ``reach`` is a range of it.
    reach : (2 lines, 2) int
        First spoke and number of spokes (going round at the end) that spread on each line of the full circle.
    taps : list of (n,) float32
        Their interpolation weights.
    center_sample, samples : int
        Where k = 0 lies in a readout, and its length.
    """

    trajectory: NDArray
    order: NDArray
    reach: NDArray
    taps: list[NDArray]
    center_sample: int
    samples: int

    @property
    def lines(self) -> int:
        """Lines over half a circle."""
        return int(self.trajectory.shape[0])

    @property
    def radii(self) -> int:
        """Samples per line."""
        return int(self.trajectory.shape[1])

    @property
    def forward_radii(self) -> slice:
        """Where the samples of a spoke lie on a line that runs its way."""
        start = self.radii // 2 - self.center_sample
        return slice(start, start + self.samples)

    @property
    def backward_radii(self) -> slice:
        """Where the samples of a spoke, in reverse, lie on a line that runs against it."""
        start = self.radii // 2 - (self.samples - 1 - self.center_sample)
        return slice(start, start + self.samples)

    def spokes_of(self, line: int) -> slice | NDArray:
        """Spokes that spread on a line of the full circle: an index into ``order``."""
        first, count = (int(value) for value in self.reach[line])
        if first + count <= len(self.order):
            return slice(first, first + count)
        return np.arange(first, first + count) % len(self.order)


def _radial_geometry(trajectory: NDArray) -> tuple[NDArray, int, float]:
    """Angles, centre sample and spacing of spokes; refuses anything that is not equally spaced through k = 0."""
    ends = trajectory[:, -1].astype(np.float64) - trajectory[:, 0]
    spacing = float(np.mean(np.linalg.norm(ends, axis=1))) / (trajectory.shape[1] - 1)
    direction = ends / np.linalg.norm(ends, axis=1, keepdims=True)
    # signed radius of each spoke's first sample: k₀(t) · direction(t)
    along = np.einsum("td,td->t", trajectory[:, 0], direction)
    center = round(float(-np.mean(along)) / spacing)
    expected = (np.arange(trajectory.shape[1]) - center)[None, :, None] * spacing * direction[:, None, :]
    if np.max(np.abs(expected - trajectory)) > 1e-2 * spacing:
        raise DataError(
            "the trajectory is not one of straight, equally spaced spokes through k = 0; "
            "back-project it with gridding=exact"
        )
    return np.mod(np.arctan2(direction[:, 1], direction[:, 0]), 2 * np.pi), center, spacing


def is_radial(trajectory: NDArray) -> bool:
    """Whether a trajectory ``(spokes, samples, 2)`` is one of straight, equally spaced spokes through k = 0."""
    try:
        _radial_geometry(trajectory)
    except DataError:
        return False
    return True


def line_fan(trajectory: NDArray, matrix: int) -> LineFan:
    """Lay out the fan for a scan.

    Parameters
    ----------
    trajectory : (spokes, samples, 2) float32
        In cycles per field of view, in host memory.
    matrix : int
        Pixels across which the object, or the difference of two of its points, may extend.

    Returns
    -------
    LineFan

    Raises
    ------
    DataError
        If the trajectory is not radial.
    """
    angles, center, spacing = _radial_geometry(trajectory)
    half = math.ceil(_LINES_PER_PIXEL * matrix / 2)
    order = np.argsort(angles, kind="stable")
    distinct, line_of_spoke = _distinct_lines(angles)
    if len(distinct) <= half:
        line_angles = distinct
        reach, taps = _exact_reach(angles[order], line_of_spoke[order], line_angles)
    else:
        line_angles = np.pi / half * np.arange(half)
        band = _BAND_PER_PIXEL * matrix / (2 * half)
        reach, taps = _interpolating_reach(angles[order], 2 * half, band)
    farthest = max(center, trajectory.shape[1] - 1 - center)
    radius = np.arange(-farthest, farthest + 1) * spacing
    direction = np.stack([np.cos(line_angles), np.sin(line_angles)], axis=-1)
    lines = (direction[:, None, :] * radius[None, :, None]).astype(np.float32)
    return LineFan(lines, order, reach, taps, center, trajectory.shape[1])


def _distinct_lines(angles: NDArray) -> tuple[NDArray, NDArray]:
    """Angles modulo π that differ by more than rounding, and which of these lines each spoke has."""
    folded = np.mod(angles, np.pi)
    order = np.argsort(folded, kind="stable")
    line = np.concatenate([[0], np.cumsum(np.diff(folded[order]) > _SAME_ANGLE_RAD)])
    starts = np.flatnonzero(np.diff(line, prepend=-1))
    distinct = folded[order][starts]
    if len(distinct) > 1 and folded[order[0]] + np.pi - folded[order[-1]] <= _SAME_ANGLE_RAD:
        line[line == line[-1]] = 0  # just below π lies the first line, run through backwards
        distinct = distinct[:-1]
    line_of_spoke = np.empty_like(line)
    line_of_spoke[order] = line
    return distinct, line_of_spoke


def _exact_reach(angles: NDArray, line: NDArray, line_angles: NDArray) -> tuple[NDArray, list[NDArray]]:
    """Each spoke belongs to the line that it has, forward or backward: a range of the spokes sorted by angle."""
    backward = np.cos(angles - line_angles[line]) < 0
    place = line + len(line_angles) * backward
    count = np.bincount(place, minlength=2 * len(line_angles))
    first = np.zeros_like(count)
    begins = np.flatnonzero(place != np.roll(place, 1))
    first[place[begins]] = begins
    return np.stack([first, count], axis=1), [np.ones(number, dtype=np.float32) for number in count]


def _interpolating_reach(angles: NDArray, lines: int, band: float) -> tuple[NDArray, list[NDArray]]:
    """Kaiser-windowed sinc; ``band`` is the object's angular bandwidth in cycles per line spacing."""
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


class Fold(linop.Linop):
    """Spread of all spokes, weighted by the temporal basis, on the lines of a fan.

    Parameters
    ----------
    fan : LineFan
    temporal_basis : (L, spokes) complex64
        Φ.
    coils : int

    Notes
    -----
    From data ``(coils, spokes, samples)`` to lines ``(L, coils, lines, radii)``; the data's device is followed.
    """

    def __init__(self, fan: LineFan, temporal_basis: NDArray, coils: int) -> None:
        self.fan = fan
        xp = sigpy.get_array_module(temporal_basis)
        self.order = xp.asarray(fan.order)
        self.basis = temporal_basis[:, self.order]
        oshape = (len(temporal_basis), coils, fan.lines, fan.radii)
        super().__init__(oshape, (coils, len(fan.order), fan.samples))

    def _weights(self, line: int) -> tuple[NDArray, slice | NDArray]:
        """φ* times the taps of the spokes near a line ``(L, n)``, and which spokes by angle those are."""
        xp = sigpy.get_array_module(self.basis)
        spokes = self.fan.spokes_of(line)
        index = spokes if isinstance(spokes, slice) else xp.asarray(spokes)
        return self.basis[:, index].conj() * xp.asarray(self.fan.taps[line]), index

    def _apply(self, data: NDArray) -> NDArray:
        xp = sigpy.get_array_module(data)
        rank, coils, lines, _ = self.oshape
        by_angle = xp.ascontiguousarray(data.swapaxes(0, 1)[self.order]).reshape(len(self.order), -1)
        folded = xp.zeros(self.oshape, dtype=xp.complex64)
        for line in range(2 * lines):
            weights, spokes = self._weights(line)
            spread = (weights @ by_angle[spokes]).reshape(rank, coils, self.fan.samples)
            if line < lines:
                folded[:, :, line, self.fan.forward_radii] += spread
            else:
                folded[:, :, line - lines, self.fan.backward_radii] += spread[..., ::-1]
        return folded

    def _adjoint_linop(self) -> linop.Linop:
        return _FoldAdjoint(self)


class _FoldAdjoint(linop.Linop):
    def __init__(self, fold: Fold) -> None:
        self.fold = fold
        super().__init__(fold.ishape, fold.oshape)

    def _apply(self, lines: NDArray) -> NDArray:
        xp = sigpy.get_array_module(lines)
        fan = self.fold.fan
        rank, coils, half, _ = self.ishape
        by_angle = xp.zeros((len(fan.order), coils * fan.samples), dtype=xp.complex64)
        for line in range(2 * half):
            weights, spokes = self.fold._weights(line)
            if line < half:
                values = lines[:, :, line, fan.forward_radii]
            else:
                values = lines[:, :, line - half, fan.backward_radii][..., ::-1]
            by_angle[spokes] += weights.conj().T @ xp.ascontiguousarray(values).reshape(rank, -1)
        data = xp.empty((len(fan.order), coils, fan.samples), dtype=xp.complex64)
        data[self.fold.order] = by_angle.reshape(-1, coils, fan.samples)
        return xp.ascontiguousarray(data.swapaxes(0, 1))

    def _adjoint_linop(self) -> linop.Linop:
        return self.fold
