"""What a pair is made of: a body in a few states, small enough to make thousands and to hand them between processes."""

from dataclasses import dataclass

import numpy as np
import sigpy
from numpy.typing import NDArray

from recon.simulation.moving.sampling import sampled

# Nodes of the motion, as shares of its range: between them, the fields of displacement mix linearly.
CONTRACTION_NODES, DISPLACEMENT_NODES = 4, 3


@dataclass(frozen=True)
class Content:
    """Maps of a body at rest on n×n pixels, and where its pixels come from in the nodes of its motion.

    Attributes
    ----------
    kind : str
    density : (n, n) complex64
        Proton density times the object's phase; zero in air.
    t1_ms, b1, inflow : (n, n) float32
    contraction : (nodes,) float32
    displacement_mm : (nodes,) float32
    shifts : (contraction nodes, displacement nodes, 2, m, m) float16
        (y, x) of a moved body's pixel at rest, less its own, in pixels of n×n; on a coarser grid of m×m.
    appearance : (contraction nodes, n, n) float16
        Density factor where tissue moves through the slice.
    """

    kind: str
    density: NDArray[np.complex64]
    t1_ms: NDArray[np.float32]
    b1: NDArray[np.float32]
    inflow: NDArray[np.float32]
    contraction: NDArray[np.float32]
    displacement_mm: NDArray[np.float32]
    shifts: NDArray[np.float16]
    appearance: NDArray[np.float16]

    @property
    def pixels(self) -> int:
        """Side of the maps, n."""
        return int(self.density.shape[-1])

    def on(self, device: sigpy.Device) -> "Content":
        """Move its maps to a device."""
        values = {
            name: sigpy.to_device(value, device) if isinstance(value, np.ndarray) and value.ndim > 1 else value
            for name, value in self.__dict__.items()
        }
        return Content(**values)

    def places(self, contraction: float, displacement_mm: float) -> NDArray:
        """Where the pixels of the body in a state come from: ``(2, n, n)`` float32, (y, x)."""
        xp = sigpy.get_array_module(self.density)
        mixed = xp.zeros((*self.shifts.shape[3:], 2), dtype=np.float32)
        for row, first in _mixed(self.contraction, contraction):
            for column, second in _mixed(self.displacement_mm, displacement_mm):
                mixed += np.float32(first * second) * xp.moveaxis(self.shifts[row, column].astype(np.float32), 0, -1)
        own = xp.arange(self.pixels, dtype=np.float32)
        # beyond the outermost shifts, these
        coarse = xp.clip((own + 0.5) * (len(mixed) / self.pixels) - 0.5, 0, len(mixed) - 1).astype(np.float32)
        shift = sampled(mixed, xp.stack(xp.meshgrid(coarse, coarse, indexing="ij")))
        return xp.moveaxis(shift, -1, 0) + xp.stack(xp.meshgrid(own, own, indexing="ij"))

    def appears(self, contraction: float) -> NDArray:
        """Density factor of a contraction: ``(n, n)`` float32."""
        return sum(
            np.float32(share) * self.appearance[row].astype(np.float32)
            for row, share in _mixed(self.contraction, contraction)
        )


def _mixed(nodes: NDArray, value: float) -> list[tuple[int, float]]:
    """Rows and shares of the nodes around a value; the outermost node beyond them."""
    if len(nodes) == 1:
        return [(0, 1.0)]
    place = float(np.clip(np.interp(value, nodes, np.arange(len(nodes))), 0, len(nodes) - 1 - 1e-6))
    row, share = int(place), place - int(place)
    return [(row, 1 - share), (row + 1, share)]
