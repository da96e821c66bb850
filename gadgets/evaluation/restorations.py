"""A volume by every method: cut in k-space, interpolated, and restored by the networks, with and without the data."""

import time

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from gadgets.device import choose_device
from gadgets.super_resolution.acceleration import check_trained_for, trained_mark
from gadgets.super_resolution.network import load_restorer
from gadgets.super_resolution.parameters import SuperResolutionParameters
from recon.cartesian import centre_mask, centre_region, lines_measured, put_back_measured, to_image, to_kspace, truncate

ORIGINAL = "original"
"""Name of the reference among the methods."""

VOXEL_BYTES = 370
"""Memory for each voxel of a volume that is restored and judged: 190 to 270 were measured with 0.8 and 1.6 million
voxels, and a third is added.
"""


def with_phase(image: NDArray, seed: int) -> NDArray:
    """Give a magnitude the smooth phase of a scan; (z, y, x) complex64."""
    import torch

    from nets.data.degradation import smooth_phase

    z, y, x = image.shape
    return image * smooth_phase((z, y, x), torch.Generator().manual_seed(seed)).numpy()


def restorations(
    image: NDArray, factors: tuple[float, float], parameters: SuperResolutionParameters
) -> tuple[dict[str, NDArray], dict[str, float]]:
    """Every method's volume, and the networks' seconds.

    Parameters
    ----------
    image : (z, y, x) complex64 or float32
    factors : (2,) tuple of float
    parameters : SuperResolutionParameters

    Returns
    -------
    dict of str to (z, y, x) float32, dict of str to float
        Names of networks that were trained for another acceleration say so.

    Raises
    ------
    DataError
        If they were, unless ``mismatch=warn``.
    """
    network = load_restorer(parameters, choose_device(parameters.device))
    if parameters.mismatch == "error":
        check_trained_for(factors, network.factors)
    lines = (
        *(lines_measured(size, factor) for size, factor in zip(image.shape, factors, strict=False)),
        image.shape[2],
    )
    truncated = to_image(truncate(to_kspace(image), lines))
    zero_filled = np.abs(truncated).astype(np.float32)
    low = _low_resolution(image, lines)
    volumes = {
        "nearest": _interpolated(low, image.shape, 0),
        "zero-filled": zero_filled,
        "bicubic": _interpolated(low, image.shape, 3),
    }
    start, seconds = time.perf_counter(), {}
    stages = network(zero_filled)
    elapsed = time.perf_counter() - start
    mark = trained_mark(factors, network.factors)
    names = [f"{name}{mark}" for name in ("L1", "L1 then GAN")[: len(stages)]]
    volumes |= dict(zip(names, stages, strict=True))
    seconds[names[-1]] = elapsed
    measured = centre_mask(image.shape, lines)
    volumes[f"{names[-1]}, data consistent"] = put_back_measured(volumes[names[-1]], truncated, measured)
    return volumes | {ORIGINAL: np.abs(image)}, seconds


def _low_resolution(image: NDArray, lines: tuple[int, ...]) -> NDArray:
    z, y, x = centre_region(image.shape, lines)
    gain = np.sqrt(image.size / np.prod(lines))
    return np.abs(to_image(to_kspace(image)[z, y, x])).astype(np.float32) / np.float32(gain)


def _interpolated(low: NDArray, shape: tuple[int, ...], order: int) -> NDArray:
    """Interpolate the small image; voxel n // 2 stays where it is, as in a Fourier transform."""
    axes = [(np.arange(full) - full // 2) * (n / full) + n // 2 for full, n in zip(shape, low.shape, strict=True)]
    grid = np.meshgrid(*axes, indexing="ij")
    return map_coordinates(low, grid, order=order, mode="grid-wrap").astype(np.float32)
