"""Three hospitals that scan other things in other ways: each alone, pooled, FedAvg and FedProx; NRMSE of U at all.

    python -m tests.benchmarks.federated_sites out/federated_sites --judge test

Each subject has a scan of its own, simulated and gated, whose operators show a random body of the hospital's kind
(:mod:`recon.simulation.pairs`); a small mDCN learns from back-projection and truth. All trainings see each pair equally
often. What was made lies in the folder and is used again; a federation that was interrupted goes on. Settings are
chosen by validation scans, from which no network learns; test scans are of other subjects and looked at once.
"""

import argparse
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from nets.data.pair_files import Pair, write_pair
from nets.data.pairs import PairsData
from nets.federated.coordinator_app import coordinated
from nets.federated.instructions import Federation, Site
from nets.federated.local_training import made
from nets.federated.updates import state_of
from nets.training.export import figures_of
from tests.support.federation import HereGrid

RECIPE = Path(__file__).parents[2] / "configs/train/multitasking_mdcn.yaml"
_RANK = 8


@dataclass(frozen=True)
class Hospital:
    """What is scanned, and how."""

    kind: str
    preset: str
    snr: float
    protocol: dict[str, Any]


HOSPITALS = {
    "A": Hospital("short_axis", "tiny", 40.0, {"duration_s": 24.0}),
    "B": Hospital("abdomen", "plain", 5.0, {"duration_s": 1.2, "flip_angle_deg": 8.0}),
    "C": Hospital("brain", "tiny", 15.0, {"duration_s": 6.0, "matrix": 48, "samples": 96, "fov_mm": 230.0}),
}
"""Hearts in long scans with weak streaks; abdomens in a second without inversions, noisy; heads in short scans."""

COUNTS = {"train": 6, "validation": 3, "test": 5}
_FIRST = {"train": 0, "validation": 100, "test": 500}
"""Of the subjects' numbers at a site; a site's own begin at 10,000 times its place."""


def make(folder: Path, name: str, number: int, split: str) -> None:
    path = folder / name / split / f"simulated-{name}{number}-0.h5"
    if path.exists():
        return
    from gadgets.datasets.contents import content_of
    from gadgets.datasets.courses import simulated_course
    from gadgets.multitasking.parameters import MultitaskingParameters
    from gadgets.simulated.radial import PRESETS
    from recon.simulation.pairs.maker import PairMaker

    hospital = HOSPITALS[name]
    protocol = replace(PRESETS[hospital.preset], **hospital.protocol)
    given = {"rank": _RANK, "temporal_model": "realtime", "images": ("basis_maps",)}
    rng = np.random.default_rng(number)
    maker = PairMaker(simulated_course(protocol, MultitaskingParameters(**given), number), rng, memory_bytes=2**30)
    pair = maker.pair(content_of(hospital.kind, number, 2 * protocol.matrix), hospital.snr, rng)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}")
    attributes = {"label": "truth", "subject": f"{name}{number}", "spokes": len(maker.course.trajectory)}
    write_pair(partial, Pair(pair.back_projection, pair.label, attributes))
    partial.rename(path)


MU = 0.01


def make_pairs(folder: Path) -> None:
    """Pairs of each site; ``pooled`` links all, and each test is that of all sites."""
    for place, name in enumerate(HOSPITALS, 1):
        for split, count in COUNTS.items():
            for number in range(count):
                make(folder, name, 10_000 * place + _FIRST[split] + number, split)
    for split in COUNTS:
        (folder / "pooled" / split).mkdir(parents=True, exist_ok=True)
        for name in HOSPITALS:
            for path in sorted((folder / name / split).glob("simulated-*.h5")):
                link = folder / "pooled" / split / path.name
                if not link.exists():
                    link.symlink_to(path.resolve())


@dataclass(frozen=True)
class Length:
    """Of all trainings alike: each sees each pair in so many epochs."""

    rounds: int
    epochs: int

    @property
    def steps(self) -> int:
        """Of one site: 2 crops of each pair, in batches of 2."""
        return self.rounds * self.epochs * COUNTS["train"]


