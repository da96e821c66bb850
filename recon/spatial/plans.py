"""Fans and NUFFT plans of the last trajectories: slices and scans of one geometry share them.

They depend on the trajectory alone. A golden-angle scan's own trajectory seldom comes again, but that of the fan's
lines does (:func:`recon.spatial.fan.fixed_lines`), and its plan takes longer to make than to use.
"""

import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import numpy as np
import sigpy
from numpy.typing import NDArray

from recon.spatial.fan import LineFan, fixed_lines, line_fan
from recon.spatial.nufft import NufftPlan, plan_nufft, plan_profiles

log = logging.getLogger(__name__)


class _Sized(Protocol):
    @property
    def nbytes(self) -> int: ...


Kept = TypeVar("Kept", bound=_Sized)


class Shelf:
    """What was made last, by key, up to a number of things and of bytes; the least recently used goes first.

    Threads may share it. What two threads ask for at once is made once, and the other one waits.

    Parameters
    ----------
    most : int
        Things kept.
    most_bytes : int
        Sum of their ``nbytes``; a thing larger than that is not kept.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self.most, self.most_bytes = most, most_bytes
        self._things: OrderedDict[tuple, Any] = OrderedDict()
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._things)

    @property
    def nbytes(self) -> int:
        """Memory of what is kept."""
        with self._lock:
            return sum(thing.nbytes for thing in self._things.values())

    def take(self, key: tuple, make: Callable[[], Kept]) -> Kept:
        """Give the thing of a key, made now if it is not kept."""
        with self._lock:
            if key not in self._things:
                self._things[key] = make()
            self._things.move_to_end(key)
            thing: Kept = self._things[key]
            while self._things and (len(self) > self.most or self.nbytes > self.most_bytes):
                self._things.popitem(last=False)
            return thing

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._things.clear()


SHELF = Shelf(most=8, most_bytes=512 * 2**20)
"""Two matrices of 160: fan and plan for the back-projection, 75 MiB, and for the Toeplitz kernel, 170 MiB."""


def digest(trajectory: NDArray) -> bytes:
    """Tell trajectories apart: 16 bytes of BLAKE2b over shape and values in host memory."""
    values = np.ascontiguousarray(trajectory, dtype=np.float32)
    return hashlib.blake2b(values.data.cast("B"), digest_size=16, salt=str(values.shape).encode()[:16]).digest()


def kept_fan(trajectory: NDArray, matrix: int) -> LineFan:
    """Fan of a trajectory, as :func:`recon.spatial.fan.line_fan` lays it out, new or kept.

    Parameters
    ----------
    trajectory : (spokes, samples, 2) float32
        In cycles per field of view, on any device.
    matrix : int

    Returns
    -------
    LineFan
    """
    on_host = sigpy.to_device(trajectory)
    return SHELF.take(("fan", digest(on_host), matrix), lambda: line_fan(on_host, matrix))


def kept_plan(trajectory: NDArray, matrix: int, backend: str, device: sigpy.Device) -> NufftPlan:
    """NUFFT plan of a trajectory on a device, new or kept.

    Parameters
    ----------
    trajectory : (spokes, samples, 2) float32
        In cycles per field of view, in host memory.
    matrix : int
    backend : str
        As for :func:`recon.spatial.nufft.plan_nufft`.
    device : sigpy.Device

    Returns
    -------
    NufftPlan
    """
    key = ("plan", digest(trajectory), matrix, backend, device.id)
    return SHELF.take(key, lambda: plan_nufft(sigpy.to_device(trajectory, device), matrix, backend))


def kept_profiles(trajectory: NDArray, profiles: NDArray, matrix: int, backend: str, device: sigpy.Device) -> NufftPlan:
    """Plan of :func:`recon.spatial.nufft.plan_profiles` on a device, new or kept.

    Parameters
    ----------
    trajectory : (lines, radii, 2) float32
    profiles : (profiles, radii) float32
        Both in host memory.
    matrix : int
    backend : str
    device : sigpy.Device

    Returns
    -------
    NufftPlan
    """

    def make() -> NufftPlan:
        lines, along = sigpy.to_device(trajectory, device), sigpy.to_device(profiles, device)
        return plan_profiles(lines, along, matrix, backend)

    key = ("profiles", digest(trajectory), digest(profiles), matrix, backend, device.id)
    return SHELF.take(key, make)


def plan_ahead(
    samples: int,
    matrix: int,
    spacing: float,
    center: float,
    backend: str = "auto",
    device: sigpy.Device = sigpy.cpu_device,
) -> None:
    """Make the plan of a golden-angle scan before it ends: the lines of straight, symmetric spokes are known.

    It is run once, so that libraries are loaded and code is compiled.

    Parameters
    ----------
    samples : int
        Of a readout, those within the image's k-space alone.
    matrix : int
        N.
    spacing : float
        Δk in cycles per field of view.
    center : float
        Sample at k = 0.
    backend : str
    device : sigpy.Device
    """
    plan = kept_plan(fixed_lines(samples, matrix, spacing, center), matrix, backend, device)
    with device:
        plan.adjoint(device.xp.zeros((1, *plan.data_shape), dtype=np.complex64))
