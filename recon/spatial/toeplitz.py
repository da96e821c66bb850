"""The normal operator E_Φᴴ W E_Φ as a convolution: no NUFFT in an iteration (docs/method/space.md).

For weights that depend on the radius alone, ``Σ_t φ*(t) φᵀ(t) F_tᴴ W F_t`` convolves L images with L² point spread
functions. On a grid of 2N×2N they become one L×L Hermitian matrix per k-space point.
"""

import math

import numpy as np
import sigpy
from numpy.typing import NDArray
from sigpy import linop

from recon.errors import DataError
from recon.spatial.fan import LineFan
from recon.spatial.fourier import fft, fft2, ifft, ifft2, matmul, on_gpu, share_out
from recon.spatial.nufft import NufftPlan
from recon.spatial.plans import kept_profiles
from recon.threads import available_cpus


def kernel_bytes(rank: int, matrix: int) -> int:
    """Memory of the kernel of :func:`toeplitz_kernel`."""
    return 8 * (2 * matrix * rank) ** 2


def pair_weights(fan: LineFan, temporal_basis: NDArray, lines_at_a_time: int = 256) -> NDArray:
    """Fold ``φ_l*(t) φ_l'(t)`` of all spokes onto the lines.

    Parameters
    ----------
    fan : LineFan
    temporal_basis : (L, spokes) complex64
    lines_at_a_time : int
        Bounds the memory, does not change the result.

    Returns
    -------
    (ways, lines, L, L) complex64
        Of the spokes that run along the lines, and of those that run against them, if there are some. Hermitian in the
        last two axes.
    """
    xp = sigpy.get_array_module(temporal_basis)
    basis = temporal_basis.T[xp.asarray(fan.near)]
    against = xp.asarray(fan.against)
    rank = basis.shape[1]
    pairs = xp.empty((1 + fan.flips, fan.lines, rank, rank), dtype=xp.complex64)
    for start in range(0, fan.lines, lines_at_a_time):
        block = slice(start, start + lines_at_a_time)
        entries = xp.asarray(fan.first[block])[:, None] + xp.arange(fan.taps.shape[1])
        entries = xp.minimum(entries, len(basis) - 1)  # beyond a line's last spoke, taps are zero
        near, taps = basis[entries], xp.asarray(fan.taps[block])
        for way in range(len(pairs)):
            weights = xp.where(against[entries] == bool(way), taps, 0)
            matmul((near.conj() * weights[..., None]).swapaxes(-1, -2), near, pairs[way, block])
    return pairs


