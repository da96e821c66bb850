"""The one place where a device is chosen."""

import importlib.util
import logging

import sigpy

from gadgets.errors import ParameterError

log = logging.getLogger(__name__)


def choose_device(name: str) -> sigpy.Device:
    """Turn a device parameter into a SigPy device.

    Parameters
    ----------
    name : str
        ``cpu``, ``cuda:N``, or ``auto``: the first GPU where CuPy finds one, else the CPU.

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
    count = _gpu_count()
    if name == "auto":
        return sigpy.Device(0 if count else -1)
    number = int(name.partition(":")[2])
    if number >= count:
        remedy = "install malibu[gpu-cuda12] or malibu[gpu-cuda13]" if count == 0 else "choose another"
        raise ParameterError(f"device {name} is not there: CuPy finds {count} GPUs; {remedy}, or set device cpu")
    return sigpy.Device(number)


def _gpu_count() -> int:
    if not importlib.util.find_spec("cupy"):
        return 0
    import cupy

    try:
        return int(cupy.cuda.runtime.getDeviceCount())
    except cupy.cuda.runtime.CUDARuntimeError as error:
        log.info("CuPy is installed but finds no GPU: %s", error)
        return 0
