"""The variants of table 5-1 (dissertation) and of table 1 (Wang 2020), trained alike and measured, by one command.

    python -m tests.benchmarks.sr_tables 5-1 --folder tables --steps 300
    python -m tests.benchmarks.sr_tables 1 --folder tables --steps 300
    python -m tests.benchmarks.sr_tables 5-1 --folder tables --paper
    python -m tests.benchmarks.sr_tables 5-1 --folder tables --weights joint_l1=nets/shipped/sr_coronary_l1.safetensors

Volumes are simulated into FOLDER/volumes. A variant that is trained is not trained again, one that was interrupted goes
on. Rows stand in the printed order with the printed figures beside. Metrics are taken slice by slice in the plane that
was cut both ways, averaged for each subject and then over subjects. --paper takes networks, patches and steps of the
papers' recipes: for a GPU, and days.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ttest_rel

from gadgets.datasets.volumes import prepare_volumes
from gadgets.evaluation.restorations import ORIGINAL, restorations, with_phase
from gadgets.evaluation.volume_figures import Subject, judge, statistics_of
from gadgets.super_resolution.parameters import SuperResolutionParameters
from recon.quality.anatomical_fidelity import fidelity_distance, level_weights, overlap_of_parts
from recon.quality.natural_statistics import NaturalModel
from recon.simulation.angiogram.volume import simulate_angiogram

RECIPES = Path(__file__).parents[2] / "configs/train"
BEST = {"PSNR": 1, "SSIM": 1, "NRMSE": -1, "NIQE": -1, "M_h": -1, "Dice": 1}
"""Whether more of a figure is better."""
_OTHERS = 500
"""First seed of the originals that NIQE's model is fitted to."""

_FEWEST = 3
"""Subjects below which a t-test says nothing."""


@dataclass(frozen=True)
class Row:
    """A variant.

    Attributes
    ----------
    key, name : str
        For files and options; as printed.
    printed : dict of str to float
    recipe, paper : str
        Short and paper's recipe; none: it is an interpolation, or made of the weights of other rows.
    folders : tuple of str
        Domains to train on.
    options : tuple of str
        Beside the recipe; short ones alone.
    start, first : str
        Keys of the rows whose weights it starts from, and whose output it gets.
    blend : float, optional
        Share of the weights of ``start`` against those of ``first``: no training.
    """

    key: str
    name: str
    printed: dict[str, float] = field(default_factory=dict)
    recipe: str = ""
    paper: str = ""
    folders: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    start: str = ""
    first: str = ""
    blend: float | None = None


def _printed(psnr: float, ssim: float, nrmse: float, **others: float) -> dict[str, float]:
    return {"PSNR": psnr, "SSIM": ssim, "NRMSE": nrmse, **others}


_L1, _L1_PAPER, _GAN = "sr_plain_l1", "sr_mdcsrn_joint_paper", "gan_coronary_dragan"
_VANILLA = ("--model.gan=vanilla", "--model.discriminator=discriminator", "--data.separate=false")
_BOTH = ("coronary", "brain")
TABLE_5_1 = (
    Row("nearest", "Nearest Neighbor", _printed(25.92, 0.7240, 0.2876)),
    Row("bicubic", "Bicubic Interpolation", _printed(26.90, 0.7597, 0.2613, NIQE=7.05)),
    Row("brain_l1", "Brain Only mDCSRN", _printed(29.27, 0.8249, 0.2051), _L1, _L1_PAPER, ("brain",)),
    Row("coronary_l1", "Coronary Only mDCSRN", _printed(34.08, 0.8458, 0.1798), _L1, _L1_PAPER, ("coronary",)),
    Row("joint_l1", "Joint-Train mDCSRN", _printed(34.22, 0.8468, 0.1765, NIQE=6.26), _L1, _L1_PAPER, _BOTH),
    Row(
        "coronary_gan", "Coronary only GAN", _printed(29.30, 0.6631, 0.3152, NIQE=6.91), _GAN, "gan_vanilla_paper",
        ("coronary",), _VANILLA, "coronary_l1",
    ),
    Row(
        "joint_gan", "Joint-Train GAN", _printed(28.74, 0.6564, 0.3485, NIQE=6.16), _GAN, "gan_vanilla_paper",
        _BOTH, _VANILLA, "joint_l1",
    ),
    Row(
        "dragan", "Single-Stage DRAGAN", _printed(30.40, 0.7143, 0.2778, NIQE=5.19), _GAN, "gan_dragan_paper",
        _BOTH, (), "joint_l1",
    ),
    Row(
        "joint_gan_two", "Two-Stage Joint-Train GAN", _printed(31.42, 0.7435, 0.2468, NIQE=5.34), _GAN,
        "gan_vanilla_paper", _BOTH, _VANILLA, "joint_l1", "joint_l1",
    ),
    Row(
        "dragan_two", "Two-Stage DRAGAN", _printed(31.44, 0.7418, 0.2456, NIQE=4.71), _GAN, "gan_dragan_paper",
        _BOTH, (), "joint_l1", "joint_l1",
    ),
    Row(ORIGINAL, "Original Resolution", {"NIQE": 5.56}),
)  # fmt: skip
_RRDG, _HEADS = "sr_rrdg_paper", ("head_parts",)


