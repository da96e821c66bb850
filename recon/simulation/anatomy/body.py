"""A body in one slice: what it is made of and how it moves."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recon.simulation.anatomy.motion_field import MotionField


@dataclass(frozen=True)
class Body:
    """What lies in one slice, on a fine grid at end-diastole and end-expiration.

    All maps have axes (y, x), span the field of view, and have their centre at pixel ``n // 2``. Where density is 0
    (air) the others hold the number of the nearest paint, or a plain one; they mean nothing there.

    Attributes
    ----------
    kind : str
    fov_mm : float
    density : (n, n) complex64
        Proton density, partial volume and texture within, times the smooth phase of the object; 0 in air.
    t1_ms : (n, n) float32
    inflow : (n, n) float32
        Share of fresh spins, which saw the inversion but none of the excitation pulses before.
    t2_star_ms, off_resonance_hz : (n, n) float32
    fat : (n, n) float32
        Share of the signal that is fat's.
    b1 : (n, n) float32
        True flip angle over the nominal one. It is the scanner's: it stays where it is when the body moves.
    labels : (n, n) uint8
        What each pixel belongs to, an index into `names`.
    names : tuple of str
        The first is air.
    appearing : (n, n) float32
        Share of the density that comes (or, if negative, goes) through the plane by end-systole.
    motion : MotionField
    """

    kind: str
    fov_mm: float
    density: NDArray
    t1_ms: NDArray
    inflow: NDArray
    t2_star_ms: NDArray
    off_resonance_hz: NDArray
    fat: NDArray
    b1: NDArray
    labels: NDArray
    names: tuple[str, ...]
    appearing: NDArray
    motion: MotionField

    @property
    def pixel_mm(self) -> float:
        """Width of a pixel of the fine grid."""
        return self.fov_mm / len(self.density)

    def backward_map(self, contraction: float, displacement_mm: float) -> NDArray:
        """Where each pixel of the moved body comes from; smooth and invertible.

        Parameters
        ----------
        contraction : float
            0 at end-diastole, 1 at end-systole; `recon.simulation.chest.motion.Motion.contraction`.
        displacement_mm : float
            Of the diaphragm from end-expiration, up to 20 mm; `Motion.displacement_mm`.

        Returns
        -------
        (2, n, n) float32
            Pixel coordinates (y, x) at rest, for ``scipy.ndimage.map_coordinates(rest, result)``.
        """
        return self.motion.backward_map(contraction, displacement_mm)

    def through_plane(self, contraction: float) -> NDArray:
        """Return what the density at rest is multiplied by when the heart has contracted, before it is moved.

        Parameters
        ----------
        contraction : float

        Returns
        -------
        (n, n) float32
            1 but near the valve plane and the apex.
        """
        return 1 + np.float32(contraction) * self.appearing
