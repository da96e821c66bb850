"""The operators once more, slow and plain: every spoke by itself, no fan, no Toeplitz kernel."""

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.sparse
import sigpy
from numpy.typing import NDArray
from sigpy import linop

from recon.spatial.fan import LineFan
from recon.spatial.fourier import on_gpu
from recon.spatial.nufft import NufftPlan


def fold_by_sparse_matrices(fan: LineFan, temporal_basis: NDArray, kspace: NDArray) -> NDArray:
    """Fold by the taps as two sparse matrices, of the spokes along and against their lines, one map at a time.

    Parameters
    ----------
    fan : LineFan
    temporal_basis : (L, spokes) complex64
    kspace : (coils, spokes, samples) complex64
        Its device is followed.

    Returns
    -------
    (coils, L, lines, radii) complex64
    """
    xp = sigpy.get_array_module(kspace)
    ways = (False, fan.forward_radii, 1), (True, fan.backward_radii, -1)
    lines = xp.zeros((len(kspace), len(temporal_basis), fan.lines, fan.radii), dtype=xp.complex64)
    for against, radii, step in ways:
        taps = _taps(fan, against, on_gpu(kspace))
        for coil, data in enumerate(kspace):
            for number, row in enumerate(temporal_basis):
                # x_l(m) = Σ_t tap(m, t) φ_l*(t) d(t)
                lines[coil, number, :, radii] += (taps @ (row.conj()[:, None] * data))[:, ::step]
    return lines


def _taps(fan: LineFan, against: bool, gpu: bool) -> Any:
    """Interpolation weights ``(lines, spokes)`` of the spokes that run one way."""
    line, place = np.nonzero(np.arange(fan.taps.shape[1]) < fan.count[:, None])
    entry = fan.first[line] + place
    chosen = fan.against[entry] == against
    values = fan.taps[line, place][chosen].astype(np.complex64)
    where = (line[chosen], fan.near[entry[chosen]])
    taps = scipy.sparse.csr_matrix((values, where), shape=(fan.lines, fan.spokes))
    return importlib.import_module("cupyx.scipy.sparse").csr_matrix(taps) if gpu else taps


def exact_kernel(plan: NufftPlan, temporal_basis: NDArray, pairs: Sequence[tuple[int, int]]) -> NDArray:
    """Spectra of point spread functions, of which the Toeplitz kernel consists, with every spoke gridded.

    Parameters
    ----------
    plan : NufftPlan
        Of the doubled trajectory on the 2N×2N grid, as the differences of pixels need it.
    temporal_basis : (L, spokes) complex64
    pairs : sequence of (l, l')

    Returns
    -------
    (2N, 2N, pairs) complex64
        ``K[ky, kx, l', l]`` of :func:`recon.spatial.toeplitz.toeplitz_kernel`.
    """
    xp = sigpy.get_array_module(temporal_basis)
    ones = xp.ones(plan.data_shape[1], dtype=xp.complex64)
    # Σ_t φ_l*(t) φ_l'(t) F_tᴴ 1
    weights = xp.stack([temporal_basis[left].conj() * temporal_basis[right] for left, right in pairs])
    spread = plan.adjoint(weights[:, :, None] * ones) * (4 / plan.matrix)
    spread[:, 0] = spread[:, :, 0] = 0  # no two pixels are N apart
    return xp.moveaxis(xp.fft.fft2(xp.fft.ifftshift(spread, axes=(1, 2))), 0, -1).astype(xp.complex64)


class Counted(linop.Linop):
    """A normal operator for ADMM that counts how often it is applied.

    Parameters
    ----------
    apply : callable
        On ``(L, N, N)``.
    density : (N, N) float32
        As that of :class:`recon.spatial.toeplitz.ToeplitzNormal`.
    rank : int
        L.
    """

    def __init__(self, apply: Callable[[NDArray], NDArray], density: NDArray, rank: int) -> None:
        self.density, self.applications, self._of = density, 0, apply
        shape = (rank, *density.shape)
        super().__init__(shape, shape)

    def _apply(self, spatial_factor: NDArray) -> NDArray:
        self.applications += 1
        return self._of(spatial_factor)

    def _adjoint_linop(self) -> linop.Linop:
        return self
