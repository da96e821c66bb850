"""The phantom as a perfect reconstruction with the estimated coil maps would show it."""

from dataclasses import dataclass

import numpy as np
import sigpy
from numpy.typing import NDArray

from gadgets.multitasking.problem import Posed
from gadgets.multitasking.readouts import SliceReadouts


@dataclass(frozen=True)
class Truth:
    """Spatial factor and images of a simulated scan.

    Attributes
    ----------
    spatial_factor : (L, N, N) complex64
        Least-squares fit of the true images by the temporal basis, with the shading of the estimated coil maps.
    magnitudes : (times, N, N) float32
        The true images themselves, shaded.
    spokes : (times,) int
        Columns of the temporal basis that belong to them.
    """

    spatial_factor: NDArray
    magnitudes: NDArray
    spokes: NDArray


def seen_truth(posed: Posed, readouts: SliceReadouts, images: NDArray, coil_maps: NDArray, readout: NDArray) -> Truth:
    """Show true images as the reconstruction sees them.

    Parameters
    ----------
    posed : Posed
    readouts : SliceReadouts
    images : (times, N, N) float32
        True signed signal.
    coil_maps : (coils, N, N) complex64
        True sensitivities.
    readout : (times,) int
        Readouts at whose times the images are drawn.

    Returns
    -------
    Truth
        Of the images whose spokes are reconstructed.
    """
    basis = sigpy.to_device(posed.problem.temporal_basis, sigpy.cpu_device)
    kept = readouts.readout_index[posed.temporal.kept]
    known = np.isin(readout, kept)
    images, spokes = images[known], np.searchsorted(kept, readout[known])
    estimated = sigpy.to_device(posed.problem.coil_maps, sigpy.cpu_device)
    seen = np.einsum("ij,jyx->iyx", posed.to_coils, coil_maps)
    shading = np.sum(estimated.conj() * seen, axis=0) / np.sum(np.abs(estimated) ** 2, axis=0)
    factor = np.linalg.lstsq(basis[:, spokes].T, images.reshape(len(images), -1).astype(np.complex64), rcond=None)[0]
    factor = factor.reshape(len(basis), *images.shape[1:]) * shading
    return Truth(factor.astype(np.complex64), np.abs(images * shading).astype(np.float32), spokes)
