"""Folding a radial scan of any length onto a fan of fixed lines (docs/method/space.md).

All spokes, weighted by the temporal basis, collapse onto about a thousand lines by one small matrix product per line,
and every later transform costs the same whatever the scan's length.
"""

import sigpy
from numpy.typing import NDArray
from sigpy import linop

from recon.spatial.fan import LineFan


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
        for line in range(self.fan.circle):
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
        for line in range(fan.circle):
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
