"""Folding a radial scan of any length onto a fan of fixed lines (docs/method/space.md).

All spokes, weighted by the temporal basis, collapse onto about a thousand lines by one small matrix product per line,
and every later transform costs the same whatever the scan's length.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import sigpy
from numpy.typing import NDArray
from sigpy import linop

from recon.spatial.fan import LineFan
from recon.spatial.fourier import matmul, on_gpu, share_out

# Lines of a block: its spokes are copied once, with those near four lines more on either side.
_LINES = 48
# What the spokes of a block may take where each line has copies of its own: half a gibibyte.
_BYTES = 2**29


class Fold(linop.Linop):
    """Spread of all spokes, weighted by the temporal basis, on the lines of a fan.

    Parameters
    ----------
    fan : LineFan
    temporal_basis : (L, spokes) complex64
        Φ.
    coils : int
    images_last : bool
        Whether coils and basis functions are the fastest axes in memory, as :class:`recon.spatial.gridding.SparsePlan`
        likes it, or the samples of a line.
    lines_at_a_time : int, optional
        Bounds the memory, does not change the result.
    batched : bool, optional
        Whether the lines of a block are one batched product of copied spokes, as a GPU needs it, or one product each,
        of views, which is faster on the CPU. The result is the same.

    Notes
    -----
    From data ``(coils, spokes, samples)`` to lines ``(coils, L, lines, radii)``; the data's device is followed.
    """

    def __init__(
        self,
        fan: LineFan,
        temporal_basis: NDArray,
        coils: int,
        images_last: bool = True,
        lines_at_a_time: int | None = None,
        batched: bool | None = None,
    ) -> None:
        xp = sigpy.get_array_module(temporal_basis)
        self.fan, self.images_last = fan, images_last
        self.basis = xp.ascontiguousarray(temporal_basis.T[xp.asarray(fan.near)].conj())  # (entries, L)
        self.taps = xp.asarray(fan.taps)
        self.batched = on_gpu(temporal_basis) if batched is None else batched
        per_line = 8 * coils * fan.radii * fan.taps.shape[1]
        self.lines_at_a_time = lines_at_a_time or (max(1, _BYTES // per_line) if self.batched else _LINES)
        oshape = (coils, len(temporal_basis), fan.lines, fan.radii)
        super().__init__(oshape, (coils, fan.spokes, fan.samples))

    def _blocks(self) -> list["_Block"]:
        return [
            _Block.of(self.fan, start, min(start + self.lines_at_a_time, self.fan.lines))
            for start in range(0, self.fan.lines, self.lines_at_a_time)
        ]

    def _apply(self, data: NDArray) -> NDArray:
        xp = sigpy.get_array_module(data)
        coils, rank, lines, radii = self.oshape
        if self.images_last:
            folded = xp.empty((lines, radii, coils, rank), dtype=xp.complex64).transpose(0, 2, 1, 3)
        else:
            folded = xp.empty((coils, rank, lines, radii), dtype=xp.complex64).transpose(2, 0, 3, 1)

        def fold(block: "_Block") -> None:
            spokes = self._along_lines(data, block)
            for group, near, weights in self._products(block):
                # Σ_t tap(t) φ*(t) d(t) for each line, coil and radius
                chosen = spokes[:, near] if isinstance(near, slice) else spokes[:, near].swapaxes(0, 1)
                matmul(chosen.swapaxes(-1, -2), weights, folded[group])

        share_out(fold, self._blocks(), data)
        return folded.transpose(1, 3, 0, 2)

    def _products(self, block: "_Block") -> Iterator[tuple[int | slice, slice | NDArray, NDArray]]:
        """Lines of a block, the entries of the block that are near them, and their weights ``(…, n, L)``."""
        fan, xp = self.fan, sigpy.get_array_module(self.basis)
        if not self.batched:
            for line in range(block.start, block.stop):
                first, count = int(fan.first[line]), int(fan.count[line])
                weights = self.basis[first : first + count] * self.taps[line, :count, None]
                yield line, slice(first - block.entry, first - block.entry + count), weights
            return
        entries = xp.asarray(fan.first[block.start : block.stop])[:, None] + xp.arange(fan.taps.shape[1])
        entries = xp.minimum(entries, block.last - 1)  # beyond a line's last spoke, taps are zero
        weights = self.basis[entries] * self.taps[block.start : block.stop, :, None]
        yield slice(block.start, block.stop), entries - block.entry, weights[:, None]

    def _along_lines(self, data: NDArray, block: "_Block") -> NDArray:
        """Spokes near a block's lines as samples of those lines, flipped where they run against: (coils, n, radii)."""
        xp = sigpy.get_array_module(data)
        fan = self.fan
        placed = xp.zeros((len(data), block.last - block.entry, fan.radii), dtype=xp.complex64)
        for chosen, radii, way in block.ways(fan):
            spokes = xp.asarray(fan.near[block.entry : block.last][chosen])
            placed[:, xp.asarray(chosen), radii] = data[:, spokes, ::way]
        return placed

    def _adjoint_linop(self) -> linop.Linop:
        return _FoldAdjoint(self)


