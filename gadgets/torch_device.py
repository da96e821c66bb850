"""Torch made ready: present, with its threads, on a device that it has."""

import importlib.util
import logging

import sigpy

from gadgets.errors import ParameterError

log = logging.getLogger(__name__)


def ready_torch(device: sigpy.Device, instead: str = "") -> str:
    """Set torch's threads and name the device on which networks run.

    Parameters
    ----------
    device : sigpy.Device
        Of the reconstruction.
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
    if not importlib.util.find_spec("torch"):
        raise ParameterError(f"the network needs torch, which is not installed: pip install torch{instead}")
    import torch

    from recon.threads import available_cpus

    torch.set_num_threads(available_cpus())
    if device.id >= 0 and not torch.cuda.is_available():
        log.warning("this torch has no CUDA: the network runs on the CPU")
        return "cpu"
    return "cpu" if device.id < 0 else f"cuda:{device.id}"
