"""How good super-resolution is: measured on volumes whose originals are known, as in the dissertation's table 5-1."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import skimage.measure
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from gadgets.device import choose_device
from gadgets.errors import ScanFileError
from gadgets.super_resolution.acceleration import check_trained_for, trained_mark
from gadgets.super_resolution.network import load_restorer
from gadgets.super_resolution.parameters import SuperResolutionParameters
from recon.cartesian import centre_mask, centre_region, lines_measured, put_back_measured, to_image, to_kspace, truncate
from recon.quality.metrics import SMALLEST_SLICE, Quality, quality, quality_by_slice
from recon.quality.stenosis import apparent_depth
from recon.simulation.angiogram.vessels import Vessel
from recon.simulation.angiogram.volume import Domain, simulate_angiogram

log = logging.getLogger(__name__)

_BY_SLICE = ("PSNR dB by slice", "SSIM by slice", "NRMSE by slice")
COLUMN_GROUPS = (("PSNR dB", "SSIM", "NRMSE", "seconds"), _BY_SLICE, ("blur", "stenosis error"))
"""Figures that stand side by side."""
LEGEND = (
    "PSNR and SSIM: mean over the planes (z, y), peak the volume's 99.9th percentile, SSIM in boxes of 7x7; NRMSE: of "
    "the whole volume. By slice, as the papers print them: each plane with its own peak and norm, SSIM in a Gaussian "
    "window of 1.5 pixels; then the mean. blur: 0 sharp, 1 blurred; the original's is the aim. Mean±standard deviation "
    "over volumes."
)
"""What the columns are, below the tables."""
ORIGINAL = "original"
"""Name of the reference among the methods."""

# Over the volume's peak: darker planes are empty, but for what an interpolation leaves there. Pixels of SSIM's boxes.
_LEAST_SIGNAL, _SMALLEST_PLANE = 0.01, 7
# Least distance from throat to reference in centreline points, half a voxel each: 6 voxels.
_SHORTEST_REFERENCE = 12


@dataclass(frozen=True)
class Subject:
    """A volume at full resolution.

    Attributes
    ----------
    name : str
    image : (z, y, x) float32
    vessels : list of Vessel
        Where they are known.
    """

    name: str
    image: NDArray
    vessels: list[Vessel] = field(default_factory=list)


@dataclass
class Evaluation:
    """Figures per method and volume, and one volume to look at.

    Attributes
    ----------
    figures : dict of str to list of dict of str to float
        By method, one entry for each volume; columns that make no sense for a method are absent.
    last_volumes : dict of str to (z, y, x) float32
        The last volume by method.
    """

    figures: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    last_volumes: dict[str, NDArray] = field(default_factory=dict)

    def summary(self) -> dict[str, dict[str, str]]:
        """Mean ± standard deviation over the volumes."""
        return {
            method: {
                name: _spread([row[name] for row in rows if name in row], name)
                for group in COLUMN_GROUPS
                for name in group
            }
            for method, rows in self.figures.items()
        }

    def to_json(self) -> dict[str, list[dict[str, float]]]:
        """All figures."""
        return self.figures


def _spread(values: list[float], name: str) -> str:
    known = [value for value in values if np.isfinite(value)]
    if not known:
        return "-"
    digits = 2 if name.startswith(("PSNR", "seconds")) else 4
    mean = f"{np.mean(known):.{digits}f}"
    return f"{mean}±{np.std(known):.{digits}f}" if len(known) > 1 else mean


def loaded_subjects(paths: Iterable[Path]) -> Iterator[Subject]:
    """Read volumes; their names are their place in the list, so that no file name enters a report.

    Raises
    ------
    ScanFileError
        If a file is no volume, or an empty one.
    """
    from nets.data.volume_files import read_magnitude

    for number, path in enumerate(paths, start=1):
        try:
            image = read_magnitude(path).voxels.numpy()
        except (ValueError, OSError) as error:
            raise ScanFileError(f"{path}: {error}") from error
        if not image.any():
            raise ScanFileError(f"{path}: all voxels are zero; there is nothing to compare")
        yield Subject(f"volume {number}", image)


def simulated_subjects(domain: Domain, shape: tuple[int, int, int], seed: int, count: int) -> Iterator[Subject]:
    """Simulate subjects with known vessels."""
    for number in range(seed, seed + count):
        angiogram = simulate_angiogram(domain, shape, number)
        yield Subject(f"{domain} {number}", angiogram.image, angiogram.vessels)


def evaluate_volumes(
    subjects: Iterable[Subject],
    factors: tuple[float, float],
    parameters: SuperResolutionParameters,
    progress: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Cut each volume's k-space, restore it by every method, and compare with the original.

    Each volume first gets a smooth phase: the k-space of a magnitude image is symmetric, that of a scan is not.

    Parameters
    ----------
    subjects : iterable of Subject
    factors : (2,) tuple of float
        Fewer lines along slice (z) and phase direction (y).
    parameters : SuperResolutionParameters
    progress : callable
        Called after each volume.

    Returns
    -------
    Evaluation

    Raises
    ------
    ScanFileError
        If a volume is too thin for SSIM.
    DataError
        If the networks were trained for another acceleration, unless ``mismatch=warn``.
    """
    result = Evaluation()
    for number, subject in enumerate(subjects):
        if min(subject.image.shape[:2]) < _SMALLEST_PLANE:
            size = "x".join(map(str, subject.image.shape))
            raise ScanFileError(
                f"{subject.name} has {size} voxels (z, y, x); SSIM needs {_SMALLEST_PLANE} slices and rows at least"
            )
        restored, seconds = restorations(_with_phase(subject.image, number), factors, parameters)
        for method, volume in restored.items():
            figures = judge(volume, subject, method)
            if method in seconds:
                figures["seconds"] = seconds[method]
            result.figures.setdefault(method, []).append(figures)
        result.last_volumes = restored
        progress()
    return result