def _of(architecture: str, network: str) -> tuple[str, ...]:
    return f"--model.architecture={architecture}", f"--model.network={network}"


_SMALL_RRDG = "{blocks: 1, width: 16, growth: 8}"
TABLE_1 = (
    Row(
        "fsrcnn", "3D FSRCNN", _printed(33.83, 0.9282, 0.1138, M_h=7.3847, Dice=0.8677), _RRDG, _RRDG, _HEADS,
        _of("fsrcnn", "{width: 24}"),
    ),
    Row(
        "srresnet", "3D SRResNet", _printed(34.06, 0.9399, 0.1104, M_h=6.3489, Dice=0.9048), _RRDG, _RRDG, _HEADS,
        _of("srresnet", "{blocks: 3, width: 16}"),
    ),
    Row(
        "mdcsrn", "mDCSRN", _printed(35.38, 0.9485, 0.0954, M_h=5.4446, Dice=0.9153), _RRDG, _RRDG, _HEADS,
        _of("mdcsrn", "{blocks: 2, units: 2, growth: 8}"),
    ),
    Row(
        "rrdg", "RRDG (ours)", _printed(36.39, 0.9558, 0.0846, M_h=4.8217, Dice=0.9249), _RRDG, _RRDG, _HEADS,
        _of("rrdg", _SMALL_RRDG),
    ),
    Row(
        "rrdg_gan", "RRDG, patch GAN", {}, "gan_rrdg_paper", "gan_rrdg_paper", _HEADS,
        (f"--model.generator_config={_SMALL_RRDG}", "--model.discriminator_config={width: 8}"), "rrdg",
    ),
    Row(
        "rrdg_gan_srgan", "RRDG, patch GAN, SRGAN's columns", {}, "gan_rrdg_paper", "gan_rrdg_paper", _HEADS,
        (f"--model.generator_config={_SMALL_RRDG}", "--model.discriminator_config={width: 4, columns: srgan}"), "rrdg",
    ),
    *(Row(f"blend_{tenth}", f"blended, α = 0.{tenth}", {}, start="rrdg", first="rrdg_gan", blend=tenth / 10)
      for tenth in (2, 5, 8)),
)  # fmt: skip
_PAPER_NETWORKS = {
    "fsrcnn": _of("fsrcnn", "{}"),
    "srresnet": _of("srresnet", "{}"),
    "mdcsrn": _of("mdcsrn", "{start: random}"),
    "rrdg_gan_srgan": ("--model.discriminator_config={columns: srgan}",),
}


@dataclass(frozen=True)
class Table:
    """A table, and what is cut: factors along z and y, of this domain."""

    rows: tuple[Row, ...]
    factors: tuple[float, float]
    domain: str
    columns: tuple[str, ...]


