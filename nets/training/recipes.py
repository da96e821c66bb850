"""Recipes on their way to the command line: missing ones are named, those of older versions get today's form.

Until version 0.1 a recipe named a ``task``, which fixed the classes of training and data; augmentations were switches
of one class, and texture was a number.
"""

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

log = logging.getLogger(__name__)

_VOLUMES = "nets.data.volumes.VolumesData"
_TASKS = {
    "spatial_factor": ("nets.training.spatial_factor.SpatialFactorTraining", "nets.data.pairs.PairsData"),
    "super_resolution": ("nets.training.super_resolution.SuperResolutionTraining", _VOLUMES),
    "adversarial": ("nets.training.adversarial.GanTraining", _VOLUMES),
}
_AUGMENTATION = "nets.data.augmentation"


def complete(arguments: Sequence[str]) -> list[str]:
    """Check the recipes among the arguments, and replace those of older versions.

    Parameters
    ----------
    arguments : sequence of str
        ``--config PATH`` or ``--config=PATH``, several times perhaps, among others.

    Returns
    -------
    list of str

    Raises
    ------
    SystemExit
        If a recipe does not exist, or is of no known task.
    """
    words = [part for word in arguments for part in (word.split("=", 1) if word.startswith("--config=") else [word])]
    is_recipe = [False] + [word in ("--config", "-c") for word in words[:-1]]
    return [_checked(word) if recipe else word for word, recipe in zip(words, is_recipe, strict=True)]


def _checked(word: str) -> str:
    path = Path(word)
    if not path.is_file():
        sys.exit(f"the recipe {word} does not exist; those of the repository lie in configs/train")
    recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(recipe, dict) or "task" not in recipe:
        return word
    log.warning("%s names a task: it is of an older version, and read as if it named classes", word)
    return json.dumps(_translated(recipe))


def _translated(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Today's form of a recipe that names a task."""
    if recipe["task"] not in _TASKS:
        sys.exit(f"the recipe names the task {recipe['task']!r}; known are {', '.join(_TASKS)}: better name classes")
    training, data_class = _TASKS[recipe["task"]]
    data = dict(recipe.get("data", {}))
    if "texture" in data:
        texture = {"class_path": "nets.data.degradation.MeasuredTexture", "init_args": {"largest": data.pop("texture")}}
        data["degradations"] = [{"class_path": "nets.data.degradation.RandomPhase"}, texture]
    if "augmentation" in data:
        data["augmentations"] = _as_list(data.pop("augmentation"))
    rest = {name: value for name, value in recipe.items() if name not in ("task", "model", "data")}
    model = {"class_path": training, "init_args": recipe.get("model", {})}
    return {**rest, "model": model, "data": {"class_path": data_class, "init_args": data}}


def _as_list(switches: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The switches of older versions, with their defaults, as a list of augmentations."""
    known = {"rotations": True, "flips": True, "order": 0, "phase": "common", "sign": True, "coil_noise": 0.0}
    given = known | {"fewer_maps": 0.1} | dict(switches)
    found: list[tuple[Any, str, dict[str, Any]]] = [
        (given["rotations"], "QuarterTurns", {}),
        (given["flips"], "Flips", {"axes": 2}),
        (given["order"], "MapOrder", {"places": given["order"]}),
        (given["phase"] != "none", "MapPhase", {"of": "each" if given["phase"] == "each" else "all"}),
        (given["sign"], "MapSigns", {}),
        (given["coil_noise"], "CoilNoise", {"deviation": given["coil_noise"]}),
        (given["fewer_maps"], "FewerMaps", {"share": given["fewer_maps"]}),
    ]
    return [{"class_path": f"{_AUGMENTATION}.{name}", "init_args": values} for on, name, values in found if on]