def toeplitz_kernel(
    fan: LineFan,
    temporal_basis: NDArray,
    matrix: int,
    weights: NDArray | None = None,
    memory_bytes: int = 4 * 2**30,
    backend: str = "auto",
) -> NDArray:
    """Spectrum of the point spread functions on the 2N×2N grid.

    Parameters
    ----------
    fan : LineFan
        Laid out for a matrix of 2N, since differences of pixels reach twice as far as pixels do.
    temporal_basis : (L, spokes) complex64
        Φ; its device is followed.
    matrix : int
        N.
    weights : (samples,) float32, optional
        W along a spoke; one if not given.
    memory_bytes : int
        What the kernel and its making may take at most.
    backend : str
        NUFFT back end.

    Returns
    -------
    (2N, 2N, L, L) complex64
        ``K[ky, kx, l', l]``: transposed, so that ``x @ K`` applies it to rows x over l'.

    Raises
    ------
    DataError
        If the kernel needs more memory than allowed, or the basis is not finite.
    """
    xp = sigpy.get_array_module(temporal_basis)
    if not bool(xp.isfinite(temporal_basis).all()):
        raise DataError("the temporal basis holds NaN or Inf; check the navigators")
    rank, grid = len(temporal_basis), 2 * matrix
    per_pair = 8 * (3 * grid**2 + 2 * fan.lines * fan.radii)
    room = memory_bytes - kernel_bytes(rank, matrix) - 8 * (1 + fan.flips) * fan.lines * rank**2
    if room < per_pair:
        takes, allowed = (f"{amount / 2**30:.2f} GiB" for amount in (kernel_bytes(rank, matrix), memory_bytes))
        raise DataError(
            f"the Toeplitz kernel of rank {rank} and matrix {matrix} takes {takes} and its making more, above the "
            f"{allowed} allowed; lower rank or matrix, or raise memory_gb"
        )
    plan, pairs = _line_plan(fan, temporal_basis, weights, grid, backend)
    kernel = xp.empty((grid, grid, rank, rank), dtype=xp.complex64)
    step = int(min(256 if on_gpu(temporal_basis) else 64, room // per_pair))
    rows, columns = np.triu_indices(rank)
    for start in range(0, len(rows), step):
        left, right = rows[start : start + step], columns[start : start + step]
        lines = pairs[:, :, xp.asarray(left), xp.asarray(right)].transpose(2, 1, 0)
        spread = xp.moveaxis(plan.adjoint(lines), 0, -1) * (grid / matrix**2)
        spread[0] = spread[:, 0] = 0  # no two pixels are N apart, and -N has no mirror image
        spectrum = fft(fft(xp.fft.ifftshift(spread, axes=(0, 1)), 1), 0)
        for row in np.unique(left):
            chosen = np.flatnonzero(left == row)
            part, across = spectrum[..., chosen[0] : chosen[-1] + 1], slice(right[chosen[0]], right[chosen[-1]] + 1)
            kernel[:, :, row, across] = part.conj()
            kernel[:, :, across, row] = part
    return kernel


def _line_plan(
    fan: LineFan, temporal_basis: NDArray, weights: NDArray | None, grid: int, backend: str
) -> tuple[NufftPlan, NDArray]:
    """Plan of lines that are W along the radii, times a number for each way to run and pair: those numbers, too.

    Where W is the same both ways but for the ends of a line, so is what spokes leave on it: half the sum and half the
    difference of both ways hold fewer numbers than these.

    Returns
    -------
    NufftPlan, (ways, lines, L, L) complex64
    """
    xp = sigpy.get_array_module(temporal_basis)
    along = xp.ones(fan.samples, dtype=xp.float32) if weights is None else xp.asarray(weights)
    profiles = xp.zeros((1 + fan.flips, fan.radii), dtype=xp.float32)
    profiles[0, fan.forward_radii] = along
    pairs = pair_weights(fan, temporal_basis)
    if fan.flips:
        profiles[1, fan.backward_radii] = along[::-1]
        profiles = xp.stack([profiles[0] + profiles[1], profiles[0] - profiles[1]]) / 2
        pairs = xp.stack([pairs[0] + pairs[1], pairs[0] - pairs[1]])
    profiles = sigpy.to_device(profiles)
    return kept_profiles(2 * fan.trajectory, profiles, grid, backend, sigpy.get_device(temporal_basis)), pairs


def sampling_density(kernel: NDArray) -> NDArray:
    """Spectrum of the circulant operator on the N×N grid that is nearest to the mean of the kernel's L diagonals.

    T. Chan's optimal approximation (SIAM J. Sci. Stat. Comput. 1988): the point spread function, weighted by how many
    pixels of the image lie that far apart, wraps around.

    Parameters
    ----------
    kernel : (2N, 2N, L, L) complex64

    Returns
    -------
    (N, N) float32
        In FFT order, non-negative.
    """
    xp = sigpy.get_array_module(kernel)
    matrix = kernel.shape[0] // 2
    # mean diagonal: tr K(k) / L at each k-space point
    spread = xp.fft.ifft2(xp.einsum("yxll->yx", kernel) / kernel.shape[-1])
    apart = xp.abs(xp.fft.fftfreq(2 * matrix, 1 / (2 * matrix)))
    share = xp.maximum(1 - apart / matrix, 0)
    wrapped = (spread * share[:, None] * share).reshape(2, matrix, 2, matrix).sum(axis=(0, 2))
    return xp.maximum(xp.fft.fft2(wrapped).real, 0).astype(xp.float32)


class Circulant(linop.Linop):
    """Multiplication by a real function of k on each image of ``(L, N, N)``: a preconditioner for ADMM's CG.

    Parameters
    ----------
    spectrum : (N, N) float32
        In FFT order.
    rank : int
        L.
    """

    def __init__(self, spectrum: NDArray, rank: int) -> None:
        self.spectrum = spectrum
        shape = (rank, *spectrum.shape)
        super().__init__(shape, shape)

    def _apply(self, spatial_factor: NDArray) -> NDArray:
        spectrum = fft2(spatial_factor)
        spectrum *= self.spectrum
        return ifft2(spectrum)

    def _adjoint_linop(self) -> linop.Linop:
        return self


class ToeplitzNormal(linop.Linop):
    """E_Φᴴ W E_Φ = Σ_j S_jᴴ (K ∗) S_j on spatial factors ``(L, N, N)``, or the first M maps of it.

    Parameters
    ----------
    kernel : (2N, 2N, L, M) complex64
        From :func:`toeplitz_kernel`, or its first M columns.
    coil_maps : (coils, N, N) complex64
    coils_at_a_time : int, optional
        Bounds the memory, does not change the result; by default what fits into ``memory_bytes``.
    memory_bytes : int
        What one application may take beside the kernel.
    whole_images : bool, optional
        Whether FFTs are of whole images, one after the other in memory, as a GPU needs it, or of rows side by side
        without the zeros that images are padded with, which is faster on the CPU. The result is the same.

    Attributes
    ----------
    density : (N, N) float32
        What the operator does to the mean image at each k-space point, for :class:`Circulant` preconditioners.

    Raises
    ------
    DataError
        If not even one coil fits into the memory.
    """

    def __init__(
        self,
        kernel: NDArray,
        coil_maps: NDArray,
        coils_at_a_time: int | None = None,
        memory_bytes: int = 2 * 2**30,
        whole_images: bool | None = None,
    ) -> None:
        xp = sigpy.get_array_module(kernel)
        rank, wanted, matrix = *kernel.shape[-2:], coil_maps.shape[-1]
        per_coil = 3 * 8 * rank * (2 * matrix) ** 2
        fitting = memory_bytes // per_coil
        if coils_at_a_time is None and fitting < 1:
            raise DataError(
                f"one coil of the normal operator takes {per_coil / 2**30:.2f} GiB, more than the "
                f"{memory_bytes / 2**30:.2f} GiB allowed; lower rank or matrix, or raise memory_gb"
            )
        self.kernel = kernel.reshape(-1, rank, wanted)
        self.density = sampling_density(kernel[..., :wanted, :]) * float((xp.abs(coil_maps) ** 2).sum(axis=0).max())
        self.maps = xp.ascontiguousarray(xp.moveaxis(coil_maps, 0, -1))[..., None]
        self.whole_images = on_gpu(kernel) if whole_images is None else whole_images
        self.coils_at_a_time = coils_at_a_time or min(len(coil_maps), int(fitting))
        super().__init__((wanted, matrix, matrix), (rank, matrix, matrix))

    def _apply(self, spatial_factor: NDArray) -> NDArray:
        if self.whole_images:
            return self._apply_to_whole_images(spatial_factor)
        xp = sigpy.get_array_module(spatial_factor)
        images = xp.ascontiguousarray(xp.moveaxis(spatial_factor, 0, -1))[:, :, None, :]
        result = xp.zeros((*images.shape[:3], self.oshape[0]), dtype=images.dtype)
        for start in range(0, self.maps.shape[2], self.coils_at_a_time):
            maps = self.maps[:, :, start : start + self.coils_at_a_time]
            blurred = self._convolve(maps * images)
            blurred *= maps.conj()
            result += blurred.sum(axis=2, keepdims=True)
        return xp.ascontiguousarray(xp.moveaxis(result[:, :, 0], -1, 0))

    def _apply_to_whole_images(self, spatial_factor: NDArray) -> NDArray:
        rank, matrix, _ = spatial_factor.shape
        result = 0 * spatial_factor[: self.oshape[0]]
        for start in range(0, self.maps.shape[2], self.coils_at_a_time):
            maps = self.maps[:, :, start : start + self.coils_at_a_time].transpose(2, 3, 0, 1)
            spectrum = fft2(maps * spatial_factor, 2 * matrix)
            rows = spectrum.reshape(len(maps) * rank, -1).T.reshape(-1, len(maps), rank)
            wide = (len(maps), len(result), *spectrum.shape[2:])
            spectrum = _matmul(rows, self.kernel).reshape(-1, math.prod(wide[:2])).T.reshape(wide)
            result += (ifft2(spectrum)[..., :matrix, :matrix] * maps.conj()).sum(axis=0)
        return result

    def _convolve(self, images: NDArray) -> NDArray:
        """Convolve ``(N, N, coils, L)`` with the kernel; zero-padded rows are never transformed."""
        matrix, coils, rank = images.shape[0], images.shape[2], images.shape[3]
        spectrum = fft(fft(images, 1, 2 * matrix), 0, 2 * matrix)
        product = _matmul(spectrum.reshape(-1, coils, rank), self.kernel).reshape(*spectrum.shape[:3], -1)
        rows = ifft(product, axis=0)[:matrix]
        return ifft(rows, axis=1)[:, :matrix]

    def _adjoint_linop(self) -> linop.Linop:
        # nothing needs the adjoint of the first maps alone
        return self if self.ishape == self.oshape else super()._adjoint_linop()


def _matmul(rows: NDArray, kernel: NDArray) -> NDArray:
    """``rows[k] @ kernel[k]`` for all k; NumPy multiplies stacks on one core, so each thread takes a share."""
    if on_gpu(rows):
        return rows @ kernel
    product = np.empty((*rows.shape[:2], kernel.shape[-1]), dtype=rows.dtype)
    share = math.ceil(len(rows) / available_cpus())

    def multiply(start: int) -> None:
        part = slice(start, start + share)
        np.matmul(rows[part], kernel[part], out=product[part])

    share_out(multiply, range(0, len(rows), share), rows)
    return product