TABLES = {
    "5-1": Table(TABLE_5_1, (4, 4), "coronary", ("PSNR", "SSIM", "NRMSE", "NIQE")),
    "1": Table(TABLE_1, (2, 2), "head_parts", ("SSIM", "PSNR", "NRMSE", "M_h", "Dice")),
}


def train(row: Row, folder: Path, weights: dict[str, Path], arguments: argparse.Namespace) -> Path:
    """Weights of a row: those that are there, or those of a training, which goes on where it was interrupted."""
    from nets.training.__main__ import main as fit

    place = folder / row.key
    path = place / f"{row.key}.safetensors"
    if path.exists():
        return path
    domains = ", ".join(str(folder / "volumes" / domain) for domain in row.folders)
    options = [
        f"--config={RECIPES / ((row.paper if arguments.paper else row.recipe) + '.yaml')}",
        f"--run.name={row.key}",
        f"--trainer.default_root_dir={place}",
        "--trainer.enable_progress_bar=false",
        "--trainer.enable_model_summary=false",
        f"--data.folders=[{domains}]",
        *(_PAPER_NETWORKS.get(row.key, ()) if arguments.paper else _short(row, arguments)),
    ]
    if "gan" in row.recipe:
        options += [f"--model.weights={weights[row.start]}"]
        options += [f"--model.first_stage={weights[row.first] if row.first else 'null'}"]
        if arguments.paper and row.folders != _BOTH:
            options += ["--data.separate=false"]
    last = place / "checkpoints/last.ckpt"
    fit(["fit", *options, *([f"--ckpt_path={last}"] if last.exists() else [])])
    return path


