"""What synthetic abdomens are worth: label fidelity, how it falls with fewer labels, and ALAMO trained with them.

    python tests/benchmarks/synthesis.py --folder /tmp/synthesis

Simulates abdomens, trains an ALAMO (configs/train/alamo.yaml, small) and a SPADE (configs/train/spade.yaml) on the same
ones, makes an image of each label map, and prints:

1. label fidelity: Dice of that ALAMO, one view, on synthetic images of held-out maps against the given labels, and on
   the real (simulated) images of the same maps;
2. the same slice by slice, by the share of the slice that has labels (organs that either has; empty slices: share of
   pixels that are outlined as an organ, though there is none);
3. Dice on held-out real (simulated) images of ALAMOs trained alike on real, on real and synthetic, and on synthetic
   images alone.

The dissertation prints no figure for any of it. The networks are small and their trainings short; SPADE's learning
rates are three times the printed ones for that.
"""

import argparse
import shutil
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from gadgets.datasets.labelled.labelled_subjects import abdomens, prepare_labelled
from gadgets.datasets.organs.synthetic_volumes import synthesise
from nets.data.organs.labelled_files import read_labelled
from nets.inference.organs.segmentation import OrganNetwork
from nets.inference.organs.synthesis import SliceSynthesis
from nets.training.__main__ import main as train
from nets.weights import read_card

ROOT = Path(__file__).parents[2]
QUIET = (
    "--trainer.enable_progress_bar=false",
    "--trainer.enable_model_summary=false",
    "--trainer.logger=false",
)


def trained(recipe: str, folder: Path, accelerator: str, *arguments: str) -> Path:
    """Weights of a recipe; those that are there already stay."""
    weights = folder / f"{recipe}.safetensors"
    if not weights.exists():
        start = time.perf_counter()
        config = f"--config={ROOT / 'configs/train' / recipe}.yaml"
        train(
            [
                "fit",
                config,
                *QUIET,
                f"--trainer.accelerator={accelerator}",
                f"--trainer.default_root_dir={folder}",
                *arguments,
            ]
        )
        print(f"{folder.name}: {time.perf_counter() - start:.0f} s", flush=True)
    return weights


def alamo(options: argparse.Namespace, name: str, data: list[Path]) -> Path:
    """A small ALAMO of the transversal view."""
    slices = options.slices
    network = {"inputs": slices, "outputs": 11 * slices, "growth": 8, "units": 3, "levels": 3, "deep_supervision": True}
    return trained(
        "alamo",
        options.folder.resolve() / name,
        options.accelerator,
        f"--model.network={network}",
        f"--model.steps={options.steps}",
        f"--data.slices={slices}",
        "--data.views=[1,0,0]",
        f"--data.folders={[str(each) for each in data]}",
    )


def dice(found: torch.Tensor, true: torch.Tensor, classes: int) -> list[float]:
    """Of each organ that either has."""
    values = []
    for organ in range(1, classes):
        one, other = found == organ, true == organ
        if one.any() or other.any():
            values.append(float(2 * (one & other).sum() / (one.sum() + other.sum())))
    return values


def outlined(weights: Path, paths: list[Path]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Found and true labels of each volume."""
    network = OrganNetwork(weights, views="one")
    volumes = [read_labelled(path) for path in paths]
    return [(network(volume.voxels).labels, volume.labels) for volume in volumes]


def mean_dice(weights: Path, paths: list[Path]) -> float:
    return float(np.mean([np.mean(dice(*pair, 11)) for pair in outlined(weights, paths)]))


def by_share(weights: Path, paths: list[Path]) -> None:
    """Print the Dice of slices by quarters of their labelled share, and what is found in empty ones."""
    shares, scores, invented = [], [], []
    for found, true in outlined(weights, paths):
        for one, other in zip(found, true, strict=True):
            share = float(other.ne(0).float().mean())
            if share:
                shares.append(share)
                scores.append(np.mean(dice(one, other, 11)))
            else:
                invented.append(float(one.ne(0).float().mean()))
    edges = np.quantile(shares, [0, 0.05, 0.25, 0.5, 0.75, 1])
    for low, high in pairwise(edges):
        chosen = [score for share, score in zip(shares, scores, strict=True) if low <= share <= high]
        print(f"   labels in {low:6.2%} to {high:6.2%} of the pixels: Dice {np.mean(chosen):.3f}, {len(chosen)} slices")
    if invented:
        print(f"   no label: {np.mean(invented):.2%} of the pixels outlined, {len(invented)} slices")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("synthesis"))
    parser.add_argument("--bodies", type=int, default=20, help="simulated; two tenths are held out")
    parser.add_argument("--shape", default="40x48x64")
    parser.add_argument("--spacing", type=float, default=5.0)
    parser.add_argument("--slices", type=int, default=8, help="of ALAMO's stacks")
    parser.add_argument("--steps", type=int, default=1500, help="of each ALAMO")
    parser.add_argument("--spade-steps", type=int, default=1500)
    parser.add_argument("--accelerator", default="cpu", help="of the trainings: cpu or gpu")
    options = parser.parse_args()
    folder = options.folder.resolve()
    real, made, alone = folder / "real", folder / "synthetic", folder / "alone"
    z, y, x = map(int, options.shape.split("x"))
    prepare_labelled(real, abdomens((options.spacing,) * 3), (z, y, x), 1000, options.bodies)
    judge = alamo(options, "trained_on_real", [real])
    network = {"width": 16, "blocks": [4, 4, 4, 2, 1], "hidden": 32, "latent": 32, "start": [y // 8, x // 8]}
    weights = trained(
        "spade",
        folder / "spade",
        options.accelerator,
        f"--model.network={network}",
        f"--model.segmentation={judge}",
        f"--model.steps={options.spade_steps}",
        "--model.generator_rate=3e-4",
        "--model.critic_rate=1.2e-3",
        f"--data.folders=[{real}]",
    )
    synthesis = SliceSynthesis(weights)
    for split in ("train", "validation", "test"):
        synthesise(sorted((real / split).glob("*.h5")), made / split, synthesis, 1)
    for split, source in (("train", made), ("validation", real), ("test", real)):
        shutil.copytree(source / split, alone / split, dirs_exist_ok=True)
    only_train = folder / "more"
    shutil.copytree(made / "train", only_train / "train", dirs_exist_ok=True)
    held_out = sorted((real / "test").glob("*.h5"))
    synthetic = sorted((made / "test").glob("*.h5"))
    print(f"{len(held_out)} held-out bodies of {options.shape} at {options.spacing:g} mm; ALAMO k=8, ", end="")
    print(f"{options.steps} steps, ", end="")
    print(f"one view; SPADE {options.spade_steps} steps, {torch.get_num_threads()} thread(s)")
    print(f"1. label fidelity: Dice {mean_dice(judge, synthetic):.3f} on synthetic images, ", end="")
    print(f"{mean_dice(judge, held_out):.3f} on the real ones")
    for name, paths in (("synthetic", synthetic), ("real", held_out)):
        print(f"2. by labelled share, {name} images:")
        by_share(judge, paths)
    rows = {
        "real": judge,
        "real and synthetic": alamo(options, "trained_on_both", [real, only_train]),
        "synthetic": alamo(options, "trained_on_synthetic", [alone]),
    }
    for name, path in rows.items():
        print(f"3. trained on {name}: Dice {mean_dice(path, held_out):.3f} on real held-out bodies")
        print(f"   card: {read_card(path).training_data}", flush=True)


if __name__ == "__main__":
    main()
