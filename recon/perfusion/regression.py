"""What is neither blood flow nor a still head is regressed out of the course of each voxel (`wang2012asl`).

Mean, alternation of control and label, and all that disturbs are fitted together, and what disturbs is subtracted. So a
drift, of which labels that follow their controls have more, does not pass for blood flow. Courses that were taken from
the images alternate with the labelling themselves, and are freed of that first.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

_FLUCTUATING_SHARE = 0.02
"""Of the brain's voxels: those whose course varies most are ventricles and vessels (tCompCor, `behzadi2007`)."""

_LEAST_COURSE = 1e-6
"""Relative to the signal: a smaller course is rounding, and would be scaled up to something."""

_LEAST_FREEDOM = 3
"""Images for each course below which a fit explains noise."""


@dataclass(frozen=True)
class Nuisance:
    """Courses over the images of what disturbs.

    Attributes
    ----------
    drift : (t, 2) float64
    motion : (t, n) float64
    seen : (t, 2) float64
        Cerebrospinal fluid and the whole brain as the images show them, relative to their means: with the labelling.
    """

    drift: NDArray[np.float64]
    motion: NDArray[np.float64]
    seen: NDArray[np.float64]

    def of(self, used: NDArray[np.bool_], alternation: NDArray) -> NDArray[np.float64]:
        """(used images, courses) of unit size; few images leave no room for motion."""
        drift, labelling = self.drift[used], alternation[used]
        basis = np.column_stack([labelling, np.ones(len(drift)), drift])
        seen = self.seen[used]
        free = seen - labelling[:, None] * np.linalg.lstsq(basis, seen, rcond=None)[0][:1]
        found = np.column_stack([drift, free])
        few = len(drift) < _LEAST_FREEDOM * (2 + found.shape[1] + self.motion.shape[1])
        return _unit(found if few else np.column_stack([found, self.motion[used]]))


def nuisance_courses(frames: NDArray, alternation: NDArray, brain: NDArray[np.bool_], movement: NDArray) -> Nuisance:
    """Courses of drift, of motion, of cerebrospinal fluid and of the whole brain.

    No segmentation is at hand on a scanner: for the fluid stand the voxels that fluctuate most. Medians are taken of
    voxels and slices, so that a slice that was lost once disturbs no other.

    Parameters
    ----------
    frames : (t, z, y, x) float32
    alternation : (t,) float64
    brain : (z, y, x) bool
    movement : (t, n) float64
        Shifts and turns.

    Returns
    -------
    Nuisance
    """
    inner = binary_erosion(brain)
    inner = inner if inner.any() else brain
    voxels = frames[:, inner].astype(np.float64)
    relative = voxels / np.maximum(voxels.mean(axis=0), 1e-30) - 1
    spread = relative[alternation > 0].std(axis=0) + relative[alternation < 0].std(axis=0)
    fluid = np.median(relative[:, spread >= np.quantile(spread, 1 - _FLUCTUATING_SHARE)], axis=1)
    slices = np.nonzero(inner)[0]
    whole = np.median([relative[:, slices == z].mean(axis=1) for z in np.unique(slices)], axis=0)
    time = np.linspace(-1, 1, len(frames))
    return Nuisance(np.column_stack([time, time**2]), movement, np.column_stack([fluid, whole]))


def without(
    frames: NDArray, alternation: NDArray, courses: Nuisance, kept: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    """Regress courses out of each voxel; its mean stays, and so does what alternates with the labelling alone.

    A slice of which too few images are kept stays as it is.

    Parameters
    ----------
    frames : (t, z, y, x) float32
    alternation : (t,) float64
    courses : Nuisance
    kept : (t, z) bool, optional
        Slices of images that are fitted; the others are outliers. Default: all.

    Returns
    -------
    (t, z, y, x) float32
    """
    cleaned = np.array(frames, dtype=np.float32)
    for z in range(frames.shape[1]):
        used = np.ones(len(frames), dtype=bool) if kept is None else kept[:, z]
        disturbing = courses.of(used, alternation)
        design = np.column_stack([np.ones(len(disturbing)), alternation[used], disturbing])
        if len(design) < _LEAST_FREEDOM * design.shape[1]:
            continue
        voxels = frames[used, z].reshape(len(design), -1).astype(np.float64)
        weights = np.linalg.lstsq(design, voxels, rcond=1e-6)[0]
        cleaned[used, z] -= (disturbing @ weights[2:]).reshape(-1, *frames.shape[2:])
    return cleaned


def _unit(courses: NDArray) -> NDArray[np.float64]:
    """Courses of mean zero and unit size, without those that are rounding."""
    varying = courses - courses.mean(axis=0)
    size = np.sqrt(np.mean(varying**2, axis=0))
    return varying[:, size > _LEAST_COURSE] / size[size > _LEAST_COURSE]