def _with_phase(image: NDArray, seed: int) -> NDArray:
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


def judge(volume: NDArray, subject: Subject, method: str) -> dict[str, float]:
    """Figures of one volume; similarity is measured in the planes that were cut both ways (z, y), and averaged.

    Planes in which the original is empty do not count: their PSNR has no bound.

    ``blur`` is scikit-image's no-reference perceptual blur (Crete 2007): 0 sharp, 1 blurred; the original's is the aim.
    """
    planes, true = np.moveaxis(volume, 2, 0), np.moveaxis(subject.image, 2, 0)
    figures = {"blur": float(np.mean([skimage.measure.blur_effect(plane) for plane in _filled(planes)]))}
    if method != ORIGINAL:
        peak = float(np.percentile(true, 99.9))
        held = true.max(axis=(1, 2)) > _LEAST_SIGNAL * peak
        similar = quality(planes[held], true[held], peak)
        figures |= _named(similar)
        if min(true.shape[1:]) >= SMALLEST_SLICE:
            by_slice = _named(quality_by_slice(planes[held], true[held]))
            figures |= dict(zip(_BY_SLICE, by_slice.values(), strict=True))
    errors = [abs(apparent - depth) for depth, apparent in stenosis_depths(volume, subject.vessels)]
    if errors:
        figures["stenosis error"] = float(np.mean(errors))
    return figures


def _named(found: Quality) -> dict[str, float]:
    return {"PSNR dB": found.psnr_db, "SSIM": found.ssim, "NRMSE": found.nrmse}


def _filled(planes: NDArray) -> NDArray:
    energy = planes.std(axis=(1, 2))
    return planes[energy > 0.1 * energy.max()]


def stenosis_depths(volume: NDArray, vessels: list[Vessel]) -> list[tuple[float, float]]:
    """True and apparent depth of every stenosis whose surroundings lie inside the volume.

    The true depth is that between the same two points of the simulated vessel.
    """
    depths = []
    for vessel in vessels:
        for stenosis in vessel.stenoses:
            away = max(_SHORTEST_REFERENCE, round(8 * stenosis.width))
            reference = stenosis.point - away if stenosis.point >= away else stenosis.point + away
            if reference >= len(vessel.centreline):
                continue
            reach = float(vessel.healthy_radius[stenosis.point] + 3)
            ends = vessel.centreline[[stenosis.point, reference]]
            if (ends < reach + 1).any() or (ends > np.array(volume.shape) - reach - 2).any():
                continue
            true = 1 - vessel.radius[stenosis.point] / vessel.radius[reference]
            apparent = apparent_depth(volume, vessel.centreline, stenosis.point, reference, reach)
            if np.isfinite(apparent):
                depths.append((float(true), apparent))
    return depths
