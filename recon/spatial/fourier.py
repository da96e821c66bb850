"""FFTs, products and shares of work on the device of an array: NumPy's by all threads, CuPy's on its GPU."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import scipy.fft
import sigpy
from numpy.typing import NDArray

from recon.threads import available_cpus

# OpenBLAS leaves a product of no more multiplications to the thread that asks. Larger ones it shares out among threads
# of its own, which wait for each other and, on a busy machine, took 40 times as long as this.
_SMALL_PRODUCT = 2**16


def on_gpu(array: NDArray) -> bool:
    """Whether an array lies in the memory of a GPU."""
    return bool(sigpy.get_device(array).id >= 0)


def fft(array: NDArray, axis: int, length: int | None = None, norm: str = "backward") -> NDArray:
    """Transform along one axis, zero-padded to a length; complex64 stays complex64.

    Parameters
    ----------
    array : (...) complex64
    axis : int
    length : int, optional
        By default that of the axis.
    norm : {"backward", "forward"}
        ``forward`` divides by the length, ``backward`` does not.

    Returns
    -------
    (...) complex64
    """
    if on_gpu(array):
        return sigpy.get_array_module(array).fft.fft(array, length, axis, norm).astype(array.dtype, copy=False)
    return scipy.fft.fft(array, length, axis, norm, workers=available_cpus())


def ifft(array: NDArray, axis: int, norm: str = "backward", workers: int | None = None) -> NDArray:
    """Transform back along one axis; the array is overwritten on the CPU, and complex64 stays complex64.

    Parameters
    ----------
    array : (...) complex64
    axis : int
    norm : {"backward", "forward"}
        ``backward`` divides by the length, ``forward`` does not.
    workers : int, optional
        Threads; by default one for each core.

    Returns
    -------
    (...) complex64
    """
    if on_gpu(array):
        return sigpy.get_array_module(array).fft.ifft(array, None, axis, norm).astype(array.dtype, copy=False)
    return scipy.fft.ifft(array, None, axis, norm, overwrite_x=True, workers=workers or available_cpus())


def fft2(images: NDArray, length: int | None = None) -> NDArray:
    """Transform the last two axes of ``(..., rows, columns)`` complex64, zero-padded to a length; at once on a GPU."""
    if on_gpu(images):
        shape = None if length is None else (length, length)
        return sigpy.get_array_module(images).fft.fft2(images, shape).astype(images.dtype, copy=False)
    return fft(fft(images, -1, length), -2, length)


def ifft2(images: NDArray) -> NDArray:
    """Transform the last two axes back; the images are overwritten on the CPU."""
    if on_gpu(images):
        return sigpy.get_array_module(images).fft.ifft2(images).astype(images.dtype, copy=False)
    return ifft(ifft(images, -1), -2)


def share_out(work: Callable[[Any], None], parts: Sequence[Any], array: NDArray) -> None:
    """Call a function with each part: on as many threads as there are cores, or one after the other on a GPU.

    Parameters
    ----------
    work : callable
        Writes its part of a result; what it raises is raised here.
    parts : sequence
        Cut without regard to the number of threads, so that the result does not depend on it.
    array : (...)
        Tells the device.
    """
    if on_gpu(array):
        for part in parts:
            work(part)
        return
    with ThreadPoolExecutor(available_cpus()) as pool:
        list(pool.map(work, parts))


def matmul(left: NDArray, right: NDArray, product: NDArray) -> None:
    """Multiply stacks of matrices, on a GPU at once, else in the thread that asks for it and in no other.

    Parameters
    ----------
    left : (..., m, k) complex64
    right : (..., k, n) complex64
    product : (..., m, n) complex64
        Filled; it need not be contiguous.
    """
    if on_gpu(left):
        product[...] = sigpy.get_array_module(left).matmul(left, right)
        return
    rows, inner = left.shape[-2:]
    step = max(1, _SMALL_PRODUCT // max(1, inner * right.shape[-1]))
    for start in range(0, rows, step):
        part = slice(start, start + step)
        np.matmul(left[..., part, :], right, out=product[..., part, :])
