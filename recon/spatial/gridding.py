"""Gridding many images at once: a sparse matrix times a dense block, then FFTs (docs/method/space.md).

The interpolation weights of a trajectory's points are computed once and serve every image, which is what an ordinary
NUFFT, made for one image at a time, cannot do.
"""

import importlib
import math
from functools import cached_property
from typing import Any

import numba
import numpy as np
import scipy.fft
import scipy.sparse
import scipy.special
import sigpy
from numpy.typing import NDArray

from recon.spatial.fourier import fft, ifft, on_gpu, share_out

OVERSAMPLING, WIDTH = 2.0, 6
"""Those of :class:`recon.spatial.nufft.SigpyPlan`."""

_FOR_PROFILES = (1.25, 8)
"""Oversampling and width for lines of fixed profiles: errs by 1e-5."""

# Lines whose samples' matrix exists at a time, 40 MiB for those of 640 samples.
_LINES_AT_A_TIME = 128
# Shares of the rows that threads take.
_SHARES = 64


def matrix_bytes(points: int, width: int = WIDTH) -> int:
    """Memory of the sparse matrix of a trajectory: a float32 and an int32 for each of ``width²`` weights a point."""
    return 8 * width**2 * points


class SparsePlan:
    """A NUFFT plan by a sparse Kaiser-Bessel interpolation matrix, for trajectories of some 100,000 points.

    The convention is that of :class:`recon.spatial.nufft.NufftPlan`. Nothing in it changes: threads may share it.

    Parameters
    ----------
    trajectory : (spokes, samples, 2) float32
        (kx, ky) in cycles per field of view; its device is followed.
    matrix : int
        N.
    oversampling : float
        Grid over image.
    width : int
        Of the kernel, in grid points. 6 at twofold oversampling errs by 1e-5.

    Notes
    -----
    The fastest memory layout of data is ``(spokes, samples, batch)``, seen as ``(batch, spokes, samples)``.
    """

    images_last = True

    def __init__(
        self, trajectory: NDArray, matrix: int, oversampling: float = OVERSAMPLING, width: int = WIDTH
    ) -> None:
        xp = sigpy.get_array_module(trajectory)
        kernel = _Kernel(matrix, oversampling, width)
        weights = kernel.weights(sigpy.to_device(trajectory).reshape(-1, 2))
        self._set(_on_device(weights.T.tocsr(), xp), kernel, trajectory.shape[:2], xp)

    def _set(self, gridding: Any, kernel: "_Kernel", data_shape: tuple[int, ...], xp: Any) -> None:
        self._gridding, self._kernel, self._grid = gridding, kernel, kernel.grid
        self._deapodisation = xp.asarray(kernel.deapodisation)
        self.matrix, self.data_shape = kernel.matrix, (int(data_shape[0]), int(data_shape[1]))

    @classmethod
    def of_profiles(cls, trajectory: NDArray, profiles: NDArray, matrix: int) -> "SparsePlan":
        """Plan for data that are the same few profiles along every line, times a number for each line and profile.

        Neighbouring samples of a line share grid points, so that the matrix is a fraction of the samples' own. A grid
        oversampled by a quarter, with a kernel that is wider in turn, makes it smaller still, and so the FFTs.

        Parameters
        ----------
        trajectory : (lines, radii, 2) float32
        profiles : (profiles, radii) float32
            P; zeros make the matrix smaller.
        matrix : int

        Returns
        -------
        SparsePlan
            On coefficients ``(lines, profiles)``.
        """
        xp = sigpy.get_array_module(trajectory)
        kernel = _Kernel(matrix, *_FOR_PROFILES)
        lines, along = sigpy.to_device(trajectory), sigpy.to_device(profiles)
        parts = []
        for start in range(0, len(lines), _LINES_AT_A_TIME):
            some = lines[start : start + _LINES_AT_A_TIME]
            # row (m, p), column (m, r): P_p(r)
            spread = scipy.sparse.kron(scipy.sparse.identity(len(some), dtype=np.float32), along, format="csr")
            parts.append(spread @ kernel.weights(some.reshape(-1, 2)))
        plan = object.__new__(cls)
        gridding = _on_device(scipy.sparse.vstack(parts).T.tocsr(), xp)
        plan._set(gridding, kernel, (len(lines), len(along)), xp)
        return plan

    @staticmethod
    def profile_bytes(lines: int, profiles: NDArray, matrix: int) -> int:
        """Memory of the matrix of :meth:`of_profiles` at most: a band of the kernel's width along each line."""
        oversampling, width = _FOR_PROFILES
        full = int((profiles != 0).any(axis=1).sum())
        return int(8 * lines * full * (width + 1) * math.sqrt(2) * oversampling * matrix)

    @property
    def nbytes(self) -> int:
        """Memory of the matrix."""
        return int(self._gridding.data.nbytes + self._gridding.indices.nbytes + self._gridding.indptr.nbytes)

    @cached_property
    def _interpolating(self) -> Any:
        """The transposed matrix, which only forward transforms need."""
        return self._gridding.T.tocsr()

    def weighted(self, weights: NDArray) -> "SparsePlan":
        """W F: real weights ``(spokes, samples)`` are multiplied into the matrix."""
        xp, old = sigpy.get_array_module(weights), self._gridding
        values = old.data * weights.ravel().astype(old.dtype)[old.indices]
        plan = object.__new__(SparsePlan)
        gridding = type(old)((values, old.indices, old.indptr), shape=old.shape)
        plan._set(gridding, self._kernel, self.data_shape, xp)
        return plan

    def adjoint(self, data: NDArray) -> NDArray:
        """Transform ``(batch, spokes, samples)`` data to ``(batch, N, N)`` images."""
        xp = sigpy.get_array_module(data)
        columns = xp.ascontiguousarray(data.astype(xp.complex64, copy=False).reshape(len(data), -1).T)
        images = xp.empty((self.matrix, self.matrix, len(data)), dtype=xp.complex64)
        rows = xp.empty((self._grid, self.matrix, len(data)), dtype=xp.complex64)
        deapodisation = self._deapodisation[:, None, None] * self._deapodisation[:, None]

        def transform_rows(band: slice) -> None:
            grid = _product(self._gridding, columns, slice(band.start * self._grid, band.stop * self._grid))
            grid = grid.reshape(-1, self._grid, len(data))
            self._crop(ifft(grid, 1, norm="forward", workers=1), 1, rows[band])

        def transform_columns(band: slice) -> None:
            self._crop(ifft(rows[:, band].copy(), 0, norm="forward", workers=1), 0, images[:, band])
            images[:, band] *= deapodisation[:, band]

        # pixels of one axis are cropped before the other is transformed
        share_out(transform_rows, _bands(self._grid, rows), rows)
        share_out(transform_columns, _bands(self.matrix, rows), rows)
        return xp.moveaxis(images, -1, 0)

    def _crop(self, grid: NDArray, axis: int, cropped: NDArray) -> None:
        """Take the pixels of the image along an axis, whose origin the FFT has at 0 and the image at N//2."""
        low = self.matrix // 2
        xp = sigpy.get_array_module(grid)
        into, out_of = xp.moveaxis(cropped, axis, 0), xp.moveaxis(grid, axis, 0)
        into[low:], into[:low] = out_of[: self.matrix - low], out_of[self._grid - low :]

    def forward(self, images: NDArray) -> NDArray:
        """Transform ``(batch, N, N)`` images to ``(batch, spokes, samples)`` data."""
        xp = sigpy.get_array_module(images)
        low, high = self.matrix // 2, self.matrix - self.matrix // 2
        deapodised = xp.moveaxis(images * (self._deapodisation[:, None] * self._deapodisation), 0, -1)
        grid = xp.zeros((self._grid, self._grid, len(images)), dtype=xp.complex64)
        for into, out_of in ((slice(high), slice(low, None)), (slice(self._grid - low, None), slice(low))):
            grid[into, :high] = deapodised[out_of, low:]
            grid[into, self._grid - low :] = deapodised[out_of, :low]
        spectrum = xp.ascontiguousarray(fft(fft(grid, 1), 0)).reshape(self._grid**2, -1)
        data = xp.empty((math.prod(self.data_shape), len(images)), dtype=xp.complex64)

        def interpolate(band: slice) -> None:
            data[band] = _product(self._interpolating, spectrum, band)

        share_out(interpolate, _bands(len(data), data), data)
        return xp.moveaxis(data.reshape(*self.data_shape, -1), -1, 0)


