"""Recipes run on tiny data with tiny networks, each in its own folder."""

import csv
import os
from pathlib import Path
from typing import Any

import torch
import yaml

from nets.architectures.registry import build
from nets.data import SPLITS
from nets.data.volume_files import Volume, write_volume
from nets.training.__main__ import main
from nets.weights import ModelCard, card_config, save_weights
from tests.support.masked_pairs import fill_masked_pairs
from tests.support.pairs import fill
from tests.support.perfusion_slices import fill_guided_slices, fill_slices
from tests.support.replays import ROOT

ALL_RECIPES = sorted((ROOT / "configs/train").glob("*.yaml"))
STREAMED = [path for path in ALL_RECIPES if "gadgets.datasets.streams" in path.read_text()]
"""Their pairs are made meanwhile: tests of streams run them."""
ORGANS = [path for path in ALL_RECIPES if "nets.data.organs" in path.read_text()]
"""Their data are labels: tests of organs run them."""
RECIPES = [path for path in ALL_RECIPES if path not in STREAMED + ORGANS]
SMALL: dict[str, dict[str, Any]] = {
    "mdcn": {"rank": 4, "growth": 4, "blocks": 2},
    "dense_unet": {"inputs": 8, "outputs": 8, "growth": 4, "units": 2, "levels": 2},
    "mdcsrn": {"blocks": 2, "units": 1, "growth": 2},
    "mdcsrn_attention": {"blocks": 2, "units": 1, "growth": 2},
    "dcsrn": {"growth": 2, "units": 1},
    "dcdensenet": {"blocks": 1, "layers": 2, "growth": 4, "bottleneck": 2},
    "rrdg": {"blocks": 1, "width": 4, "growth": 2},
    "dwan": {"width": 4, "wide": 6, "dilations": [1, 2]},
    "dwan_guided": {"width": 4, "wide": 6, "dilations": [1, 2]},
}
JUDGES: dict[str, dict[str, Any]] = {
    "discriminator": {"patch": [32, 32, 32], "width": 2, "hidden": 4},
    "dragan_discriminator": {"patch": [32, 32, 32], "width": 2, "hidden": 4},
    "patch_critic": {"width": 2},
}
QUIET = (
    "--trainer.accelerator=cpu",
    "--trainer.enable_progress_bar=false",
    "--trainer.enable_model_summary=false",
    "--data.workers=0",
)


def fill_volumes(folder: Path) -> Path:
    """Small volumes of two domains and of many together, one for each split."""
    for number, domain in enumerate(("coronary", "brain", "joint")):
        for place, split in enumerate(SPLITS):
            (folder / domain / split).mkdir(parents=True)
            seed = 10 * number + place
            voxels = torch.rand(32, 33, 34, generator=torch.Generator().manual_seed(seed)) + number
            path = folder / domain / split / f"simulated-{domain}-{place:06d}.h5"
            write_volume(path, Volume(voxels, {"domain": domain}))
    return folder


def save_start(path: Path, architecture: str, seed: int = 5) -> Path:
    """Untrained small weights, random everywhere, to start from."""
    torch.manual_seed(seed)
    network = build(architecture, SMALL[architecture])
    for weight in network.parameters():
        if weight.ndim > 1:
            torch.nn.init.kaiming_normal_(weight)
    factors = {"factors": [[4, 4, 1]]}
    card = ModelCard(architecture, card_config(architecture, SMALL[architecture]), "tests", "none", 0)
    save_weights(path, network, card if architecture in ("mdcn", "dense_unet") else _with(card, factors))
    return path


def _with(card: ModelCard, preprocessing: dict[str, Any]) -> ModelCard:
    card.preprocessing.update(preprocessing)
    return card


def settings_of(recipe: Path) -> dict[str, Any]:
    return yaml.safe_load(recipe.read_text())


def shrunk(recipe: Path, folder: Path) -> list[str]:
    """Arguments that make a recipe small; data and ``start.safetensors`` are put into the folder."""
    settings = settings_of(recipe)
    model, data = settings["model"]["init_args"], settings["data"]["init_args"]
    architecture = model.get("architecture", model.get("generator", "mdcsrn"))
    start = save_start(folder / "start.safetensors", architecture)
    arguments = [f"--config={recipe}", *QUIET, f"--model.weights={start}", "--data.batch_size=1"]
    if settings["data"]["class_path"].endswith("PerfusionSlicesData"):
        folder_of_slices = fill_slices(folder / "perfusion")
        return [*arguments, f"--data.folder={folder_of_slices}", f"--model.network={SMALL[architecture]}"]
    if settings["data"]["class_path"].endswith("GuidedSlicesData"):
        folder_of_slices = fill_guided_slices(folder / "perfusion-guided")
        return [*arguments, f"--data.folder={folder_of_slices}", f"--model.network={SMALL[architecture]}"]
    if "folder" in data:
        fill(folder / "pairs")
        return [*arguments, "--data.rank=4", f"--model.network={SMALL[architecture]}"]
    if "label" in data:
        fill_masked_pairs(folder / "pairs/perivascular")
        small = ["--data.patch=[16,16,16]", "--data.patches_per_volume=1"]
        return [*arguments, *small, f"--model.network={SMALL[architecture]}"]
    fill_volumes(folder / "volumes")
    arguments += ["--data.patch=[32,32,32]", "--data.patches_per_volume=1"]
    if "gan" not in model:
        return [*arguments, f"--model.network={SMALL[architecture]}"]
    judge = {**model["discriminator_config"], **JUDGES[model.get("discriminator", "dragan_discriminator")]}
    arguments += [f"--model.generator_config={SMALL[architecture]}", f"--model.discriminator_config={judge}"]
    return arguments + ([f"--model.first_stage={start}"] if model.get("first_stage") else [])


def steps(recipe: Path, count: int) -> list[str]:
    """Arguments that end the training after so many steps of the network; of a GAN's critic, one more."""
    if "gan" not in settings_of(recipe)["model"]["init_args"]:
        return [f"--model.steps={count}"]
    turns = {"warm_up": 1, "per_generator": 1, "extra_every": 0, "extra": 0, "generator_steps": count}
    return [f"--model.turns.{name}={value}" for name, value in turns.items()]


def run_in(folder: Path, arguments: list[str], command: str = "fit") -> None:
    """Run the training command with ``folder`` as the working directory."""
    before = Path.cwd()
    folder.mkdir(exist_ok=True)
    os.chdir(folder)
    try:
        main([command, *arguments])
    finally:
        os.chdir(before)


def exported(folder: Path, name: str) -> Path:
    return folder / "runs" / name / f"{name}.safetensors"


def log_of(folder: Path, name: str) -> dict[str, list[float]]:
    with exported(folder, name).with_suffix(".csv").open() as file:
        rows = list(csv.DictReader(file))
    return {column: [float(row[column]) for row in rows] for column in rows[0]}