def recipe(folder: Path, pairs: str, steps: int) -> tuple[str, ...]:
    return (
        f"--config={RECIPE}",
        f"--model.network={{rank: {_RANK}, growth: 16, blocks: 2}}",
        f"--model.steps={steps}",
        f"--data.folder={folder / pairs}",
        f"--data.rank={_RANK}",
        "--data.size=48",
        "--trainer.accelerator=cpu",
        "--trainer.enable_progress_bar=false",
        "--trainer.enable_model_summary=false",
        "--trainer.check_val_every_n_epoch=1000",
        "--trainer.logger=false",
    )


def trained(folder: Path, pairs: str, steps: int) -> torch.nn.Module:
    """The ordinary training."""
    command = made([*recipe(folder, pairs, steps), f"--trainer.default_root_dir={folder / 'runs' / pairs}"])
    command.trainer.fit(command.model, datamodule=command.datamodule)
    return command.model.network


def federated(folder: Path, length: Length, proximal: float) -> torch.nn.Module:
    """A federation of all sites, which goes on where it was."""
    own = folder / "runs" / f"mu-{proximal:g}-{length.rounds}x{length.epochs}"
    recipes = {name: recipe(folder, name, length.steps) for name in HOSPITALS}
    sites = [Site(arguments, str(own / name)) for name, arguments in recipes.items()]
    told = Federation(
        recipes["A"], str(own / "hub"), length.rounds, len(sites), epochs=length.epochs, proximal=proximal
    )
    path = coordinated(HereGrid(sites), told)
    return made([*recipes["A"], f"--model.weights={path}"]).model.network


def judged(folder: Path, weights: dict[str, Tensor], split: str) -> dict[str, float]:
    """NRMSE over the scans of each site, and the mean of the sites."""
    command = made(recipe(folder, "pooled", 1))
    command.model.network.load_state_dict(weights)
    found = {}
    for name in HOSPITALS:
        data = PairsData(str(folder / name), rank=_RANK)
        if split == "test":
            data.val_dataloader = data.test_dataloader  # type: ignore[method-assign]  # figures are of validation
        figures = figures_of(command.model, data)
        found[name], found[f"{name} input"] = figures["val_nrmse"], figures["val_input_nrmse"]
    found["all"] = sum(found[name] for name in HOSPITALS) / len(HOSPITALS)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", help="Some of the trainings, to run them side by side.")
    parser.add_argument("--rounds", type=int, default=80)
    parser.add_argument("--epochs", type=int, default=2, help="Of a round; the other trainings are as long as all.")
    parser.add_argument("--judge", choices=("validation", "test"), default="validation", help="On which scans.")
    given = parser.parse_args(arguments)
    folder, length = given.folder.resolve(), Length(given.rounds, given.epochs)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    torch.set_num_threads(1)
    make_pairs(folder)
    one, several = f"{length.rounds * length.epochs}", f"{length.rounds}x{length.epochs}"
    makers: dict[str, tuple[str, Callable[[], torch.nn.Module]]] = {
        **{f"{name} alone": (one, partial(trained, folder, name, length.steps)) for name in HOSPITALS},
        "pooled": (one, partial(trained, folder, "pooled", length.steps * len(HOSPITALS))),
        "FedAvg": (several, partial(federated, folder, length, 0.0)),
        "FedProx": (several, partial(federated, folder, length, MU)),
    }
    results = {}
    for name, (epochs, maker) in makers.items():
        path = folder / f"{name} {epochs}.safetensors"
        if not path.exists() and given.only and name not in given.only:
            continue
        if not path.exists():
            save_file(state_of(maker()), path)
        results[name] = judged(folder, load_file(path), given.judge)
    (folder / f"{several} {given.judge}.json").write_text(json.dumps(results, indent=1))
    tell(results)


def tell(results: dict[str, dict[str, float]]) -> None:
    first = next(iter(results.values()))
    inputs = {name: first[f"{name} input"] for name in HOSPITALS}
    results["back-projection"] = {**inputs, "all": sum(inputs.values()) / len(inputs)}
    pooled = results.get("pooled", {"all": float("nan")})["all"]
    print(f"{'NRMSE of U':16}" + "".join(f"{name:>10}" for name in (*HOSPITALS, "all", "/ pooled")))
    for name, row in results.items():
        values = [row[column] for column in (*HOSPITALS, "all")] + [row["all"] / pooled]
        print(f"{name:16}" + "".join(f"{value:10.4f}" for value in values))


if __name__ == "__main__":
    main()
