"""Three sites of different protocols: each alone, pooled, FedAvg and FedProx; NRMSE of U on the scans of all sites.

    python -m tests.benchmarks.federated_sites out/federated_sites

Simulated scans (8 s, realtime basis) become pairs of back-projection and true spatial factor, as malibu prepare-pairs
makes them; a small mDCN learns from them. All trainings see each pair equally often. What was made lies in the folder
and is used again. Seeds were chosen before the first run: subjects from 1000, 2000 and 3000 on, training seed 1.
"""

import argparse
import json
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from nets.data.pair_files import write_pair
from nets.data.pairs import PairsData
from nets.federated.coordinator_app import coordinated
from nets.federated.instructions import Federation, Site
from nets.federated.local_training import made
from nets.training.export import figures_of
from tests.support.federation import HereGrid

RECIPE = Path(__file__).parents[2] / "configs/train/multitasking_mdcn.yaml"
_RANK = 8
PROTOCOLS: dict[str, dict[str, Any]] = {
    "A": {"matrix": 64, "samples": 128, "snr": 20.0, "duration_s": 8.0},
    "B": {"matrix": 48, "samples": 96, "snr": 8.0, "duration_s": 8.0, "flip_angle_deg": 8.0},
    "C": {
        **{"matrix": 80, "samples": 160, "snr": 40.0, "duration_s": 8.0, "flip_angle_deg": 3.5},
        "inversion_efficiency": 0.8,
    },
}
"""Matrix, SNR and contrast (flip angle, inversion) differ; undersampling follows the matrix."""

COUNTS = {"train": 12, "validation": 1, "test": 5}
EPOCHS, MU = 2, 0.01
ROUND_STEPS = EPOCHS * COUNTS["train"]
"""Of one site: 2 crops of each pair, in batches of 2."""


def make(folder: Path, name: str, number: int, split: str) -> None:
    path = folder / name / split / f"simulated-{name}{number}-0.h5"
    if path.exists():
        return
    from gadgets.datasets.pairs import simulated_pair
    from gadgets.multitasking.parameters import MultitaskingParameters
    from gadgets.simulated.radial import PRESETS

    torch.set_num_threads(1)
    path.parent.mkdir(parents=True, exist_ok=True)
    given = {"rank": _RANK, "temporal_model": "realtime", "images": ("basis_maps",)}
    pair = simulated_pair(replace(PRESETS["tiny"], **PROTOCOLS[name]), number, MultitaskingParameters(**given))
    partial = path.with_name(f".{path.name}")
    write_pair(partial, replace(pair, attributes={**pair.attributes, "subject": f"{name}{number}"}))
    partial.rename(path)


def make_pairs(folder: Path) -> None:
    """Pairs of each site; ``pooled`` links all, and each test is that of all sites."""
    with ProcessPoolExecutor(2) as pool:
        jobs = []
        for place, name in enumerate(PROTOCOLS, 1):
            splits = [split for split, count in COUNTS.items() for _ in range(count)]
            jobs += [
                pool.submit(make, folder, name, 1000 * place + number, split) for number, split in enumerate(splits)
            ]
        for job in jobs:
            job.result()
    for split in COUNTS:
        (folder / "pooled" / split).mkdir(parents=True, exist_ok=True)
        for name in PROTOCOLS:
            for path in sorted((folder / name / split).glob("simulated-*.h5")):
                link = folder / "pooled" / split / path.name
                if not link.exists():
                    link.symlink_to(path.resolve())


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


def federated(folder: Path, name: str, proximal: float, rounds: int) -> torch.nn.Module:
    sites = [Site(recipe(folder, site, rounds * ROUND_STEPS), str(folder / name / f"site{site}")) for site in PROTOCOLS]
    hub = folder / name / f"hub-{int(time.time())}"
    told = Federation(
        recipe(folder, "A", rounds * ROUND_STEPS), str(hub), rounds, len(sites), epochs=EPOCHS, proximal=proximal
    )
    path = coordinated(HereGrid(sites), told)
    command = made([*recipe(folder, "A", rounds * ROUND_STEPS), f"--model.weights={path}"])
    return command.model.network


def judged(folder: Path, network: torch.nn.Module) -> dict[str, float]:
    """NRMSE over the test scans of each site, and of all."""
    command = made(recipe(folder, "pooled", 1))
    command.model.network.load_state_dict(network.state_dict())
    found = {}
    for name in PROTOCOLS:
        data = TestPairs(str(folder / name), rank=_RANK)
        figures = figures_of(command.model, data)
        found[name], found[f"{name} input"] = figures["val_nrmse"], figures["val_input_nrmse"]
    found["all"] = sum(found[name] for name in PROTOCOLS) / len(PROTOCOLS)
    return found


class TestPairs(PairsData):
    """Judges on the test scans."""

    __test__ = False

    def val_dataloader(self) -> torch.utils.data.DataLoader:
        return self.test_dataloader()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", help="Some of the trainings, to run them side by side.")
    parser.add_argument("--rounds", type=int, default=8, help="Of two epochs; the other trainings are as long.")
    given = parser.parse_args(arguments)
    folder = given.folder.resolve()
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    make_pairs(folder)
    steps = given.rounds * ROUND_STEPS
    makers: dict[str, Callable[[], torch.nn.Module]] = {
        **{f"only {name}": partial(trained, folder, name, steps) for name in PROTOCOLS},
        "pooled": lambda: trained(folder, "pooled", steps * len(PROTOCOLS)),
        "FedAvg": lambda: federated(folder, "fedavg", 0.0, given.rounds),
        "FedProx": lambda: federated(folder, "fedprox", MU, given.rounds),
    }
    results = {}
    for name, maker in makers.items():
        path = folder / f"{name}.json"
        if not path.exists():
            if given.only and name not in given.only:
                continue
            path.write_text(json.dumps(judged(folder, maker())))
        results[name] = json.loads(path.read_text())
    if len(results) == len(makers):
        tell(results)


def tell(results: dict[str, dict[str, float]]) -> None:
    inputs = {name: results["pooled"][f"{name} input"] for name in PROTOCOLS}
    results["back-projection"] = {**inputs, "all": sum(inputs.values()) / len(inputs)}
    print(f"{'NRMSE of U':16}" + "".join(f"{name:>10}" for name in (*PROTOCOLS, "all", "/ pooled")))
    for name, row in results.items():
        values = [row[column] for column in (*PROTOCOLS, "all")] + [row["all"] / results["pooled"]["all"]]
        print(f"{name:16}" + "".join(f"{value:10.4f}" for value in values))


if __name__ == "__main__":
    main()