class _Block(NamedTuple):
    """Lines of a fan from ``start`` to ``stop``, and the entries from ``entry`` to ``last`` that are near them."""

    start: int
    stop: int
    entry: int
    last: int

    @classmethod
    def of(cls, fan: LineFan, start: int, stop: int) -> "_Block":
        entry = min(int(fan.first[start]), len(fan.near) - 1)  # the last lines may have no spokes near them
        ends = fan.first[start:stop] + fan.count[start:stop]
        return cls(start, stop, entry, max(int(ends.max()), entry + 1))

    def ways(self, fan: LineFan) -> list[tuple[NDArray, slice, int]]:
        """Entries that run along their lines and those that run against, where they lie there, and the step."""
        against = fan.against[self.entry : self.last]
        both = (np.flatnonzero(~against), fan.forward_radii, 1), (np.flatnonzero(against), fan.backward_radii, -1)
        return [way for way in both if len(way[0])]


class _FoldAdjoint(linop.Linop):
    def __init__(self, fold: Fold) -> None:
        self.fold = fold
        super().__init__(fold.ishape, fold.oshape)

    def _apply(self, lines: NDArray) -> NDArray:
        xp = sigpy.get_array_module(lines)
        data = xp.zeros(self.oshape, dtype=xp.complex64)
        by_line = lines.transpose(2, 0, 3, 1)
        for block in self.fold._blocks():
            shape = (len(data), block.last - block.entry, self.fold.fan.radii)
            spokes = xp.zeros(shape, dtype=xp.complex64)
            for group, near, weights in self.fold._products(block):
                # tap(t) Σ_l φ_l(t) x_l for each spoke, coil and radius
                values = by_line[group].swapaxes(-1, -2)
                spread = xp.empty((*values.shape[:-2], weights.shape[-2], values.shape[-1]), dtype=xp.complex64)
                matmul(values.swapaxes(-1, -2), weights.conj().swapaxes(-1, -2), spread.swapaxes(-1, -2))
                if isinstance(near, slice):
                    spokes[:, near] += spread
                else:
                    for entries, line in zip(near, spread, strict=True):
                        xp.add.at(spokes, (slice(None), entries), line)
            self._back_to_spokes(spokes, block, data)
        return data

    def _back_to_spokes(self, spokes: NDArray, block: _Block, data: NDArray) -> None:
        xp = sigpy.get_array_module(data)
        fan = self.fold.fan
        for chosen, radii, way in block.ways(fan):
            readouts = fan.near[block.entry : block.last][chosen]
            values = spokes[:, xp.asarray(chosen), radii][..., ::way]
            for start in range(0, len(readouts), fan.spokes):  # only then does a spoke come again
                part = slice(start, start + fan.spokes)
                data[:, xp.asarray(readouts[part])] += values[:, part]

    def _adjoint_linop(self) -> linop.Linop:
        return self.fold
