"""How well organs are outlined: per organ against known labels, as in the dissertation's table 7-5."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wilcoxon

from gadgets.errors import ParameterError, ScanFileError
from recon.organs.outlining import outline_organs
from recon.organs.patient_grid import patient_grid
from recon.quality.label_agreement import LabelAgreement, agreement_by_label
from recon.simulation.abdomen.organ_labels import ORGANS
from recon.simulation.abdomen.subject import simulate_abdomen

if TYPE_CHECKING:
    from nets.inference.organs.segmentation import OrganNetwork

MEAN = "mean"
"""Row of the mean over the organs."""

COLUMNS = {
    "Dice": "dice",
    "Jaccard": "jaccard",
    "MSD mm": "mean_surface_distance_mm",
    "95HD mm": "hausdorff95_mm",
}
"""Figure by column."""

LEGEND = (
    "Mean±standard deviation over volumes. MSD: mean distance of both surfaces; 95HD: within so far of the other "
    "surface lie 95 % of each. A missed organ has Dice and Jaccard 0 and no distance: missed counts them; an organ "
    "that is in neither label map does not count. mean: of each volume's organs, then over volumes."
)

_FEWEST_PAIRS = 6
"""Volumes below which the two-sided signed-rank test cannot get below p = 0.05: 2 / 2⁵ is more."""

_UPRIGHT = np.eye(3)[::-1]
"""Slices to the head, rows to the back, columns to the left."""


@dataclass(frozen=True)
class Subject:
    """A volume with its true labels; axes point to the head, the back and the patient's left.

    Attributes
    ----------
    name : str
    image : (z, y, x) float32
    labels : (z, y, x) uint8
    organs : tuple of str
        Name by label.
    spacing_mm : (3,) tuple of float
    """

    name: str
    image: NDArray
    labels: NDArray
    organs: tuple[str, ...]
    spacing_mm: tuple[float, float, float]


@dataclass
class Outlines:
    """Figures by method, of each volume.

    Attributes
    ----------
    figures : dict of str to list of dict of str to LabelAgreement
        By method, volume and organ.
    seconds : dict of str to list of float
        That a volume took, resampling included.
    last_subject : Subject or None
    last_maps : dict of str to (z, y, x) uint8
        Labels of the last subject by method.
    """

    figures: dict[str, list[dict[str, LabelAgreement]]] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    last_subject: Subject | None = None
    last_maps: dict[str, NDArray] = field(default_factory=dict)

    def rows(self, method: str) -> dict[str, dict[str, str]]:
        """Text by organ and column."""
        volumes = self.figures[method]
        table = {}
        for organ in volumes[0]:
            found = {column: self._of(method, organ, name) for column, name in COLUMNS.items()}
            missed = int(np.isinf(found["MSD mm"]).sum())
            table[organ] = {column: _spread(values, column) for column, values in found.items()}
            table[organ]["missed"] = str(missed) if missed else ""
        table[MEAN] = {column: _spread(self.means(method, column), column) for column in COLUMNS} | {"missed": ""}
        return table

    def _of(self, method: str, organ: str, name: str) -> NDArray:
        return np.array([getattr(volume[organ], name) for volume in self.figures[method]])

    def means(self, method: str, column: str = "Dice") -> NDArray:
        """(volumes,) mean over each volume's organs that can be judged."""
        values = np.array([self._of(method, organ, COLUMNS[column]) for organ in self.figures[method][0]])
        known = np.isfinite(values)
        sums, counts = np.where(known, values, 0).sum(axis=0), known.sum(axis=0)
        return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)

    def significance(self, first: str, second: str) -> float | None:
        """Two-sided p that two methods have the same Dice: signed ranks of paired volumes; None for too few."""
        differences = self.means(first) - self.means(second)
        if len(differences) < _FEWEST_PAIRS or not differences.any():
            return None
        return float(wilcoxon(differences).pvalue)

    def to_json(self) -> dict[str, object]:
        """All figures; infinite distances and those that make no sense as texts."""
        return {
            method: {
                "seconds": self.seconds[method],
                "volumes": [{organ: _plain(each) for organ, each in volume.items()} for volume in volumes],
            }
            for method, volumes in self.figures.items()
        }


def _plain(found: LabelAgreement) -> dict[str, float | str]:
    return {name: value if np.isfinite(value) else str(value) for name, value in vars(found).items()}


def _spread(values: NDArray, column: str) -> str:
    known = values[np.isfinite(values)]
    if not len(known):
        return "-"
    digits = 2 if column.endswith("mm") else 3
    mean = f"{known.mean():.{digits}f}"
    return f"{mean}±{known.std():.{digits}f}" if len(known) > 1 else mean


def loaded_subjects(paths: Iterable[Path]) -> Iterator[Subject]:
    """Read labelled volumes; their names are their place in the list, so that no file name enters a report.

    Raises
    ------
    ScanFileError
        If a file is no labelled volume.
    """
    from nets.data.organs.labelled_files import read_labelled

    for number, path in enumerate(paths, start=1):
        try:
            volume = read_labelled(path)
        except (ValueError, OSError) as error:
            raise ScanFileError(f"{path}: {error}") from error
        image, labels = volume.voxels.numpy(), volume.labels.numpy()
        yield Subject(f"volume {number}", image, labels, volume.organs, volume.spacing_mm)


def simulated_subjects(
    shape: tuple[int, int, int], spacing_mm: tuple[float, float, float], seed: int, count: int
) -> Iterator[Subject]:
    """Simulate abdomens."""
    for number in range(seed, seed + count):
        abdomen = simulate_abdomen(number, shape, spacing_mm)
        yield Subject(f"abdomen {number}", abdomen.image, abdomen.labels, ORGANS, spacing_mm)


def evaluate_organs(
    subjects: Iterable[Subject],
    networks: Mapping[str, "OrganNetwork"],
    progress: Callable[[], None] = lambda: None,
) -> Outlines:
    """Outline the organs of each volume by every network, and compare with the truth.

    Parameters
    ----------
    subjects : iterable of Subject
        Of any spacing.
    networks : mapping of str to OrganNetwork
        By the method's name.
    progress : callable
        Called after each volume.

    Returns
    -------
    Outlines

    Raises
    ------
    ParameterError
        If a network knows other organs than a volume's labels.
    """
    result = Outlines()
    for subject in subjects:
        grid = patient_grid(subject.labels.shape, np.zeros(3), _UPRIGHT, subject.spacing_mm)
        for method, network in networks.items():
            if network.organs != subject.organs:
                raise ParameterError(
                    f"{subject.name} has labels of {', '.join(subject.organs)}; the network outlines "
                    f"{', '.join(network.organs)}: give weights and volumes of one list of organs"
                )
            start = time.perf_counter()
            found = outline_organs(subject.image, grid, network.of_array, network.organs, network.spacing_mm)
            result.seconds.setdefault(method, []).append(time.perf_counter() - start)
            judged = agreement_by_label(found.labels, subject.labels, range(1, len(network.organs)), subject.spacing_mm)
            by_organ = {network.organs[label]: figures for label, figures in judged.items()}
            result.figures.setdefault(method, []).append(by_organ)
            result.last_maps[method] = found.labels
        result.last_subject = subject
        progress()
    return result