def _short(row: Row, arguments: argparse.Namespace) -> Iterator[str]:
    """Options with which a recipe is short: patches, batches and steps; judges that fit the patches."""
    patch = [int(size) for size in arguments.patch.split("x")]
    yield from row.options
    yield f"--data.patch={patch}"
    yield from ("--data.batch_size=1", "--data.patches_per_volume=2", "--data.workers=0")
    yield f"--trainer.accelerator={arguments.accelerator}"
    if "gan" not in row.recipe:
        yield from (f"--model.steps={arguments.steps}", "--model.learning_rate=1e-3")
        return
    turns = {"warm_up": arguments.steps // 2, "per_generator": 1, "extra_every": 0, "extra": 0}
    yield from (f"--model.turns.{name}={value}" for name, value in turns.items())
    yield f"--model.turns.generator_steps={max(1, arguments.steps // 2)}"
    if row.recipe == _GAN:
        yield f"--model.discriminator_config={{patch: {patch}, width: 8, hidden: 32, norm: batch}}"
    else:
        yield from ("--model.generator_rate=1e-4", "--model.discriminator_rate=1e-4")


def _parameters(row: Row, weights: dict[str, Path]) -> SuperResolutionParameters:
    if row.blend is not None:
        first, second = str(weights[row.start]), str(weights[row.first])
        return SuperResolutionParameters(stages="two", first_stage=first, second_stage=second, blending=row.blend)
    if row.first:
        first, second = str(weights[row.first]), str(weights[row.key])
        return SuperResolutionParameters(stages="two", first_stage=first, second_stage=second)
    return SuperResolutionParameters(stages="one", first_stage=str(weights[row.key]))


def _restored(
    row: Row, image: NDArray, factors: tuple[float, float], weights: dict[str, Path]
) -> tuple[NDArray, float]:
    """A row's volume, and its seconds."""
    parameters = _parameters(row, weights)
    volumes, seconds = restorations(image, factors, parameters)
    (name,) = seconds
    return volumes[name], seconds[name]


def measure(
    table: Table, rows: Sequence[Row], weights: dict[str, Path], arguments: argparse.Namespace
) -> dict[str, list[dict[str, float]]]:
    """Figures of each row and subject."""
    judge_of_heads = _brain_network(arguments.anatomy)
    z, y, x = (int(size) for size in arguments.shape.split("x"))
    figures: dict[str, list[dict[str, float]]] = {row.key: [] for row in rows}
    natural = _natural_model(table, (z, y, x))
    compared: dict[str, list] = {row.key: [] for row in rows}
    for number in range(arguments.simulate):
        subject = Subject(f"{number}", simulate_angiogram(table.domain, (z, y, x), 1 + number).image)  # type: ignore[arg-type]
        for row, volume, seconds in _volumes(table, rows, weights, with_phase(subject.image, number)):
            found = _figures(volume, subject, row.key) | {"seconds": seconds}
            figures[row.key].append(found | {"NIQE": natural.distance(statistics_of(volume, subject))})
            if judge_of_heads is not None:
                compared[row.key].append(judge_of_heads.compare(volume, subject.image))
        print(f"subject {number + 1} of {arguments.simulate} is measured", flush=True)
    if judge_of_heads is not None:
        level = level_weights(np.array([each.magnitudes for each in next(iter(compared.values()))]))
        for key, of_row in compared.items():
            for entry, each in zip(figures[key], of_row, strict=True):
                entry["M_h"] = fidelity_distance(each.differences, level)
                entry["Dice"] = overlap_of_parts(each.found, each.true, len(judge_of_heads.parts))[0]
    return figures


def _natural_model(table: Table, shape: tuple[int, int, int]) -> NaturalModel:
    """NIQE's model of other originals of the domain, so that those at hand have a distance, too."""
    others = (simulate_angiogram(table.domain, shape, seed).image for seed in range(_OTHERS, _OTHERS + 6))  # type: ignore[arg-type]
    return NaturalModel.fitted([statistics_of(image, Subject("other", image)) for image in others])


def _volumes(
    table: Table, rows: Sequence[Row], weights: dict[str, Path], image: NDArray
) -> Iterator[tuple[Row, NDArray, float]]:
    """Each row's volume and seconds."""
    trained = next(row for row in table.rows if row.key in weights)
    plain, _ = restorations(image, table.factors, _parameters(trained, weights))
    for row in rows:
        if row.key in plain:
            yield row, plain[row.key], float("nan")
        else:
            yield row, *_restored(row, image, table.factors, weights)


def _figures(volume: NDArray, subject: Subject, method: str) -> dict[str, float]:
    found = judge(volume, subject, method)
    names = {"PSNR": "PSNR dB by slice", "SSIM": "SSIM by slice", "NRMSE": "NRMSE by slice"}
    return {name: found[column] for name, column in names.items() if column in found}


def _brain_network(weights: str):  # type: ignore[no-untyped-def]
    if not weights:
        return None
    from nets.inference.organs.brain_network import BrainNetwork
    from nets.weights import weights_path

    return BrainNetwork(weights_path(weights))


def ordering(rows: Sequence[Row], column: str, means: dict[str, float]) -> tuple[int, list[str]]:
    """How many pairs of rows are in the printed order, and those that are not, as texts."""
    known = [row for row in rows if column in row.printed and np.isfinite(means.get(row.key, np.nan))]
    same, other = 0, []
    for one, two in combinations(known, 2):
        better, worse = sorted((one, two), key=lambda row: -BEST[column] * row.printed[column])
        if (means[better.key] - means[worse.key]) * BEST[column] >= 0:
            same += 1
        else:
            other.append(f"{column}: {better.name} is printed as better than {worse.name}, and is worse here")
    return same, other


def significance(rows: Sequence[Row], column: str, figures: dict[str, list[dict[str, float]]]) -> list[str]:
    """Two-tailed paired t-tests of the row that is printed as the best against all others, as Wang 2020 has them."""
    printed = [row for row in rows if column in row.printed and row.key != ORIGINAL]
    if len(printed) < 2 or len(figures[printed[0].key]) < _FEWEST:
        return []
    best = max(printed, key=lambda row: BEST[column] * row.printed[column])
    values = {row.key: [each[column] for each in figures[row.key] if column in each] for row in printed}
    found = {row.name: ttest_rel(values[best.key], values[row.key]).pvalue for row in printed if row is not best}
    return [f"{column}: {best.name} against the others, paired t-test: p ≤ {max(found.values()):.2g}"]


def report(
    table: Table, rows: Sequence[Row], figures: dict[str, list[dict[str, float]]], why: str, say: Callable[[str], None]
) -> None:
    """Rows in the printed order, the printed figures in brackets, and where the order differs."""
    width = max(len(row.name) for row in rows)
    say(f"{'':{width}}  " + "  ".join(f"{column:>16}" for column in (*table.columns, "s")))
    means = {}
    for column in (*table.columns, "seconds"):
        means[column] = {
            row.key: float(np.mean([each.get(column, np.nan) for each in figures[row.key]])) for row in rows
        }
    for row in rows:
        cells = [_cell(means[column][row.key], row.printed.get(column), column) for column in table.columns]
        seconds = means["seconds"][row.key]
        say(f"{row.name:{width}}  " + "  ".join(cells) + f"  {seconds:16.1f}".replace("nan", "  -"))
    for column in table.columns:
        for line in significance(rows, column, figures):
            say(line)
        same, other = ordering(rows, column, means[column])
        if same or other:
            say(f"{column}: {same} of {same + len(other)} pairs of rows are in the printed order")
            for line in other:
                say(f"  {line}")
    say(why)


def _cell(value: float, printed: float | None, column: str) -> str:
    digits = 2 if column in ("PSNR", "NIQE") else 4
    here = f"{value:.{digits}f}" if np.isfinite(value) else "-"
    there = f"({printed:.{digits}f})" if printed is not None else "(-)"
    return f"{here} {there}".rjust(16)


def parsed(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=TABLES)
    parser.add_argument("--folder", type=Path, default=Path("tables"))
    parser.add_argument("--rows", default="", help="keys, with commas; default: all")
    parser.add_argument("--weights", action="append", default=[], metavar="KEY=FILE", help="instead of a training")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--patch", default="32x32x16", help="of short trainings; 16 or more along each axis")
    parser.add_argument("--volumes", type=int, default=20, help="simulated subjects of each domain to train on")
    parser.add_argument("--simulate", type=int, default=3, help="held-out subjects")
    parser.add_argument("--shape", default="48x64x48")
    parser.add_argument("--anatomy", default="", help="weights of highres3dnet, for M_h and Dice in table 1")
    parser.add_argument("--accelerator", default="auto")
    parser.add_argument("--paper", action="store_true")
    parser.add_argument("--json", type=Path)
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> dict[str, list[dict[str, float]]]:
    arguments = parsed(words)
    table = TABLES[arguments.table]
    given = dict(pair.split("=", 1) for pair in arguments.weights)
    chosen = arguments.rows.split(",") if arguments.rows else [row.key for row in table.rows]
    needed = {key for row in table.rows if row.key in chosen for key in (row.key, row.start, row.first)}
    shape = tuple(int(size) for size in arguments.shape.split("x"))
    weights: dict[str, Path] = {key: Path(path) for key, path in given.items()}
    start = time.perf_counter()
    for row in table.rows:
        if row.key not in needed or row.key in weights or not row.recipe:
            continue
        for domain in row.folders:
            prepare_volumes(arguments.folder / "volumes" / domain, domain, shape, 1000, arguments.volumes)  # type: ignore[arg-type]
        weights[row.key] = train(row, arguments.folder, weights, arguments)
        print(f"{row.name} is trained after {time.perf_counter() - start:.0f} s", flush=True)
    rows = [row for row in table.rows if row.key in chosen]
    figures = measure(table, rows, weights, arguments)
    steps = "the papers' steps" if arguments.paper else f"{arguments.steps} steps of small networks"
    why = (
        f"Where the order differs: these are {steps} on {arguments.volumes} simulated subjects a domain, held-out "
        f"subjects {arguments.simulate} of the simulator, {arguments.shape} voxels; the papers trained for 300,000 to "
        "800,000 steps on hundreds of patients. NIQE: fitted on other simulated originals, not on photographs. "
        "BRISQUE and PI are left out: one needs people's scores of images, the other Ma's regression on such scores."
    )
    report(table, rows, figures, why, print)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))
    return figures


if __name__ == "__main__":
    main()
