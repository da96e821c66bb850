"""One interface over the non-uniform FFTs: a sparse matrix's, SigPy's, FINUFFT's and cuFINUFFT's.

All follow the convention of the package (:mod:`recon`): unitary scale, (kx, ky) in cycles per field of view, image
axes (y, x). A plan is made once for a trajectory and executed for any number of images.
"""

import importlib
import logging
import math
import threading
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Protocol

import sigpy
from numpy.typing import NDArray

from recon.errors import DataError
from recon.spatial.gridding import SparsePlan, matrix_bytes
from recon.threads import available_cpus

log = logging.getLogger(__name__)

ACCURACY = 1e-5
"""Relative tolerance asked of FINUFFT; the float32 result is no better at any cost."""

# Most bytes of k-space that one batch of transforms may take: 256 MiB.
_BATCH_BYTES = 256 * 2**20

_MATRIX_BYTES = 256 * 2**20
"""Most that a sparse gridding matrix may take: that of 930,000 points, the lines of fans for matrices up to 310."""


_Map = Callable[[NDArray], NDArray]


class NufftPlan(Protocol):
    """A planned transform between N×N images and the points of one trajectory.

    Attributes
    ----------
    matrix : int
        N.
    data_shape : tuple of int
        (spokes, samples).
    images_last : bool
        Whether data whose fastest axis in memory is the batch are transformed faster than those of one image at a time.
    """

    matrix: int
    data_shape: tuple[int, int]
    images_last: bool

    @property
    def nbytes(self) -> int:
        """Memory that it holds."""
        ...

    def weighted(self, weights: NDArray) -> "NufftPlan":
        """W F: forward transforms are multiplied by real weights ``(spokes, samples)``, data before adjoint ones."""
        ...

    def forward(self, images: NDArray) -> NDArray:
        """Transform ``(batch, N, N)`` images to ``(batch, spokes, samples)`` data."""
        ...

    def adjoint(self, data: NDArray) -> NDArray:
        """Transform ``(batch, spokes, samples)`` data to ``(batch, N, N)`` images."""
        ...


class _LibraryPlan:
    """What a plan on a library's transforms does around them."""

    images_last = False

    def __init__(self, trajectory: NDArray, matrix: int) -> None:
        self.matrix = matrix
        self.data_shape = (int(trajectory.shape[0]), int(trajectory.shape[1]))

    @property
    def nbytes(self) -> int:
        """Points and a few images on the twofold grid; libraries do not tell."""
        return 8 * (math.prod(self.data_shape) + available_cpus() * 4 * self.matrix**2)

    def weighted(self: "NufftPlan", weights: NDArray) -> "NufftPlan":
        """W F."""
        return _Combined(self, tuple(weights.shape), lambda data: data * weights, lambda data: data * weights)


class _Combined(_LibraryPlan):
    """A plan F followed by a linear map of its data: P F, with the adjoint Fᴴ Pᴴ."""

    def __init__(self, plan: NufftPlan, data_shape: tuple[int, int], after: _Map, before: _Map) -> None:
        self.matrix, self.data_shape = plan.matrix, data_shape
        self._plan, self._after, self._before = plan, after, before

    def forward(self, images: NDArray) -> NDArray:
        """Transform ``(batch, N, N)`` images to data."""
        return self._after(self._plan.forward(images))

    def adjoint(self, data: NDArray) -> NDArray:
        """Transform data to ``(batch, N, N)`` images."""
        return self._plan.adjoint(self._before(data))


