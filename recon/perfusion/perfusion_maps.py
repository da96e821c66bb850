"""From control and label images to maps of blood flow, stage by stage; each stage can be left out."""

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, label
from skimage.filters import threshold_otsu

from recon.errors import DataError
from recon.perfusion.asl_series import AslSeries, check_order
from recon.perfusion.motion import Movement, corrected, estimate_movement
from recon.perfusion.outliers import mean_of_kept, slices_to_keep
from recon.perfusion.quantification import cbf_of
from recon.perfusion.regression import nuisance_courses, without
from recon.stages import StageClock

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PerfusionSettings:
    """Stages of the method.

    Attributes
    ----------
    motion_correction : bool
        Register the images rigidly.
    regression : bool
        Regress residual motion, cerebrospinal fluid and the global signal out.
    outlier_cleaning : bool
        Leave slices of pairs out that differ from all others.
    """

    motion_correction: bool = True
    regression: bool = True
    outlier_cleaning: bool = True


@dataclass(frozen=True)
class PerfusionMaps:
    """What a series tells of blood flow.

    Attributes
    ----------
    control : (z, y, x) float32
        Mean of the control images.
    cbf : (z, y, x) float32
        Mean blood flow in mL/100 g/min of the pairs and slices that were kept; 0 outside of the head.
    pair_cbf : (pairs, z, y, x) float32
        Of each pair.
    kept : (pairs, z) bool
        Which slices of which pairs the mean is of.
    brain : (z, y, x) bool
    movement : Movement
    m0 : str
        What stood for proton density: ``"measured"``, or ``"control"``.
    """

    control: NDArray[np.float32]
    cbf: NDArray[np.float32]
    pair_cbf: NDArray[np.float32]
    kept: NDArray[np.bool_]
    brain: NDArray[np.bool_]
    movement: Movement
    m0: str

    @property
    def pairs(self) -> int:
        """Pairs that came."""
        return len(self.pair_cbf)

    @property
    def left_out(self) -> NDArray[np.int64]:
        """(pairs,) how many slices of each pair were left out."""
        return np.sum(~self.kept, axis=1)

    def mean_of(self, first: int, last: int) -> NDArray[np.float32]:
        """(z, y, x) mean of the kept slices of the pairs from ``first`` to before ``last``; all, where none is kept."""
        kept = self.kept[first:last]
        return mean_of_kept(self.pair_cbf[first:last], kept | ~kept.any(axis=0))


def perfusion_maps(
    series: AslSeries, settings: PerfusionSettings | None = None, clock: StageClock | None = None
) -> PerfusionMaps:
    """Compute blood flow: motion → regression → difference of neighbours → CBF of each pair → mean of what is kept.

    Parameters
    ----------
    series : AslSeries
    settings : PerfusionSettings, optional
    clock : StageClock, optional

    Returns
    -------
    PerfusionMaps

    Raises
    ------
    DataError
        If there is no head in the images, or the blood flow is negative: control and label are swapped.
    """
    settings, clock = settings or PerfusionSettings(), clock or StageClock()
    frames = series.frames
    brain = head_in(frames[series.is_control].mean(axis=0))
    movement = Movement(np.zeros((len(frames), 3)), np.zeros((len(frames), 3)))
    if settings.motion_correction:
        with clock.stage("motion"):
            movement = estimate_movement(frames, series.is_control, brain, series.voxel_mm)
            frames = corrected(frames, movement, series.voxel_mm)
    pair_cbf = _pair_cbf(series, frames, brain)
    kept = np.ones(pair_cbf.shape[:2], dtype=bool)
    if settings.outlier_cleaning:
        with clock.stage("outliers"):
            kept = slices_to_keep(pair_cbf, brain)
    if settings.regression:
        with clock.stage("regression"):
            courses = nuisance_courses(frames, series.alternation, brain, movement.courses)
            fitted = np.empty((len(frames), frames.shape[1]), dtype=bool)
            fitted[series.is_control] = fitted[~series.is_control] = kept
            frames = without(frames, series.alternation, courses, fitted)
            pair_cbf = _pair_cbf(series, frames, brain)
        if settings.outlier_cleaning:
            with clock.stage("outliers"):  # those that hid among fluctuations
                kept = slices_to_keep(pair_cbf, brain, kept)
    cbf = mean_of_kept(pair_cbf, kept)
    check_order(cbf, brain)
    measured = "control" if series.m0 is None else "measured"
    control = frames[series.is_control].mean(axis=0, dtype=np.float64).astype(np.float32)
    log.info(
        "%d pairs; largest movement %.2f mm; %d of %d slices left out",
        len(pair_cbf),
        float(movement.distance_mm.max()),
        int((~kept).sum()),
        kept.size,
    )
    return PerfusionMaps(control, cbf, pair_cbf, kept, brain, movement, measured)


def _pair_cbf(series: AslSeries, frames: NDArray, brain: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(pairs, z, y, x) blood flow of each pair; without a proton density, its own control image stands for it."""
    control, labelled = series.pairs_of(frames)
    m0 = control / series.labelling.saturation if series.m0 is None else series.m0
    return np.where(brain, cbf_of(control - labelled, m0, series.labelling), np.float32(0))


def head_in(control: NDArray) -> NDArray[np.bool_]:
    """Voxels of the largest body that is brighter than the air, its dark middle included.

    Parameters
    ----------
    control : (z, y, x) float

    Returns
    -------
    (z, y, x) bool

    Raises
    ------
    DataError
        If the images are empty.
    """
    if float(np.ptp(control)) <= 0:
        raise DataError("the control images are empty: all voxels are equal; send the magnitudes of the scan")
    bright, count = label(control > threshold_otsu(control))
    sizes = np.bincount(bright.ravel(), minlength=count + 1)[1:]
    body = bright == 1 + int(np.argmax(sizes))
    return np.stack([binary_fill_holes(plane) for plane in body])
