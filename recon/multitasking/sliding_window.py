"""One image of the present: the last spokes of a scan, more of them the farther from the centre of k-space."""

import math

import numpy as np
import sigpy
from numpy.typing import NDArray

from recon.readouts.density import ramp_weights
from recon.spatial.encoding import coil_images
from recon.spatial.nufft import plan_nufft

LEAST_SPOKES = 34
"""Of the centre: 0.24 s at TR 3.6 ms where every other readout is a navigator. A Fibonacci number: golden angles of so
many spokes are spread evenly. They are dense enough up to a radius of 11 cycles per field of view."""


def spokes_needed(matrix: int) -> int:
    """Count the last spokes that :func:`sliding_window_image` uses: dense enough at the edge of k-space, π N / 2."""
    return max(LEAST_SPOKES, math.ceil(math.pi * matrix / 2))


def sliding_window_image(kspace: NDArray, trajectory: NDArray, matrix: int, backend: str = "auto") -> NDArray:
    """Reconstruct the last moment of a golden-angle scan, coils combined by their root sum of squares.

    At radius r the last ``max(34, π r)`` spokes count, as many as Nyquist's rule asks for (Song and Dougherty, MRM
    2000): contrast and motion are those of the last 34, and only fine detail is older.

    Parameters
    ----------
    kspace : (coils, spokes, samples) complex64
        Prewhitened, the latest spoke last.
    trajectory : (spokes, samples, 2) float32
        (kx, ky) in cycles per field of view.
    matrix : int
        N.
    backend : str
        NUFFT back end; ``auto`` is one whose plan costs little, since it serves a single image.

    Returns
    -------
    (N, N) float32
        Magnitude.
    """
    xp = sigpy.get_array_module(trajectory)
    spokes = len(trajectory)
    age = xp.arange(spokes - 1, -1, -1, dtype=np.float32)[:, None]
    radius = xp.linalg.norm(trajectory, axis=-1)
    window = xp.clip(xp.ceil(np.pi * radius), min(LEAST_SPOKES, spokes), spokes)
    # the mean over the spokes of the window, written as one over all spokes
    weights = ramp_weights(trajectory) * (age < window) * (spokes / window)
    if backend == "auto":
        backend = "sigpy" if sigpy.get_device(trajectory).id >= 0 else "finufft"
    images = coil_images(plan_nufft(trajectory, matrix, backend), weights.astype(xp.float32), kspace)
    return xp.sqrt((xp.abs(images) ** 2).sum(axis=0)).astype(xp.float32)
