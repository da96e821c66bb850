"""The course of a scan: what was encoded when, and in which state the body was; the content is left open."""

from dataclasses import dataclass

import numpy as np
import sigpy
from numpy.typing import NDArray

from recon.relaxometry.inversion_recovery import InversionRecovery


@dataclass(frozen=True)
class Course:
    """Encoding and true motion of a scan; a scan of known motion gives it, or somebody's imagination.

    Attributes
    ----------
    trajectory : (spokes, samples, 2) float32
        (kx, ky) in cycles per field of view.
    temporal_basis : (L, spokes) complex64
        Φ as it was found in the scan; rows orthonormal.
    coil_maps : (coils, N, N) complex64
        S as they were found.
    contraction, displacement_mm : (spokes,) float64
        True state at each spoke, as in :class:`recon.simulation.chest.motion.Motion`.
    pulse : (spokes,) int
        Excitation pulses since the inversion.
    sequence : InversionRecovery or None
        None for a scan in the steady state.
    efficiency : float
        Of the inversion.
    fov_mm : float
    cells : (cells, L, R) float32, optional
        What takes U to recovery curves in R coordinates, in each of the states of motion that the scan's model knows.
    """

    trajectory: NDArray[np.float32]
    temporal_basis: NDArray[np.complex64]
    coil_maps: NDArray[np.complex64]
    contraction: NDArray[np.float64]
    displacement_mm: NDArray[np.float64]
    pulse: NDArray[np.int64]
    sequence: InversionRecovery | None
    efficiency: float
    fov_mm: float
    cells: NDArray[np.float32] | None = None

    @property
    def rank(self) -> int:
        """L."""
        return len(self.temporal_basis)

    @property
    def matrix(self) -> int:
        """N."""
        return int(self.coil_maps.shape[-1])

    def on(self, device: sigpy.Device) -> "Course":
        """Hold what the operators are made of on a device."""
        moved = {name: sigpy.to_device(getattr(self, name), device) for name in _ARRAYS}
        return Course(**(self.__dict__ | moved))


_ARRAYS = ("trajectory", "temporal_basis", "coil_maps")
