"""How good denoised blood flow is: the figures of Xie 2020, and what they lack: truth, bias, and small lesions."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gadgets.cluster.needs import need_of_voxels
from gadgets.cluster.shared_work import SharedWork
from gadgets.simulated.asl_subjects import Subject, measured_subject, smoothed_reference
from recon.perfusion import PerfusionMaps
from recon.perfusion.guidance import KEEP_BEYOND
from recon.quality.metrics import quality_by_slice

COLUMNS = ("SNR", "GM/WM", "PSNR dB", "SSIM", "GM bias %", "WM bias %", "NRMSE", "lesion kept %")
LEGEND = (
    "SNR: mean of grey over standard deviation of white matter in the middle slice; GM/WM: ratio of their means; PSNR "
    "and SSIM slice by slice against the pseudo gold standard (all pairs, smoothed by 3 mm), as the paper prints them: "
    "the reference has noise, so that both reward some. Bias and NRMSE: against the simulated scan without noise, "
    "movement and rhythms, by the same quantification; bias of mean blood flow. Lesion kept: change of lesions of 2x2 "
    "voxels in the result over that in truth, from two scans of equal noise. Mean±standard deviation over subjects."
)
PRINTED: Mapping[str, Mapping[str, str]] = {
    "printed: 40 pairs, smoothed": {"SNR": "5.87", "GM/WM": "2.14"},
    "printed: DWAN from reference": {"SNR": "6.36", "GM/WM": "2.15", "PSNR dB": "25.26", "SSIM": "0.802"},
    "printed: DWAN from noise": {"SNR": "8.06", "GM/WM": "2.32", "PSNR dB": "25.28", "SSIM": "0.803"},
}
"""Of 60 people, figure 3 and table 1 of the paper."""

TRUTH, FIRST, REFERENCE = "without noise", "10 pairs", "40 pairs, smoothed"

# Shares of a tissue from which a voxel counts to it: cortex is thinner than two voxels.
_GREY, _WHITE = 0.7, 0.9
_FIRST_PAIRS = 10
_LESIONS = 4
# Memory for each voxel at the peak: 3,100 were measured with 0.05 million voxels, and a third is added.
_VOXEL_BYTES = 4200

Denoiser = Callable[[PerfusionMaps, int, int], NDArray[np.float32]]
"""Maps, and the first pair and the one behind the last → denoised mean blood flow (z, y, x) of these pairs."""


@dataclass
class PerfusionEvaluation:
    """Figures per method and subject, and maps of the last one.

    Attributes
    ----------
    figures : dict of str to list of dict of str to float
    last_maps : dict of str to (z, y, x) float32
    """

    figures: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    last_maps: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    def summary(self) -> dict[str, dict[str, str]]:
        """Mean ± standard deviation over the subjects; below them the printed figures."""
        rows = {
            method: {name: _spread([row[name] for row in found if name in row]) for name in COLUMNS}
            for method, found in self.figures.items()
        }
        return rows | {method: {name: row.get(name, "-") for name in COLUMNS} for method, row in PRINTED.items()}


def _spread(values: list[float]) -> str:
    if not values:
        return "-"
    mean = f"{np.mean(values):.3g}"
    return f"{mean}±{np.std(values):.2g}" if len(values) > 1 else mean


@cache
def loaded_denoisers(
    weights: tuple[str, ...], device: str, keep_beyond: tuple[float, ...] = ()
) -> Mapping[str, Denoiser]:
    """Load networks where they are used, once; their names are those of their files.

    Parameters
    ----------
    weights : tuple of str
        Files, names of shipped ones, or ``none``.
    device : str
        ``auto``, ``cpu`` or ``cuda:N``.
    keep_beyond : tuple of float
        Standard errors beyond which a guided network's result is left as measured, each a method of its own; 0: nothing
        is. By default the gadget's.

    Raises
    ------
    ParameterError
        If weights cannot be used.
    """
    from gadgets.device import choose_device
    from gadgets.image_tasks.network import load_planes
    from gadgets.image_tasks.perfusion.work import TASK, WEIGHTS, denoised

    loaded = {Path(name).stem: load_planes(name, WEIGHTS, TASK, choose_device(device)) for name in weights}
    denoisers: dict[str, Denoiser] = {}
    for name, network in ((name, network) for name, network in loaded.items() if network is not None):
        compared = keep_beyond if network.channels > 1 else ()
        for keep in compared or (KEEP_BEYOND,):
            named = f"{name}, {keep:g}" if compared else name
            denoisers[named] = partial(denoised, network, keep_beyond=keep or math.inf)
    return denoisers


def evaluate_perfusion(
    shape: tuple[int, int, int],
    seed: int,
    count: int,
    denoisers: Callable[[], Mapping[str, Denoiser]],
    work: SharedWork | None = None,
    gpus: int = 0,
) -> PerfusionEvaluation:
    """Measure blood flow of ten pairs, of all, and of denoisers that were given the ten.

    Parameters
    ----------
    shape : (3,) tuple of int
        (z, y, x) voxels.
    seed : int
        Of the first simulated subject.
    count : int
        Subjects.
    denoisers : callable
        Gives them by name. Called where the work is done.
    work : SharedWork, optional
        Who does it; by default this process. It knows which subjects could not be judged.
    gpus : int
        That a subject needs: 0 or 1.
    """
    work, result = work or SharedWork(), PerfusionEvaluation()
    need = need_of_voxels(shape, _VOXEL_BYTES, gpus)
    judge_one = partial(_judged, shape, denoisers)
    for one in work.values(judge_one, range(seed, seed + count), lambda number: f"subject {number}", lambda _: need):
        for method, rows in one.figures.items():
            result.figures.setdefault(method, []).extend(rows)
        result.last_maps = one.last_maps
    return result


def _judged(
    shape: tuple[int, int, int], denoisers: Callable[[], Mapping[str, Denoiser]], seed: int
) -> PerfusionEvaluation:
    """Evaluation of one subject."""
    healthy, ill = (measured_subject(shape, seed, lesions) for lesions in (0, _LESIONS))
    maps, with_lesions = (_results(subject, denoisers()) for subject in (healthy, ill))
    truth, reference = maps[TRUTH], maps[REFERENCE]
    rows = {}
    for method, found in maps.items():
        figures = figures_of(found, truth, healthy)
        if method not in (TRUTH, REFERENCE):
            held = reference.max(axis=(1, 2)) > 0
            likeness = quality_by_slice(found[held], reference[held])
            figures |= {"PSNR dB": likeness.psnr_db, "SSIM": likeness.ssim}
        if method != TRUTH:
            change = with_lesions[method] - found
            figures["lesion kept %"] = 100 * lesion_kept(change, with_lesions[TRUTH] - truth, ill)
        rows[method] = [figures]
    return PerfusionEvaluation(rows, with_lesions)


def _results(subject: Subject, denoisers: Mapping[str, Denoiser]) -> dict[str, NDArray[np.float32]]:
    maps = subject.maps
    found = {TRUTH: subject.noise_free(), FIRST: maps.mean_of(0, _FIRST_PAIRS), REFERENCE: smoothed_reference(maps)}
    return found | {
        name: np.asarray(denoise(maps, 0, _FIRST_PAIRS) * maps.brain) for name, denoise in denoisers.items()
    }


def figures_of(found: NDArray[np.float32], truth: NDArray[np.float32], subject: Subject) -> dict[str, float]:
    """Figures of one map (z, y, x) against the truth."""
    brain = subject.brain
    grey, white = (brain.grey > _GREY) & subject.maps.brain, (brain.white > _WHITE) & subject.maps.brain
    middle, inside = len(found) // 2, subject.maps.brain
    error = found[inside] - truth[inside]
    noise = float(found[middle][white[middle]].std())
    return {
        "SNR": float(found[middle][grey[middle]].mean()) / noise if noise else float("nan"),
        "GM/WM": float(found[grey].mean() / found[white].mean()),
        "GM bias %": 100 * float(found[grey].mean() / truth[grey].mean() - 1),
        "WM bias %": 100 * float(found[white].mean() / truth[white].mean() - 1),
        "NRMSE": float(np.linalg.norm(error) / np.linalg.norm(truth[inside])),
    }


def lesion_kept(change: NDArray, true_change: NDArray, subject: Subject) -> float:
    """Part of the lesions' contrast that is left: their change of blood flow over the true one, summed by sign."""
    found, true = 0.0, 0.0
    for lesion in subject.brain.lesions:
        sign = np.sign(true_change[lesion.place].sum())
        found += sign * float(change[lesion.place].sum())
        true += sign * float(true_change[lesion.place].sum())
    return float(found / true)
