"""Quarter turns, mirrors and phases of an image: the same scan as another orientation would have shown it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import sigpy
from numpy.typing import NDArray

from recon.spatial.toeplitz import ToeplitzNormal

MOST = 8
"""Symmetries that differ by more than a phase, the identity with a phase included."""


@dataclass(frozen=True)
class Symmetry:
    """A mirror along x, then quarter turns, then a phase: exact on pixels, and undone exactly.

    Attributes
    ----------
    turns : int
        Quarter turns, as :func:`numpy.rot90` of (y, x).
    mirrored : bool
    phase : float
        Of all maps, in radians.
    """

    turns: int
    mirrored: bool
    phase: float = 0.0

    def apply(self, maps: NDArray) -> NDArray:
        """Turn maps ``(..., N, N)`` complex64."""
        xp = sigpy.get_array_module(maps)
        seen = maps[..., ::-1] if self.mirrored else maps
        return xp.ascontiguousarray(xp.rot90(seen, self.turns, axes=(-2, -1))) * np.complex64(np.exp(1j * self.phase))

    def undo(self, maps: NDArray) -> NDArray:
        """Undo :meth:`apply`."""
        xp = sigpy.get_array_module(maps)
        back = xp.rot90(maps, -self.turns, axes=(-2, -1)) * np.complex64(np.exp(-1j * self.phase))
        return xp.ascontiguousarray(back[..., ::-1] if self.mirrored else back)

    def of_spectrum(self, spectrum: NDArray) -> NDArray:
        """Turn a real function of k, ``(N, N)`` in FFT order, about k = 0, which is no corner of pixels.

        A circulant operator C with this spectrum becomes ``T C T⁻¹``; that images turn about the middle between pixels
        adds a phase to their spectra alone.
        """
        xp = sigpy.get_array_module(spectrum)
        seen = _reversed(xp, spectrum, 1) if self.mirrored else spectrum
        for _ in range(self.turns % 4):
            seen = _reversed(xp, seen.T, 0)  # as rot90: the transposed, its rows reversed
        return xp.ascontiguousarray(seen)


def _reversed(xp: object, spectrum: NDArray, axis: int) -> NDArray:
    """Take k to -k along an axis, in FFT order."""
    return xp.roll(xp.flip(spectrum, axis), 1, axis)  # type: ignore[attr-defined]


def symmetries(count: int) -> list[Symmetry]:
    """List the first symmetries to look at a scan by, each with a phase of its own.

    Parameters
    ----------
    count : int
        At most :data:`MOST`.

    Returns
    -------
    list of Symmetry
        Half a turn, a mirror, and so on; the last one is a phase alone.
    """
    turned = [(2, False), (0, True), (1, False), (3, True), (3, False), (2, True), (1, True), (0, False)]
    # Phases of a real network count modulo 90 degrees, and ReLUs tell signs apart: eighths, out of order.
    return [Symmetry(*one, phase=np.pi / 4 * (3 * number + 1)) for number, one in enumerate(turned[:count])]


@dataclass(frozen=True)
class TurnedNormal:
    """The normal operator of a scan as another orientation would have had it: ``T E_Φᴴ E_Φ T⁻¹``.

    Attributes
    ----------
    normal : ToeplitzNormal
    symmetry : Symmetry
    """

    normal: ToeplitzNormal
    symmetry: Symmetry

    @property
    def kernel(self) -> NDArray:
        """That of the scan as it is: its device is the operator's."""
        return self.normal.kernel

    @cached_property
    def density(self) -> NDArray:
        """(N, N) float32, in FFT order."""
        return self.symmetry.of_spectrum(self.normal.density)

    def __call__(self, maps: NDArray) -> NDArray:
        """Apply it to ``(L, N, N)`` complex64."""
        return self.symmetry.apply(self.normal(self.symmetry.undo(maps)))
