"""How good super-resolution is: measured on volumes whose originals are known, as in the dissertation's table 5-1."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gadgets.errors import ScanFileError
from gadgets.evaluation.restorations import ORIGINAL, restorations, with_phase
from gadgets.evaluation.volume_figures import ANATOMY, COLUMN_GROUPS, NATURAL, Subject, judge, statistics_of
from gadgets.super_resolution.parameters import SuperResolutionParameters
from recon.quality.anatomical_fidelity import fidelity_distance, level_weights, overlap_of_parts
from recon.quality.natural_statistics import NaturalModel
from recon.simulation.angiogram.volume import Domain, simulate_angiogram

if TYPE_CHECKING:
    from nets.inference.organs.brain_network import BrainNetwork, Compared

# Pixels of SSIM's boxes.
_SMALLEST_PLANE = 7


@dataclass
class Evaluation:
    """Figures per method and volume, and one volume to look at.

    Attributes
    ----------
    figures : dict of str to list of dict of str to float
        By method, one entry for each volume; columns that make no sense for a method are absent.
    last_volumes : dict of str to (z, y, x) float32
        The last volume by method.
    last_vessels : list of (points, 3) float64 and (points,) float64
        Centreline and radius in voxels of each known vessel of it.
    """

    figures: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    last_volumes: dict[str, NDArray] = field(default_factory=dict)
    last_vessels: list[tuple[NDArray, NDArray]] = field(default_factory=list)

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
    anatomy: "BrainNetwork | None" = None,
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
    anatomy : BrainNetwork, optional
        For heads: what sees whether their parts are still there.

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
    result, statistics = Evaluation(), dict[str, list[NDArray]]()
    compared: dict[str, list[Compared]] = {}
    for number, subject in enumerate(subjects):
        if min(subject.image.shape[:2]) < _SMALLEST_PLANE:
            size = "x".join(map(str, subject.image.shape))
            raise ScanFileError(
                f"{subject.name} has {size} voxels (z, y, x); SSIM needs {_SMALLEST_PLANE} slices and rows at least"
            )
        restored, seconds = restorations(with_phase(subject.image, number), factors, parameters)
        for method, volume in restored.items():
            figures = judge(volume, subject, method)
            if method in seconds:
                figures["seconds"] = seconds[method]
            result.figures.setdefault(method, []).append(figures)
            statistics.setdefault(method, []).append(statistics_of(volume, subject))
            if anatomy is not None:
                compared.setdefault(method, []).append(anatomy.compare(volume, subject.image))
        result.last_volumes, result.last_vessels = restored, list(subject.courses)
        progress()
    _add_naturalness(result.figures, statistics)
    if anatomy is not None:
        _add_anatomy(result.figures, compared, len(anatomy.parts))
    return result


def _add_anatomy(figures: dict[str, list[dict[str, float]]], compared: "dict[str, list[Compared]]", parts: int) -> None:
    """Distance of features, whose levels weigh alike over all originals, and overlap of parts."""
    weights = level_weights(np.array([each.magnitudes for each in compared[ORIGINAL]]))
    for method, found in compared.items():
        for row, each in zip(figures[method], found, strict=True):
            distance = fidelity_distance(each.differences, weights)
            row.update(zip(ANATOMY, (distance, *overlap_of_parts(each.found, each.true, parts)), strict=True))


def _add_naturalness(figures: dict[str, list[dict[str, float]]], statistics: dict[str, list[NDArray]]) -> None:
    """Compare each volume's statistics with those of all originals together."""
    originals = statistics.get(ORIGINAL, [])
    if sum(map(len, originals)) < 2:
        return
    model = NaturalModel.fitted(originals)
    for method, found in statistics.items():
        for row, each in zip(figures[method], found, strict=True):
            row[NATURAL] = model.distance(each)
