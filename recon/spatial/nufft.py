"""One interface over the non-uniform FFTs of SigPy, FINUFFT and cuFINUFFT.

All follow the convention of the package (:mod:`recon`): unitary scale, (kx, ky) in cycles per field of view, image
axes (y, x). A plan is made once for a trajectory and executed for any number of images.
"""

import importlib
import logging
import math
from itertools import pairwise
from typing import Any, Protocol

import sigpy
from numpy.typing import NDArray
from sigpy import linop

from recon.errors import DataError
from recon.threads import available_cpus

log = logging.getLogger(__name__)

ACCURACY = 1e-5
"""Relative tolerance asked of FINUFFT; the float32 result is no better at any cost."""

# Most bytes of k-space that one batch of transforms may take: 256 MiB.
_BATCH_BYTES = 256 * 2**20


class NufftPlan(Protocol):
    """A planned transform between N×N images and the points of one trajectory.

    Attributes
    ----------
    matrix : int
        N.
    data_shape : tuple of int
        (spokes, samples).
    """

    matrix: int
    data_shape: tuple[int, int]

    def forward(self, images: NDArray) -> NDArray:
        """Transform ``(batch, N, N)`` images to ``(batch, spokes, samples)`` data."""
        ...

    def adjoint(self, data: NDArray) -> NDArray:
        """Transform ``(batch, spokes, samples)`` data to ``(batch, N, N)`` images."""
        ...


class SigpyPlan:
    """SigPy's gridding on NumPy or CuPy, at twofold oversampling: the reference that the others are tested against.

    SigPy's own defaults (oversampling 1.25, width 4) err by 7e-3 on random data; these settings by 1e-4.
    """

    def __init__(self, trajectory: NDArray, matrix: int) -> None:
        self.matrix = matrix
        self.data_shape = (trajectory.shape[0], trajectory.shape[1])
        self._coord = sigpy.get_array_module(trajectory).ascontiguousarray(trajectory[..., ::-1])

    def forward(self, images: NDArray) -> NDArray:
        """Transform ``(batch, N, N)`` images to ``(batch, spokes, samples)`` data."""
        return sigpy.nufft(images, self._coord, oversamp=2, width=6)

    def adjoint(self, data: NDArray) -> NDArray:
        """Transform ``(batch, spokes, samples)`` data to ``(batch, N, N)`` images."""
        shape = (len(data), self.matrix, self.matrix)
        return sigpy.nufft_adjoint(data, self._coord, oshape=shape, oversamp=2, width=6)


class FinufftPlan:
    """FINUFFT on the CPU or cuFINUFFT on the GPU, in batches that bound the memory.

    Threads run over the images of a batch, one each, so that results do not depend on the order in which threads
    add: two runs on one machine give the same bits.
    """

    def __init__(self, trajectory: NDArray, matrix: int, module: str) -> None:
        self.matrix = matrix
        self.data_shape = (trajectory.shape[0], trajectory.shape[1])
        xp = sigpy.get_array_module(trajectory)
        scaled = (trajectory * (2 * math.pi / matrix)).astype(xp.float32)
        self._points = tuple(xp.ascontiguousarray(scaled[..., axis].ravel()) for axis in (1, 0))
        self._library = importlib.import_module(module)
        self._plans: dict[tuple[int, int], Any] = {}

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
    name : {"auto", "sigpy", "finufft", "cufinufft"}
    on_gpu : bool
        Whether the data lie on a GPU.

    Returns
    -------
    str
        ``sigpy``, ``finufft`` or ``cufinufft``.

    Raises
    ------
    DataError
        If the back end does not run on that device, or is not installed.
    """
    if name == "auto":
        if not on_gpu:
            return "finufft"
        return "cufinufft" if _loads("cufinufft") else "sigpy"
    if name == "finufft" and on_gpu:
        raise DataError("NUFFT back end finufft runs on the CPU; use cufinufft or sigpy with device cuda")
    if name == "cufinufft" and not on_gpu:
        raise DataError("NUFFT back end cufinufft needs a GPU; set device cuda:0, or nufft finufft")
    if not _loads(name):
        raise DataError(f"NUFFT back end {name} is not installed; pip install 'malibu[gpu-cuda12]' or choose another")
    return name


def plan_nufft(trajectory: NDArray, matrix: int, backend: str = "auto") -> NufftPlan:
    """Plan the transform for a trajectory, on the device where the trajectory lies.

    Parameters
    ----------
    trajectory : (spokes, samples, 2) float32
        (kx, ky) in cycles per field of view.
    matrix : int
        Image matrix N.
    backend : {"auto", "sigpy", "finufft", "cufinufft"}
        ``auto`` is finufft on the CPU, and on the GPU cufinufft where it is installed.

    Returns
    -------
    NufftPlan
    """
    on_gpu = sigpy.get_device(trajectory).id >= 0
    resolved = choose_backend(backend, on_gpu)
    if resolved == "sigpy":
        return SigpyPlan(trajectory, matrix)
    return FinufftPlan(trajectory, matrix, resolved)


class Nufft(linop.Linop):
    """A planned NUFFT of a stack of images as a Linop.

    Parameters
    ----------
    plan : NufftPlan
    stack : tuple of int
        Leading axes: from ``(*stack, N, N)`` to ``(*stack, spokes, samples)``.
    """

    def __init__(self, plan: NufftPlan, stack: tuple[int, ...]) -> None:
        self.plan, self.stack = plan, stack
        super().__init__((*stack, *plan.data_shape), (*stack, plan.matrix, plan.matrix))

    def _apply(self, images: NDArray) -> NDArray:
        return self.plan.forward(images.reshape(-1, *images.shape[-2:])).reshape(self.oshape)

    def _adjoint_linop(self) -> linop.Linop:
        return _NufftAdjoint(self)


class _NufftAdjoint(linop.Linop):
    def __init__(self, nufft: Nufft) -> None:
        self.nufft = nufft
        super().__init__(nufft.ishape, nufft.oshape)

    def _apply(self, data: NDArray) -> NDArray:
        return self.nufft.plan.adjoint(data.reshape(-1, *data.shape[-2:])).reshape(self.oshape)

    def _adjoint_linop(self) -> linop.Linop:
        return self.nufft
