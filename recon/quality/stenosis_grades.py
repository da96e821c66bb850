"""A reader's stand-in: stenoses graded by how deep they look, and what the grades are worth against the truth.

Dissertation 5.2.5 and table 5-2 have a physician grade eight segments for stenoses of at least half of the diameter.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recon.quality.stenosis import blood_in_section

SIGNIFICANT = 0.5
"""Share of the diameter from which on a stenosis is significant."""
GRADES = (0.4, SIGNIFICANT, 0.6)
"""Depths from which on grades are 2, 3 and 4: borderline within a tenth of the diameter; malibu's own choice."""

# Points between cross-sections, a voxel; and what a stretch of healthy vessel is as wide as: most of it is healthy.
_EVERY, _HEALTHY = 2, 75


def deepest(volume: NDArray, centreline: NDArray, first: int, last: int, reach: float) -> float:
    """How much of the diameter a segment seems to lose at its narrowest place.

    Parameters
    ----------
    volume : (z, y, x) float32
    centreline : (points, 3) float64
        (z, y, x) in voxels.
    first, last : int
        The segment's points.
    reach : float
        Radius in voxels within which the lumen and its blur lie.

    Returns
    -------
    float
        0 to 1; 1 also where no blood is to be seen.
    """
    places = range(first + _EVERY, last - _EVERY + 1, _EVERY)
    areas = np.array([blood_in_section(volume, centreline, point, reach) for point in places])
    even = np.array([np.median(areas[max(0, at - 1) : at + 2]) for at in range(len(areas))])  # one noisy place is none
    healthy = float(np.percentile(even, _HEALTHY))
    if healthy <= 0:
        return 1.0
    return float(1 - np.sqrt(min(max(float(even.min()), 0.0) / healthy, 1.0)))


def grade(depth: float) -> int:
    """1: absent, 2: borderline towards absent, 3: borderline towards present, 4: present."""
    return 1 + int(np.searchsorted(GRADES, depth, side="right"))


@dataclass(frozen=True)
class Reading:
    """What a reading finds of what is there; not a number where nothing is to be found.

    Attributes
    ----------
    sensitivity, specificity, f1, accuracy : float
    confusion : (2, 2) int64
        Row: not there, there; column: not found, found.
    """

    sensitivity: float
    specificity: float
    f1: float
    accuracy: float
    confusion: NDArray


def judged_reading(found: NDArray, true: NDArray) -> Reading:
    """Count what was found.

    Parameters
    ----------
    found, true : (segments,) bool

    Returns
    -------
    Reading
    """
    confusion = np.zeros((2, 2), dtype=np.int64)
    np.add.at(confusion, (true.astype(int), found.astype(int)), 1)
    (right_no, wrong_yes), (wrong_no, right_yes) = confusion
    return Reading(
        _share(right_yes, right_yes + wrong_no),
        _share(right_no, right_no + wrong_yes),
        _share(2 * right_yes, 2 * right_yes + wrong_yes + wrong_no),
        _share(right_yes + right_no, confusion.sum()),
        confusion,
    )


def _share(part: int, whole: int) -> float:
    return float(part / whole) if whole else float("nan")


def confusion_of_grades(found: NDArray, true: NDArray) -> NDArray:
    """(4, 4) int64 number of segments by the true grade (row) and the found one (column), each from 1 to 4."""
    counts = np.zeros((4, 4), dtype=np.int64)
    np.add.at(counts, (np.asarray(true) - 1, np.asarray(found) - 1), 1)
    return counts


def operating_points(depths: NDArray, true: NDArray) -> tuple[NDArray, NDArray, float]:
    """Receiver operating characteristic over all thresholds on the depth.

    Parameters
    ----------
    depths : (segments,) float
        Apparent ones.
    true : (segments,) bool
        Whether the stenosis is significant.

    Returns
    -------
    (n,) float64, (n,) float64
        1 − specificity and sensitivity, from (0, 0) to (1, 1).
    float
        Area below; not a number if there are only significant ones, or none.
    """
    positives, negatives = int(true.sum()), int((~true).sum())
    if not positives or not negatives:
        return np.array([0.0, 1.0]), np.array([0.0, 1.0]), float("nan")
    thresholds = np.unique(depths)[::-1]
    found = depths[None] >= thresholds[:, None]
    false = np.concatenate([[0.0], (found & ~true).sum(axis=1) / negatives])
    hits = np.concatenate([[0.0], (found & true).sum(axis=1) / positives])
    return false, hits, float(np.sum(np.diff(false) * (hits[1:] + hits[:-1]) / 2))