class SigpyPlan(_LibraryPlan):
    """SigPy's gridding on NumPy or CuPy, at twofold oversampling: the reference that the others are tested against.

    SigPy's own defaults (oversampling 1.25, width 4) err by 7e-3 on random data; these settings by 1e-4.
    """

    def __init__(self, trajectory: NDArray, matrix: int) -> None:
        super().__init__(trajectory, matrix)
        self._coord = sigpy.get_array_module(trajectory).ascontiguousarray(trajectory[..., ::-1])

    def forward(self, images: NDArray) -> NDArray:
        """Transform ``(batch, N, N)`` images to ``(batch, spokes, samples)`` data."""
        return sigpy.nufft(images, self._coord, oversamp=2, width=6)

    def adjoint(self, data: NDArray) -> NDArray:
        """Transform ``(batch, spokes, samples)`` data to ``(batch, N, N)`` images."""
        shape = (len(data), self.matrix, self.matrix)
        return sigpy.nufft_adjoint(data, self._coord, oshape=shape, oversamp=2, width=6)


class FinufftPlan(_LibraryPlan):
    """FINUFFT on the CPU or cuFINUFFT on the GPU, in batches that bound the memory.

    Threads run over the images of a batch, one each, so that results do not depend on the order in which threads
    add: two runs on one machine give the same bits.
    """

    def __init__(self, trajectory: NDArray, matrix: int, module: str) -> None:
        super().__init__(trajectory, matrix)
        xp = sigpy.get_array_module(trajectory)
        scaled = (trajectory * (2 * math.pi / matrix)).astype(xp.float32)
        self._points = tuple(xp.ascontiguousarray(scaled[..., axis].ravel()) for axis in (1, 0))
        self._library = importlib.import_module(module)
        self._plans: dict[tuple[int, int], Any] = {}
        self._lock = threading.Lock()  # a plan of FINUFFT has one working array

    def _plan(self, kind: int, batch: int) -> Any:
        if (kind, batch) not in self._plans:
            options: dict[str, int] = {}
            if self._library.__name__ == "finufft":
                options = {"nthreads": min(batch, available_cpus()), "spread_thread": 2}
            plan = self._library.Plan(
                kind,
                (self.matrix, self.matrix),
                n_trans=batch,
                eps=ACCURACY,
                isign=-1 if kind == 2 else 1,
                dtype="complex64",
                **options,
            )
            plan.setpts(*self._points)
            self._plans[kind, batch] = plan
        return self._plans[kind, batch]

    def _batches(self, count: int) -> list[tuple[int, int]]:
        """Split into whole rounds of all threads and a rest with a thread for each image."""
        threads = available_cpus()
        rounds = max(1, min(4, _BATCH_BYTES // (8 * threads * math.prod(self.data_shape))))
        whole = count - count % threads
        return list(pairwise(sorted({*range(0, whole, rounds * threads), whole, count})))

    def _execute(self, kind: int, arrays: NDArray, shape: tuple[int, ...]) -> NDArray:
        xp = sigpy.get_array_module(arrays)
        result = xp.empty((len(arrays), *shape), dtype=xp.complex64)
        for start, stop in self._batches(len(arrays)):
            batch = xp.ascontiguousarray(arrays[start:stop], dtype=xp.complex64)
            source = batch.reshape((stop - start, -1) if kind == 1 else batch.shape)
            if stop - start == 1:
                source = source[0]
            with self._lock:
                result[start:stop] = self._plan(kind, stop - start).execute(source).reshape(-1, *shape)
        result /= self.matrix
        return result

    def forward(self, images: NDArray) -> NDArray:
        """Transform ``(batch, N, N)`` images to ``(batch, spokes, samples)`` data."""
        return self._execute(2, images, self.data_shape)

    def adjoint(self, data: NDArray) -> NDArray:
        """Transform ``(batch, spokes, samples)`` data to ``(batch, N, N)`` images."""
        return self._execute(1, data, (self.matrix, self.matrix))


def _loads(name: str) -> bool:
    """Whether a back end is installed and its library fits the machine's CUDA."""
    try:
        importlib.import_module(name)
    except (ImportError, OSError, RuntimeError) as error:
        log.info("NUFFT back end %s cannot be used: %s", name, error)
        return False
    return True


def choose_backend(name: str, on_gpu: bool) -> str:
    """Resolve ``auto`` and check that the back end fits the device.

    Parameters
    ----------
    name : {"auto", "sparse", "sigpy", "finufft", "cufinufft"}
        ``auto`` is ``sparse``: a fold's lines are the same for hundreds of images, which then share the weights of the
        gridding. On 2 cores that takes a quarter of FINUFFT's time, and on an H100 a tenth of SigPy's.
    on_gpu : bool
        Whether the data lie on a GPU.

    Returns
    -------
    str
        ``sparse``, ``sigpy``, ``finufft`` or ``cufinufft``.

    Raises
    ------
    DataError
        If the back end does not run on that device, or is not installed.
    """
    if name == "auto":
        many = _for_many_points(on_gpu)
        log.info("NUFFT back end sparse, the fastest for a fan's lines; trajectories too long for it by %s", many)
        return "sparse"
    if name == "finufft" and on_gpu:
        raise DataError("NUFFT back end finufft runs on the CPU; use sparse, cufinufft or sigpy with device cuda")
    if name == "cufinufft" and not on_gpu:
        raise DataError("NUFFT back end cufinufft needs a GPU; set device cuda:0, or nufft finufft")
    if name != "sparse" and not _loads(name):
        raise DataError(f"NUFFT back end {name} is not installed; pip install 'malibu[gpu-cuda12]' or choose another")
    return name


def _for_many_points(on_gpu: bool) -> str:
    """What transforms trajectories whose sparse matrix would be too large."""
    if not on_gpu:
        return "finufft"
    return "cufinufft" if _loads("cufinufft") else "sigpy"


def plan_nufft(trajectory: NDArray, matrix: int, backend: str = "auto") -> NufftPlan:
    """Plan the transform for a trajectory, on the device where the trajectory lies.

    Parameters
    ----------
    trajectory : (spokes, samples, 2) float32
        (kx, ky) in cycles per field of view.
    matrix : int
        Image matrix N.
    backend : {"auto", "sparse", "sigpy", "finufft", "cufinufft"}
        ``auto`` and ``sparse`` are a sparse matrix's where that takes no more than 256 MiB; and for more points finufft
        on the CPU, and on the GPU cufinufft where it is installed.

    Returns
    -------
    NufftPlan
    """
    on_gpu = sigpy.get_device(trajectory).id >= 0
    if backend in ("auto", "sparse"):
        if matrix_bytes(math.prod(trajectory.shape[:2])) <= _MATRIX_BYTES:
            return SparsePlan(trajectory, matrix)
        backend = _for_many_points(on_gpu)
    resolved = choose_backend(backend, on_gpu)
    return SigpyPlan(trajectory, matrix) if resolved == "sigpy" else FinufftPlan(trajectory, matrix, resolved)


def plan_profiles(trajectory: NDArray, profiles: NDArray, matrix: int, backend: str = "auto") -> NufftPlan:
    """Plan the transform of data that are few profiles along each line, times a number for each line and profile.

    Parameters
    ----------
    trajectory : (lines, radii, 2) float32
    profiles : (profiles, radii) float32
        The same for all lines.
    matrix : int
    backend : str
        As for :func:`plan_nufft`.

    Returns
    -------
    NufftPlan
        On data ``(lines, profiles)``.
    """
    if (
        backend in ("auto", "sparse")
        and SparsePlan.profile_bytes(len(trajectory), profiles, matrix) <= 2 * _MATRIX_BYTES
    ):
        return SparsePlan.of_profiles(trajectory, profiles, matrix)
    xp = sigpy.get_array_module(trajectory)
    plan = plan_nufft(trajectory, matrix, backend)
    # d(m, r) = Σ_p c(m, p) P(p, r)
    return _Combined(
        plan,
        (len(trajectory), len(profiles)),
        lambda data: xp.matmul(data, profiles.T.astype(data.dtype)),
        lambda data: xp.matmul(data, profiles.astype(data.dtype)),
    )