def _bands(count: int, array: NDArray) -> list[slice]:
    """Shares of the threads, a few for each of 16; a GPU takes all at once."""
    step = count if on_gpu(array) else math.ceil(count / _SHARES)
    return [slice(start, min(start + step, count)) for start in range(0, count, step)]


class _Kernel:
    """The Kaiser-Bessel kernel on an oversampled grid, with the shape of Beatty (IEEE TMI 2005, equation 5)."""

    def __init__(self, matrix: int, oversampling: float, width: int) -> None:
        self.matrix, self.width = matrix, width
        self.grid = scipy.fft.next_fast_len(max(math.ceil(oversampling * matrix), width))
        over = self.grid / matrix
        self.beta = math.pi * math.sqrt((width / over * (over - 0.5)) ** 2 - 0.8)
        # its Fourier transform at pixels is W sinh(z) / (z I₀(β)); and 1/N in two dimensions
        z = np.sqrt(self.beta**2 - (math.pi * width * (np.arange(matrix) - matrix // 2) / self.grid) ** 2)
        transform = width * np.sinh(z) / (z * scipy.special.i0(self.beta))
        self.deapodisation = (1 / (math.sqrt(matrix) * transform)).astype(np.float32)

    def weights(self, points: NDArray) -> scipy.sparse.csr_matrix:
        """Weights of grid points around each point of a trajectory: ``(points, grid²)`` float32."""
        place = points.astype(np.float64) * (self.grid / self.matrix)
        first = np.ceil(place - self.width / 2).astype(np.int32)
        near = first[..., None] + np.arange(self.width, dtype=np.int32)
        away = (near - place[..., None]) * (2 / self.width)
        weights = scipy.special.i0(self.beta * np.sqrt(np.maximum(1 - away**2, 0))) / scipy.special.i0(self.beta)
        weights, near = weights.astype(np.float32), near % self.grid
        # each point's weights are an outer product: w(y) w(x)
        values = weights[:, 1, :, None] * weights[:, 0, None, :]
        columns = near[:, 1, :, None] * np.int32(self.grid) + near[:, 0, None, :]
        starts = np.arange(len(points) + 1, dtype=np.int32) * np.int32(self.width**2)
        return scipy.sparse.csr_matrix((values.ravel(), columns.ravel(), starts), shape=(len(points), self.grid**2))


def _on_device(matrix: scipy.sparse.csr_matrix, xp: Any) -> Any:
    """A CSR matrix of SciPy, or the same of CuPy."""
    return matrix if xp is np else importlib.import_module("cupyx.scipy.sparse").csr_matrix(matrix)


def _product(matrix: Any, columns: NDArray, rows: slice) -> NDArray:
    """Some rows of a real CSR matrix times a C-contiguous complex block."""
    xp = sigpy.get_array_module(columns)
    reals = columns.view(xp.float32)
    if on_gpu(columns):
        part = matrix if rows == slice(0, matrix.shape[0]) else matrix[rows]
        # Transposed, the block is Fortran-ordered as CuPy wants it, and rows stay contiguous: four times as fast.
        product = importlib.import_module("cupyx.cusparse").spmm(part, reals.T, transb=True)
        return xp.ascontiguousarray(product).view(xp.complex64)
    product = np.empty((rows.stop - rows.start, reals.shape[1]), dtype=np.float32)
    _times(matrix.indptr, matrix.indices, matrix.data, reals, rows.start, product)
    return product.view(np.complex64)


# SciPy's product keeps Python's lock, and so one core; this takes half of its time on two.
@numba.njit(nogil=True, cache=True, fastmath={"contract"})
def _times(starts: NDArray, columns: NDArray, values: NDArray, dense: NDArray, first: int, product: NDArray) -> None:
    """Rows of a CSR matrix, from ``first`` on, times a dense one."""
    for row in range(len(product)):
        total = product[row]
        total[:] = 0
        for entry in range(starts[first + row], starts[first + row + 1]):
            value, source = values[entry], dense[columns[entry]]
            for column in range(len(total)):
                total[column] += value * source[column]
