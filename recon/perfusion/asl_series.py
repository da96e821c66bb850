"""A series of control and label images as arrays: checked, and paired."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recon.errors import DataError
from recon.perfusion.quantification import Labelling

SWAPPED = "set order the other way round (control_first or label_first)"
"""Remedy for a series whose labels were taken for controls."""

_BRIGHT_PERCENTILE = 90
"""Of the mean size: voxels above it lie in the head, even where the head fills a fifth of the volume."""

_NEGATIVE_SHARE = 0.01
"""Of the values in bright voxels. Noise of two fifths of the signal makes so many of real images negative; of
differences of control and label, which are smaller than their noise, a third are."""


@dataclass(frozen=True)
class AslSeries:
    """Control and label images of one scan, in the order in which they were measured.

    Attributes
    ----------
    frames : (t, z, y, x) float32
        Magnitudes on one scale; slices along the slice direction.
    is_control : (t,) bool
    labelling : Labelling
    voxel_mm : (3,) tuple of float
        Distance of the voxels along z, y, x.
    m0 : (z, y, x) float32, or None
        Proton density, of a scan of its own; None: the control image of each pair stands for it.

    Raises
    ------
    DataError
        If the images make no pairs, are not finite, are differences already, or do not fit the proton density.
    """

    frames: NDArray[np.float32]
    is_control: NDArray[np.bool_]
    labelling: Labelling
    voxel_mm: tuple[float, float, float]
    m0: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        controls, count = int(self.is_control.sum()), len(self.frames)
        if 2 * controls != count or not count:
            raise DataError(
                f"{count} images, {controls} control and {count - controls} label, make no pairs; send as many label "
                "as control images (leave out an image whose partner was not measured, or a proton density)"
            )
        bad = int(np.count_nonzero(~np.isfinite(self.frames)))
        if bad:
            frame = int(np.argmax(~np.isfinite(self.frames).all(axis=(1, 2, 3)))) + 1
            raise DataError(f"{bad} voxels are NaN or Inf, the first of them in image {frame}; mend them upstream")
        _check_not_subtracted(self.frames)
        if self.m0 is not None and self.m0.shape != self.frames.shape[1:]:
            raise DataError(
                f"the proton density has {self.m0.shape} voxels (z, y, x), the series {self.frames.shape[1:]}; "
                "measure both at one matrix"
            )
        if self.m0 is not None and not np.isfinite(self.m0).all():
            raise DataError("the proton density holds voxels that are NaN or Inf; mend them upstream")

    @property
    def alternation(self) -> NDArray[np.float64]:
        """(t,) +½ for control, -½ for label: the course that labelling gives a voxel, apart from its size."""
        return np.where(self.is_control, 0.5, -0.5)

    def pairs_of(self, values: NDArray) -> tuple[NDArray, NDArray]:
        """Split what is known of each frame into controls and labels, the n-th of each a pair.

        Parameters
        ----------
        values : (t, ...) array

        Returns
        -------
        (t/2, ...) array, (t/2, ...) array
        """
        return values[self.is_control], values[~self.is_control]

    def first(self, pairs: int) -> "AslSeries":
        """The series of its first pairs alone."""
        chosen = np.zeros(len(self.frames), dtype=bool)
        for which in (self.is_control, ~self.is_control):
            chosen[np.flatnonzero(which)[:pairs]] = True
        return AslSeries(self.frames[chosen], self.is_control[chosen], self.labelling, self.voxel_mm, self.m0)


def _check_not_subtracted(frames: NDArray[np.float32]) -> None:
    """Refuse images that are differences of control and label: their differences would be taken once more."""
    size = np.abs(frames).mean(axis=0)
    negative = float((frames[:, size >= np.percentile(size, _BRIGHT_PERCENTILE)] < 0).mean())
    if negative > _NEGATIVE_SHARE:
        raise DataError(
            f"{100 * negative:.0f} % of the values in the brightest voxels are negative: these are differences of "
            "control and label, not the images themselves; send those, before anything is subtracted"
        )


def check_order(mean_cbf: NDArray, brain: NDArray[np.bool_]) -> None:
    """Refuse a series whose mean blood flow of the brain is not positive.

    Parameters
    ----------
    mean_cbf : (z, y, x) float32
    brain : (z, y, x) bool

    Raises
    ------
    DataError
    """
    mean = float(mean_cbf[brain].mean()) if brain.any() else 0.0
    if mean <= 0:
        raise DataError(
            f"the mean blood flow of the brain is {mean:.3g} mL/100 g/min, which cannot be: control and label are "
            f"swapped, {SWAPPED}; or the labelling failed"
        )
