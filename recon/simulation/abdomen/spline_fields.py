"""Random smooth fields in the body: cubic B-splines on a lattice in mm, the same whatever grid they are seen on."""

import numpy as np
from numpy.typing import NDArray

_BOX_MM = np.array([440.0, 480.0, 560.0])
"""(z, y, x) extent of the lattice around the middle of the body; farther away, fields fade to zero."""

_MEAN_SQUARE = 151 / 315
"""Sum of the squares of a cubic B-spline's weights at a point, averaged over its place between the knots."""


class SplineField:
    """A random field of mean zero and unit deviation.

    Parameters
    ----------
    rng : numpy.random.Generator
    knot_mm : float
        Distance of the knots: bumps are about twice as wide.
    """

    def __init__(self, rng: np.random.Generator, knot_mm: float) -> None:
        counts = np.ceil(_BOX_MM / knot_mm).astype(int) + 3
        self._knots = [(np.arange(count) - (count - 1) / 2) * knot_mm for count in counts]
        self._knot_mm = knot_mm
        weights = rng.standard_normal(counts, dtype=np.float32)
        self._weights = weights * np.float32(_MEAN_SQUARE**-1.5)

    def on(self, axes: tuple[NDArray, NDArray, NDArray]) -> NDArray:
        """Evaluate on a grid.

        Parameters
        ----------
        axes : tuple of (n,) float
            Places of the voxels along z, y, x in mm from the middle of the body.

        Returns
        -------
        (z, y, x) float32
        """
        field = self._weights
        for axis, places in enumerate(axes):
            # f[…,i,…] = Σ_k β((x_i − x_k) / h) w[…,k,…]
            field = np.moveaxis(np.tensordot(self._basis(axis, places), field, axes=(1, axis)), 0, axis)
        return np.ascontiguousarray(field)

    def at(self, points: NDArray) -> NDArray:
        """Evaluate at (n, 3) points (z, y, x) in mm: (n,) float32."""
        z, y, x = (self._basis(axis, points[:, axis]) for axis in range(3))
        along_x = np.einsum("ck,zyk->czy", x, self._weights)
        return np.einsum("cz,cy,czy->c", z, y, along_x)

    def _basis(self, axis: int, places: NDArray) -> NDArray:
        distance = np.abs(np.asarray(places)[:, None] - self._knots[axis]) / self._knot_mm
        near = 2 / 3 - distance**2 + distance**3 / 2
        return np.where(distance < 1, near, np.maximum(2 - distance, 0) ** 3 / 6).astype(np.float32)
