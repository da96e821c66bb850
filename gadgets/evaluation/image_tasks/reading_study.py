"""The reading study of dissertation 5.2.5 without a reader: simulated stenoses, found by how deep they look."""

from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from gadgets.cluster.needs import need_of_voxels
from gadgets.cluster.shared_work import SharedWork
from gadgets.evaluation.restorations import ORIGINAL, VOXEL_BYTES, restorations, with_phase
from gadgets.super_resolution.parameters import SuperResolutionParameters
from recon.quality.stenosis_grades import (
    SIGNIFICANT,
    Reading,
    confusion_of_grades,
    deepest,
    grade,
    judged_reading,
    operating_points,
)
from recon.simulation.angiogram.coronary_segments import simulate_segmented_heart

PRINTED = {
    "zero-filled": (0.73, 0.70, 0.71, 0.75),
    "L1 then GAN": (0.78, 0.80, 0.80, 0.82),
}
"""Sensitivity, specificity, F1, accuracy of table 5-2, against the reading of the original: low resolution, DRAGAN."""

COLUMNS = ("sensitivity", "specificity", "F1", "accuracy")
LEGEND = (
    "A segment is read as stenosed if its narrowest cross-section seems to have lost half of the diameter, by its "
    "blood over that of the segment's wider parts. Truth: the simulated depth; printed: the dissertation's physician, "
    "table 5-2, against the reading of the original. AUC: area below the curve over all thresholds. Hearts of one "
    "simulated kind: the figures compare methods, and say nothing of patients."
)
# Voxels beyond the healthy radius within which a section's blood lies, blurred.
_BLUR = 2.0


@dataclass
class Study:
    """Depths by method, of all segments of all hearts.

    Attributes
    ----------
    true : list of float
    names : list of str
    apparent : dict of str to list of float
    """

    true: list[float] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    apparent: dict[str, list[float]] = field(default_factory=dict)

    def reading(self, method: str, against: str | None = None) -> Reading:
        """What a method's volumes show of the significant stenoses; against the truth, or another method's reading."""
        reference = np.array(self.true if against is None else self.apparent[against])
        return judged_reading(np.array(self.apparent[method]) >= SIGNIFICANT, reference >= SIGNIFICANT)

    def curve(self, method: str) -> tuple[NDArray, NDArray, float]:
        """Receiver operating characteristic against the truth, and the area below it."""
        return operating_points(np.array(self.apparent[method]), np.array(self.true) >= SIGNIFICANT)

    def grades(self, method: str) -> NDArray:
        """(4, 4) confusion of grades: row, the true one; column, the method's."""
        true, found = ([grade(depth) for depth in depths] for depths in (self.true, self.apparent[method]))
        return confusion_of_grades(np.array(found), np.array(true))

    def rows(self, against: str | None = None) -> dict[str, list[str]]:
        """Text of the figures by method."""
        found = {method: self.reading(method, against) for method in self.apparent}
        return {
            method: [f"{value:.2f}" for value in (each.sensitivity, each.specificity, each.f1, each.accuracy)]
            for method, each in found.items()
        }

    def to_json(self) -> dict[str, object]:
        """All depths, and the curves."""
        curves = {method: [part.tolist() for part in self.curve(method)[:2]] for method in self.apparent}
        grades = {method: self.grades(method).tolist() for method in self.apparent}
        return {
            "segments": self.names,
            "true": self.true,
            "apparent": self.apparent,
            "roc": curves,
            "grades": grades,
        }


def read_hearts(
    shape: tuple[int, int, int],
    seeds: range,
    factors: tuple[float, float],
    parameters: SuperResolutionParameters,
    work: SharedWork | None = None,
) -> Study:
    """Simulate hearts, cut each one's k-space, restore it by every method, and read all of its segments.

    Parameters
    ----------
    shape : (3,) tuple of int
        (z, y, x) voxels.
    seeds : range
        Of the hearts.
    factors : (2,) tuple of float
        Fewer lines along slice (z) and phase direction (y).
    parameters : SuperResolutionParameters
    work : SharedWork, optional
        Who does it; by default this process. It knows which hearts could not be read.

    Returns
    -------
    Study

    Raises
    ------
    DataError
        If the networks were trained for another acceleration, unless ``mismatch=warn``.
    """
    work, study = work or SharedWork(), Study()
    need = need_of_voxels(shape, VOXEL_BYTES, work.crew.gpus_for(parameters.device))
    read_one = partial(_read, shape, factors, parameters)
    for one in work.values(read_one, list(enumerate(seeds)), lambda task: f"heart {task[1]}", lambda task: need):
        study.true += one.true
        study.names += one.names
        for method, depths in one.apparent.items():
            study.apparent.setdefault(method, []).extend(depths)
    study.apparent[ORIGINAL] = study.apparent.pop(ORIGINAL, [])  # the reference comes last
    return study


def _read(
    shape: tuple[int, int, int],
    factors: tuple[float, float],
    parameters: SuperResolutionParameters,
    task: tuple[int, int],
) -> Study:
    """Study of one heart, by its number and its seed."""
    number, seed = task
    heart = simulate_segmented_heart(shape, seed)
    restored, _ = restorations(with_phase(heart.image, number), factors, parameters)
    names = [segment.name for segment in heart.segments]
    apparent = {
        method: [
            deepest(
                volume,
                segment.vessel.centreline,
                segment.first,
                segment.last,
                float(segment.vessel.healthy_radius[segment.first]) + _BLUR,
            )
            for segment in heart.segments
        ]
        for method, volume in restored.items()
    }
    return Study([segment.depth for segment in heart.segments], names, apparent)
