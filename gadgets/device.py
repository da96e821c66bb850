"""The one place where devices are chosen: for arrays, and for networks."""

import contextlib
import ctypes
import importlib.util
import logging
import os
from pathlib import Path

import sigpy

from gadgets.errors import ParameterError
from gadgets.gpu_seats import own_gpu
from recon.threads import available_cpus

log = logging.getLogger(__name__)


def choose_device(name: str) -> sigpy.Device:
    """Turn a device parameter into a SigPy device.

    Parameters
    ----------
    name : str
        ``cpu``, ``cuda:N``, or ``auto``: where CuPy finds GPUs, the one that the fewest processes of malibu on this
        host have (:mod:`gadgets.gpu_seats`), else the CPU.

    Returns
    -------
    sigpy.Device

    Raises
    ------
    ParameterError
        If a GPU is asked for and CuPy or the GPU is missing.
    """
    if name == "cpu":
        return sigpy.cpu_device
    count = gpu_count()
    if name == "auto":
        return sigpy.Device(own_gpu(count) if count else -1)
    number = int(name.partition(":")[2])
    if number >= count:
        remedy = "install malibu[gpu-cuda12] or malibu[gpu-cuda13]" if count == 0 else "choose another"
        raise ParameterError(f"device {name} is not there: CuPy finds {count} GPUs; {remedy}, or set device cpu")
    return sigpy.Device(number)


def gpu_count() -> int:
    """Count the GPUs that CuPy finds; 0 without CuPy."""
    if not importlib.util.find_spec("cupy"):
        return 0
    import cupy

    try:
        return int(cupy.cuda.runtime.getDeviceCount())
    except cupy.cuda.runtime.CUDARuntimeError as error:
        log.info("CuPy is installed but finds no GPU: %s", error)
        return 0


def share_gpu_memory(device: sigpy.Device, limit_gb: float | None = None) -> bool:
    """Let CuPy take a GPU's memory from torch's pool, so that one bound holds for both and neither hoards.

    Where that fails, CuPy keeps its own pool, with the bound, and the log says so.

    Parameters
    ----------
    device : sigpy.Device
    limit_gb : float, optional
        GiB that both may take together; by default all of it.

    Returns
    -------
    bool
        Whether they share.
    """
    if device.id < 0 or not importlib.util.find_spec("torch"):
        return False
    import cupy
    import torch

    if not torch.cuda.is_available():
        return False
    own = cupy.get_default_memory_pool()
    try:
        if limit_gb is not None:
            total = torch.cuda.get_device_properties(device.id).total_memory
            torch.cuda.set_per_process_memory_fraction(min(1.0, limit_gb * 2**30 / total), device.id)

        def allocate(size: int, number: int) -> int:
            return int(torch.cuda.caching_allocator_alloc(size, number, cupy.cuda.get_current_stream().ptr))

        shared = cupy.cuda.memory.PythonFunctionAllocator(allocate, torch.cuda.caching_allocator_delete)
        cupy.cuda.set_allocator(shared.malloc)
        with device:
            cupy.zeros(16).sum().item()
    except Exception as problem:  # whatever a version of either library does not offer must not cost the scan
        cupy.cuda.set_allocator(own.malloc)
        if limit_gb is not None:
            own.set_limit(size=int(limit_gb * 2**30))
        log.warning("CuPy and torch do not share the GPU's memory: %s", problem)
        return False
    return True


def memory_limit_bytes(given_gb: float | None) -> int:
    """Memory that the readouts of a scan may take: what was set, else half of the machine's or of its container's.

    Parameters
    ----------
    given_gb : float or None
        GiB.
    """
    return machine_memory_bytes() // 2 if given_gb is None else int(given_gb * 2**30)


def machine_memory_bytes() -> int:
    """Memory of the machine, or of its container."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):  # no such file, or "max"
        memory = min(memory, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return memory


def give_memory_back() -> None:
    """Return what was freed to the system: glibc keeps small pieces, 0.8 GB of a long scan's readouts."""
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def require_torch(instead: str = "") -> None:
    """Refuse to go on without torch.

    Parameters
    ----------
    instead : str
        What else the operator may do.

    Raises
    ------
    ParameterError
        If it is not installed.
    """
    if not importlib.util.find_spec("torch"):
        raise ParameterError(f"the network needs torch, which is not installed: pip install torch{instead}")


def ready_torch(device: sigpy.Device, instead: str = "") -> str:
    """Set torch's threads and name the device on which networks run.

    Parameters
    ----------
    device : sigpy.Device
        Device of the reconstruction.
    instead : str
        What else the operator may do where torch is missing.

    Returns
    -------
    str
        ``cpu`` or ``cuda:N``; ``cpu`` where this torch has no CUDA, and the log says so.

    Raises
    ------
    ParameterError
        If torch is not installed.
    """
    require_torch(instead)
    import torch

    torch.set_num_threads(available_cpus())
    if device.id >= 0 and not torch.cuda.is_available():
        log.warning("this torch has no CUDA: the network runs on the CPU")
        return "cpu"
    return device_name(device)


def device_name(device: sigpy.Device) -> str:
    """``cpu`` or ``cuda:N``."""
    return "cpu" if device.id < 0 else f"cuda:{device.id}"
