"""Figures of one restored volume: likeness to its original, sharpness, vessels, stenoses, and how natural it looks."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import skimage.measure
from numpy.typing import NDArray

from gadgets.evaluation.restorations import ORIGINAL
from recon.quality.angiography import vessel_figures
from recon.quality.metrics import SMALLEST_SLICE, Quality, quality, quality_by_slice
from recon.quality.natural_statistics import features
from recon.quality.stenosis import apparent_depth
from recon.simulation.angiogram.vessels import Vessel

_BY_SLICE = ("PSNR dB by slice", "SSIM by slice", "NRMSE by slice")
_OF_VESSELS = ("vessel recall", "vessel contrast", "vessel width error", "vessel sharpness")
NATURAL = "unnatural"
"""Column of what :mod:`recon.quality.natural_statistics` finds, which needs all originals."""
ANATOMY = ("M_h", "Dice of parts", "Jaccard of parts")
"""Columns of :mod:`recon.quality.anatomical_fidelity`, of heads alone, where a network that knows parts is given."""
COLUMN_GROUPS = (
    ("PSNR dB", "SSIM", "NRMSE", "seconds"),
    _BY_SLICE,
    ("blur", NATURAL, "stenosis error"),
    _OF_VESSELS,
    ANATOMY,
)
"""Figures that stand side by side."""
LEGEND = (
    "PSNR and SSIM: mean over the planes (z, y), peak the volume's 99.9th percentile, SSIM in boxes of 7x7; NRMSE: of "
    "the whole volume. By slice, as the papers print them: each plane with its own peak and norm, SSIM in a Gaussian "
    "window of 1.5 pixels; then the mean. blur: 0 sharp, 1 blurred; the original's is the aim. unnatural: distance of "
    "NIQE's statistics from those of these originals, 0 alike. Vessels, where the original shows them, along their "
    "true centrelines: recall, share of their length that still stands out; contrast and sharpness of the wall over "
    "the original's; error of the width at half of the contrast. M_h: distance of the features that malibu's own "
    "HighRes3DNet sees from the original's, each of six levels weighted alike, 0 equal (Wang 2020, equation 4; its own "
    "network is not to be had, so that numbers are not those of the paper); Dice and Jaccard of the parts that it "
    "finds in both, mean over the parts. Mean±standard deviation over volumes."
)
"""What the columns are, below the tables."""

# Over the volume's peak: darker planes are empty, but for what an interpolation leaves there.
_LEAST_SIGNAL = 0.01
# Least distance from throat to reference in centreline points, half a voxel each: 6 voxels.
_SHORTEST_REFERENCE = 12
# Planes whose statistics are taken: more tell no more.
_PLANES = 24


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

    @property
    def peak(self) -> float:
        """99.9th percentile."""
        return float(np.percentile(self.image, 99.9))

    @property
    def courses(self) -> Iterable[tuple[NDArray, NDArray]]:
        """Centreline (points, 3) and radius (points,) of each vessel, in voxels."""
        return [(vessel.centreline, vessel.radius) for vessel in self.vessels]


def judge(volume: NDArray, subject: Subject, method: str) -> dict[str, float]:
    """Figures of one volume; similarity is measured in the planes that were cut both ways (z, y), and averaged.

    Planes in which the original is empty do not count: their PSNR has no bound.

    ``blur`` is scikit-image's no-reference perceptual blur (Crete 2007): 0 sharp, 1 blurred; the original's is the aim.
    """
    planes, true = np.moveaxis(volume, 2, 0), np.moveaxis(subject.image, 2, 0)
    figures = {"blur": float(np.mean([skimage.measure.blur_effect(plane) for plane in _filled(planes)]))}
    if method != ORIGINAL:
        peak = subject.peak
        held = true.max(axis=(1, 2)) > _LEAST_SIGNAL * peak
        similar = quality(planes[held], true[held], peak)
        figures |= _named(similar)
        if min(true.shape[1:]) >= SMALLEST_SLICE:
            by_slice = _named(quality_by_slice(planes[held], true[held]))
            figures |= dict(zip(_BY_SLICE, by_slice.values(), strict=True))
    errors = [abs(apparent - depth) for depth, apparent in stenosis_depths(volume, subject.vessels)]
    if errors:
        figures["stenosis error"] = float(np.mean(errors))
    found = vessel_figures(volume, subject.image, subject.courses)
    if found:
        values = (found.recall, found.contrast, found.diameter_error, found.sharpness)
        figures |= dict(zip(_OF_VESSELS, values, strict=True))
    return figures


def statistics_of(volume: NDArray, subject: Subject) -> NDArray:
    """Natural statistics of planes (z, y) all over a volume; (patches, 36) float64."""
    planes = np.moveaxis(volume, 2, 0)
    chosen = np.unique(np.linspace(0, len(planes) - 1, _PLANES).round().astype(int))
    return features(planes[chosen], subject.peak)


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
