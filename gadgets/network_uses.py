"""What becomes of each network architecture: recipes that train it, gadgets that run it."""

import re
from collections.abc import Iterable
from importlib.resources import files
from typing import Any

_OF_GADGETS = {
    "MultitaskingGadget": ("Multitasking spatial factor",),
    "SuperResolutionGadget": ("super-resolution",),
    "AslGadget": ("ASL denoising",),
    "PerivascularGadget": ("perivascular spaces", "srcnn", "vdsr"),
    "SegmentationGadget": ("abdominal segmentation",),
}
"""Tasks of the registry of architectures, up to a comma, and names of architectures that a gadget loads beside them."""

_NAMED = re.compile(r"^ +(?:architecture|discriminator): *(\w+)", re.MULTILINE)
_UNNAMED = {
    re.compile(r"^ +gan: dragan\b", re.MULTILINE): {"dragan_discriminator"},
    re.compile(r"^ +class_path: .*\.SpadeTraining$", re.MULTILINE): {"spade", "spade_critic"},
}
"""What recipes train without naming it, since it is the default. YAML's reader comes with training."""


def recipes_by_architecture() -> dict[str, list[str]]:
    """Names of the recipes of ``configs/train`` by the architectures that they train."""
    found: dict[str, list[str]] = {}
    recipes = files("gadgets") / "configs" / "train"
    for path in sorted(recipes.iterdir(), key=lambda path: path.name):
        text = path.read_text(encoding="utf-8")
        defaults = (names for mark, names in _UNNAMED.items() if mark.search(text))
        for name in {*_NAMED.findall(text)}.union(*defaults):
            found.setdefault(name, []).append(path.name.removesuffix(".yaml"))
    return found


def with_uses(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add to each architecture how it is trained and where it runs.

    Parameters
    ----------
    rows : iterable of dict
        From :func:`nets.catalogue.network_rows`.

    Returns
    -------
    list of dict
        With ``recipes``: those that name it; ``training``: ``recipe``, ``alike`` where a recipe of the same task takes
        it as model.architecture, or None; and ``gadgets``.
    """
    recipes, known = recipes_by_architecture(), list(rows)
    trained = {_task(row) for row in known if recipes.get(row["name"])}
    found = []
    for row in known:
        named = recipes.get(row["name"], [])
        training = "recipe" if named else "alike" if _task(row) in trained else None
        gadgets = [gadget for gadget, of in _OF_GADGETS.items() if {_task(row), row["name"]} & set(of)]
        found.append({**row, "recipes": named, "training": training, "gadgets": gadgets})
    return found


def _task(row: dict[str, Any]) -> str:
    return str(row["task"]).partition(",")[0]
