"""How good super-resolution is: measured on volumes whose originals are known, as in the dissertation's table 5-1."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gadgets.cluster.needs import need_of_voxels
from gadgets.cluster.shared_work import SharedWork
from gadgets.cluster.tasks import Need
from gadgets.errors import ScanFileError
from gadgets.evaluation.restorations import ORIGINAL, VOXEL_BYTES, restorations, with_phase
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


Source = Callable[[], Subject]
"""A volume that is read or simulated where it is judged; found by its name there."""


def loaded_subjects(paths: Iterable[Path]) -> list[Source]:
    """Volumes of files; their names are their place in the list, so that no file name enters a report."""
    return [partial(_loaded, number, path.resolve()) for number, path in enumerate(paths, start=1)]


def _loaded(number: int, path: Path) -> Subject:
    """Read a volume.

    Raises
    ------
    ScanFileError
        If a file is no volume, or an empty one.
    """
    from nets.data.volume_files import read_magnitude

    try:
        image = read_magnitude(path).voxels.numpy()
    except (ValueError, OSError) as error:
        raise ScanFileError(f"{path}: {error}") from error
    if not image.any():
        raise ScanFileError(f"{path}: all voxels are zero; there is nothing to compare")
    return Subject(f"volume {number}", image)


def simulated_subjects(domain: Domain, shape: tuple[int, int, int], seed: int, count: int) -> list[Source]:
    """Subjects that are simulated, with known vessels."""
    return [partial(_simulated, domain, shape, number) for number in range(seed, seed + count)]


def _simulated(domain: Domain, shape: tuple[int, int, int], seed: int) -> Subject:
    angiogram = simulate_angiogram(domain, shape, seed)
    return Subject(f"{domain} {seed}", angiogram.image, angiogram.vessels)


@cache
def loaded_anatomy(weights: str) -> "BrainNetwork":
    """Load what knows the parts of a head, where it is used, once.

    Parameters
    ----------
    weights : str
        A file, or the name of shipped ones.

    Raises
    ------
    WeightsError
        If they cannot be used.
    """
    from nets.inference.organs.brain_network import BrainNetwork
    from nets.weights import weights_path

    return BrainNetwork(weights_path(weights))


@dataclass(frozen=True)
class _Judged:
    """What is known of one volume, by method; statistics and what a network of parts sees are compared with others'."""

    figures: dict[str, dict[str, float]]
    statistics: dict[str, NDArray]
    compared: "dict[str, Compared]"
    volumes: dict[str, NDArray]
    vessels: list[tuple[NDArray, NDArray]]


def evaluate_volumes(
    subjects: Sequence[Source],
    factors: tuple[float, float],
    parameters: SuperResolutionParameters,
    work: SharedWork | None = None,
    anatomy: "Callable[[], BrainNetwork] | None" = None,
    voxels: Sequence[int] = (),
) -> Evaluation:
    """Cut each volume's k-space, restore it by every method, and compare with the original.

    Each volume first gets a smooth phase: the k-space of a magnitude image is symmetric, that of a scan is not.

    Parameters
    ----------
    subjects : sequence of callable
        Each gives its volume.
    factors : (2,) tuple of float
        Fewer lines along slice (z) and phase direction (y).
    parameters : SuperResolutionParameters
    work : SharedWork, optional
        Who does it; by default this process. It knows which volumes could not be judged.
    anatomy : callable, optional
        For heads: gives what sees whether their parts are still there.
    voxels : sequence of int
        Of each volume, to know what memory it needs; empty: that of the process alone.

    Returns
    -------
    Evaluation
        Of the volumes that could be judged, in their order.

    Raises
    ------
    ScanFileError
        If all volumes are too thin for SSIM.
    DataError
        If the networks were trained for another acceleration, unless ``mismatch=warn``.
    """
    work = work or SharedWork()
    judge_one = partial(_judged, factors, parameters, anatomy)
    gpus = work.crew.gpus_for(parameters.device)

    def need(one: tuple[int, Source]) -> Need:
        return need_of_voxels(voxels[one[0] : one[0] + 1] if voxels else (0,), VOXEL_BYTES, gpus)

    result, statistics = Evaluation(), dict[str, list[NDArray]]()
    compared: dict[str, list[Compared]] = {}
    for one in work.values(judge_one, list(enumerate(subjects)), lambda task: f"volume {task[0] + 1}", need):
        for method, figures in one.figures.items():
            result.figures.setdefault(method, []).append(figures)
            statistics.setdefault(method, []).append(one.statistics[method])
            if one.compared:
                compared.setdefault(method, []).append(one.compared[method])
        result.last_volumes, result.last_vessels = one.volumes, one.vessels
    _add_naturalness(result.figures, statistics)
    if compared and anatomy is not None:
        _add_anatomy(result.figures, compared, len(anatomy().parts))
    return result


def _judged(
    factors: tuple[float, float],
    parameters: SuperResolutionParameters,
    anatomy: "Callable[[], BrainNetwork] | None",
    task: tuple[int, Source],
) -> _Judged:
    number, source = task
    subject = source()
    if min(subject.image.shape[:2]) < _SMALLEST_PLANE:
        size = "x".join(map(str, subject.image.shape))
        raise ScanFileError(
            f"{subject.name} has {size} voxels (z, y, x); SSIM needs {_SMALLEST_PLANE} slices and rows at least"
        )
    restored, seconds = restorations(with_phase(subject.image, number), factors, parameters)
    figures = {method: judge(volume, subject, method) for method, volume in restored.items()}
    for method, taken_s in seconds.items():
        figures[method]["seconds"] = taken_s
    statistics = {method: statistics_of(volume, subject) for method, volume in restored.items()}
    compared = {}
    if anatomy is not None:
        network = anatomy()
        compared = {method: network.compare(volume, subject.image) for method, volume in restored.items()}
    return _Judged(figures, statistics, compared, restored, list(subject.courses))


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
