"""Enhancement of perivascular spaces, judged on simulated brains: near them, in white matter, where there are none."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wilcoxon

from gadgets.cluster.needs import need_of_voxels
from gadgets.cluster.shared_work import SharedWork
from gadgets.errors import ParameterError
from recon.perivascular.enhancement import Enhancer
from recon.perivascular.labels import recipe_label
from recon.perivascular.neighbours import RAYLEIGH, valley_depth
from recon.perivascular.tubes import find_spaces, near_spaces, tubeness
from recon.quality.region_quality import quality_within
from recon.simulation.perivascular.brain_scan import PerivascularSubject, simulate_perivascular

LABELS, REGIONS, METRICS = ("truth", "recipe"), ("near PVS", "white matter"), ("PSNR dB", "SSIM")
INPUT, DENOISED, SHARPENED = "input", "non-local means", "Haar gain"
SPACES_COLUMNS = ("per cm3 without PVS", "found", "right", "pairs apart", "lookalikes RMSE", "outside equal")
"""Spaces found where there are none; share of the true voxels, and of those found; pairs that stay two; error in what
looks alike; bits.
"""

LEGEND = (
    "Mean ± standard deviation; in brackets p of a two-sided Wilcoxon test against the first network. truth: image "
    "without noise, spaces with twice their contrast; recipe: label as in Jung 2019, non-local means for BM4D. near "
    "PVS: the spaces, dilated by 5x5x5 voxels. per cm3 without PVS: spaces found in the same brains without any; "
    "lacunes may look alike. found: share of the true voxels that the map holds. right: share of the map's voxels "
    "near a true space. lookalikes RMSE: error in lacunes, hyperintensities and dark vessels, over white matter."
)
"""What the columns are, below the tables."""

_VOXEL_BYTES = 3900
"""Memory for each voxel at the peak: 2,900 were measured with 0.6 million voxels and the shipped network; a third is
added.
"""

Key = tuple[str, str, str]
"""Label, region, metric."""


@dataclass
class PerivascularEvaluation:
    """Figures by method, one for each subject.

    Attributes
    ----------
    quality : dict of str to dict of Key to list of float
    spaces : dict of str to dict of str to list of float
        By :data:`SPACES_COLUMNS`; a brain without pairs has no figure of them.
    networks : tuple of str
        The first is compared with all other methods.
    last_volumes : dict of str to (z, y, x) float32
        Of the last brain with spaces: by method, and as the true label has it.
    last_mask : (z, y, x) bool
        Its white matter.
    """

    networks: tuple[str, ...]
    quality: dict[str, dict[Key, list[float]]] = field(default_factory=dict)
    spaces: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    last_volumes: dict[str, NDArray] = field(default_factory=dict)
    last_mask: NDArray = field(default_factory=lambda: np.zeros((0, 0, 0), dtype=bool))

    def p_value(self, method: str, key: Key) -> float:
        """Wilcoxon's p of the difference from the first network; not a number for itself, or where there is none."""
        if not self.networks or method == self.networks[0]:
            return float("nan")
        one, other = self.quality[self.networks[0]][key], self.quality[method][key]
        return 1.0 if one == other else float(wilcoxon(one, other).pvalue)

    def quality_rows(self, label: str) -> list[list[str]]:
        """Rows of the table of one label: method, then region by region each metric."""
        keys = [(label, region, metric) for region in REGIONS for metric in METRICS]
        return [[method, *(self._cell(method, key) for key in keys)] for method in self.quality]

    def _cell(self, method: str, key: Key) -> str:
        digits = 2 if key[2].startswith("PSNR") else 4
        text, p = _spread(self.quality[method][key], digits), self.p_value(method, key)
        return text if np.isnan(p) else f"{text} ({p:.3f})"

    def spaces_rows(self) -> list[list[str]]:
        """Rows of the table of what is found."""
        return [[method, *(_spread(rows[name], 2) for name in SPACES_COLUMNS)] for method, rows in self.spaces.items()]

    def to_json(self) -> dict[str, object]:
        """All figures."""
        return {
            "networks": list(self.networks),
            "quality": {
                method: {" | ".join(key): values for key, values in rows.items()}
                for method, rows in self.quality.items()
            },
            "p": {
                method: {" | ".join(key): self.p_value(method, key) for key in rows}
                for method, rows in self.quality.items()
                if self.networks and method != self.networks[0]
            },
            "spaces": self.spaces,
        }


def _spread(values: Sequence[float], digits: int) -> str:
    if not len(values):
        return "-"
    mean = f"{np.mean(values):.{digits}f}"
    return f"{mean}±{np.std(values):.{digits}f}" if len(values) > 1 else mean


@cache
def loaded_enhancers(weights: tuple[str, ...], device: str) -> Mapping[str, Enhancer]:
    """Load networks where they are used, once; their names are those of their files.

    Parameters
    ----------
    weights : tuple of str
        Files, or names of shipped ones.
    device : str
        ``auto``, ``cpu`` or ``cuda:N``.

    Raises
    ------
    ParameterError
        If two files have one name, or weights cannot be used.
    """
    from gadgets.device import choose_device
    from gadgets.image_tasks.perivascular.network import load_enhancer

    if len({Path(path).stem for path in weights}) < len(weights):
        raise ParameterError("two weights have the same name; rename one of the files")
    found = {Path(path).stem: load_enhancer(path, choose_device(device)) for path in weights}
    return {name: network for name, network in found.items() if network is not None}


