"""How well organs are outlined: per organ against known labels, as in the dissertation's table 7-5."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wilcoxon

from gadgets.cluster.needs import need_of_voxels
from gadgets.cluster.shared_work import SharedWork
from gadgets.cluster.tasks import Need
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

_VOXEL_BYTES = 580
"""Memory for each voxel at the peak: 440 were measured with 0.6 million voxels, and a third is added."""

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


Source = Callable[[], Subject]
"""A volume that is read or simulated where it is judged; found by its name there."""


def loaded_subjects(paths: Iterable[Path]) -> list[Source]:
    """Labelled volumes of files; their names are their place in the list, so that no file name enters a report."""
    return [partial(_loaded, number, path.resolve()) for number, path in enumerate(paths, start=1)]


def _loaded(number: int, path: Path) -> Subject:
    """Read a labelled volume.

    Raises
    ------
    ScanFileError
        If a file is no labelled volume.
    """
    from nets.data.organs.labelled_files import read_labelled

    try:
        volume = read_labelled(path)
    except (ValueError, OSError) as error:
        raise ScanFileError(f"{path}: {error}") from error
    image, labels = volume.voxels.numpy(), volume.labels.numpy()
    return Subject(f"volume {number}", image, labels, volume.organs, volume.spacing_mm)


def simulated_subjects(
    shape: tuple[int, int, int], spacing_mm: tuple[float, float, float], seed: int, count: int
) -> list[Source]:
    """Abdomens that are simulated."""
    return [partial(_simulated, shape, spacing_mm, number) for number in range(seed, seed + count)]


def _simulated(shape: tuple[int, int, int], spacing_mm: tuple[float, float, float], seed: int) -> Subject:
    abdomen = simulate_abdomen(seed, shape, spacing_mm)
    return Subject(f"abdomen {seed}", abdomen.image, abdomen.labels, ORGANS, spacing_mm)


@cache
def loaded_networks(weights: Path) -> "Mapping[str, OrganNetwork]":
    """Load weights where they are used, once, for one view and for the vote of three.

    Raises
    ------
    WeightsError
        If they cannot be used.
    """
    from nets.inference.organs.segmentation import OrganNetwork

    return {"one view": OrganNetwork(weights, views="one"), "three views": OrganNetwork(weights, views="three")}


def evaluate_organs(
    subjects: Sequence[Source],
    networks: "Callable[[], Mapping[str, OrganNetwork]]",
    work: SharedWork | None = None,
    voxels: Sequence[int] = (),
) -> Outlines:
    """Outline the organs of each volume by every network, and compare with the truth.

    Parameters
    ----------
    subjects : sequence of callable
        Each gives its volume, of any spacing.
    networks : callable
        Gives them by the method's name. Called where the work is done.
    work : SharedWork, optional
        Who does it; by default this process. It knows which volumes could not be judged.
    voxels : sequence of int
        Of each volume, to know what memory it needs; empty: that of the process alone.

    Returns
    -------
    Outlines
        Of the volumes that could be judged, in their order.

    Raises
    ------
    ParameterError
        If a network knows other organs than the volumes' labels.
    """
    work, result = work or SharedWork(), Outlines()

    def need(one: tuple[int, Source]) -> Need:
        return need_of_voxels(voxels[one[0] : one[0] + 1] if voxels else (0,), _VOXEL_BYTES)

    tasks = list(enumerate(subjects))
    for one in work.values(partial(_judged, networks), tasks, lambda task: f"volume {task[0] + 1}", need):
        for method, figures in one.figures.items():
            result.figures.setdefault(method, []).extend(figures)
            result.seconds.setdefault(method, []).extend(one.seconds[method])
        result.last_maps, result.last_subject = one.last_maps, one.last_subject
    return result


def _judged(networks: "Callable[[], Mapping[str, OrganNetwork]]", task: tuple[int, Source]) -> Outlines:
    """Outlines of one volume."""
    subject = task[1]()
    result = Outlines(last_subject=subject)
    grid = patient_grid(subject.labels.shape, np.zeros(3), _UPRIGHT, subject.spacing_mm)
    for method, network in networks().items():
        if network.organs != subject.organs:
            raise ParameterError(
                f"{subject.name} has labels of {', '.join(subject.organs)}; the network outlines "
                f"{', '.join(network.organs)}: give weights and volumes of one list of organs"
            )
        start = time.perf_counter()
        found = outline_organs(subject.image, grid, network.of_array, network.organs, network.spacing_mm)
        result.seconds[method] = [time.perf_counter() - start]
        judged = agreement_by_label(found.labels, subject.labels, range(1, len(network.organs)), subject.spacing_mm)
        result.figures[method] = [{network.organs[label]: figures for label, figures in judged.items()}]
        result.last_maps[method] = found.labels
    return result