def evaluate_perivascular(
    networks: Callable[[], Mapping[str, Enhancer]],
    shape: tuple[int, int, int],
    seed: int,
    count: int,
    work: SharedWork | None = None,
    gpus: int = 0,
) -> PerivascularEvaluation:
    """Enhance simulated brains by every method, each brain once with and once without perivascular spaces.

    Parameters
    ----------
    networks : callable
        Gives them by name. Called where the work is done.
    shape : (3,) tuple of int
        (z, y, x) voxels.
    seed : int
        Of the first subject.
    count : int
    work : SharedWork, optional
        Who does it; by default this process. It knows which brains could not be judged.
    gpus : int
        That a subject needs: 0 or 1.

    Returns
    -------
    PerivascularEvaluation

    Raises
    ------
    ParameterError
        If all brains are so small that they have no spaces.
    """
    work, result = work or SharedWork(), PerivascularEvaluation(tuple(networks()))
    need = need_of_voxels(shape, _VOXEL_BYTES, gpus)
    judge_one = partial(_judged, networks, shape)
    for one in work.values(judge_one, range(seed, seed + count), lambda number: f"brain {number}", lambda _: need):
        for name, rows in one.quality.items():
            for key, values in rows.items():
                result.quality.setdefault(name, {}).setdefault(key, []).extend(values)
        for name, columns in one.spaces.items():
            for column, figures in columns.items():
                result.spaces.setdefault(name, {}).setdefault(column, []).extend(figures)
        result.last_volumes, result.last_mask = one.last_volumes, one.last_mask
    return result


def _judged(
    networks: Callable[[], Mapping[str, Enhancer]], shape: tuple[int, int, int], seed: int
) -> PerivascularEvaluation:
    """Evaluation of one brain."""
    subject, bare = (simulate_perivascular(shape, seed, with_spaces) for with_spaces in (True, False))
    if not (subject.present & subject.white_matter).any():
        raise ParameterError(f"brain {seed} is too small for perivascular spaces; give a larger --shape")
    recipe = recipe_label(subject.image, subject.white_matter, subject.present)
    labels = {"truth": subject.label, "recipe": recipe.label}
    without = recipe_label(bare.image, bare.white_matter)
    volumes = {
        INPUT: (subject.image, bare.image),
        DENOISED: (recipe.denoised, without.denoised),
        SHARPENED: (recipe.sharp, without.sharp),
    }
    loaded = networks()
    for name, network in loaded.items():
        enhanced = [network(each.image, each.white_matter) for each in (subject, bare)]
        volumes[name] = (enhanced[0], enhanced[1])
    result = PerivascularEvaluation(tuple(loaded))
    for name, (volume, of_bare) in volumes.items():
        _add_quality(result.quality.setdefault(name, {}), volume, labels, subject)
        _add_spaces(result.spaces.setdefault(name, {}), volume, of_bare, subject)
    with_spaces = {name: volume for name, (volume, _) in volumes.items()}
    result.last_volumes, result.last_mask = with_spaces | {LABELS[0]: subject.label}, subject.white_matter
    return result


def _add_quality(
    found: dict[Key, list[float]], volume: NDArray, labels: Mapping[str, NDArray], subject: PerivascularSubject
) -> None:
    mask = subject.white_matter
    regions = dict(zip(REGIONS, (near_spaces(subject.present, mask), mask), strict=True))
    for name, label in labels.items():
        quality = quality_within(volume, label, regions, peak=float(label[mask].max()))
        for region, each in quality.items():
            for metric, value in zip(METRICS, (each.psnr_db, each.ssim), strict=True):
                found.setdefault((name, region, metric), []).append(value)


def _add_spaces(found: dict[str, list[float]], volume: NDArray, of_bare: NDArray, subject: PerivascularSubject) -> None:
    mask, edges = subject.white_matter, (subject.voxel_mm,) * 3
    invented = find_spaces(tubeness(of_bare, mask), mask, edges).per_cm3
    mapped = find_spaces(tubeness(volume, mask), mask, edges).labels > 0
    true = subject.present & mask
    right = float(near_spaces(true, mask)[mapped].mean()) if mapped.any() else 1.0
    courses = [
        (subject.spaces.tubes[a].centreline, subject.spaces.tubes[b].centreline) for a, b in subject.spaces.pairs
    ]
    apart = [float(valley_depth(volume, *pair) > RAYLEIGH) for pair in courses]
    equal = float(np.array_equal(volume[~mask], subject.image[~mask]))
    found_share = float(mapped[true].mean())
    others = subject.lookalikes & ~near_spaces(true, mask)
    level = float(np.median(subject.label[mask]))
    changed = [float(np.sqrt(np.mean((volume - subject.label)[others] ** 2))) / level] if others.any() else []
    figures: list[list[float]] = [[invented], [found_share], [right], apart, changed, [equal]]
    for name, values in zip(SPACES_COLUMNS, figures, strict=True):
        found.setdefault(name, []).extend(values)
