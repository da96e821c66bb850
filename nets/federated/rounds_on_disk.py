"""The coordinator's folder: weights after each round, complete or absent, so that a killed coordinator goes on."""

import json
import secrets
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from nets.federated.updates import Tensors

_KEPT = 2
"""Rounds that are kept: the last one, and the one before, should a disk lose the last."""


def write_round(folder: Path, number: int, weights: Tensors) -> None:
    """Write the weights after a round; the file appears under its name only when it is complete."""
    partial = folder / ".round.partial"
    save_file(dict(weights), partial)
    partial.replace(folder / f"round_{number:04d}.safetensors")
    for path in sorted(folder.glob("round_*.safetensors"))[:-_KEPT]:
        path.unlink()


def last_round(folder: Path) -> tuple[int, dict[str, Tensor]] | None:
    """Number and weights of the last round that is done; None before the first."""
    paths = sorted(folder.glob("round_*.safetensors"))
    return (int(paths[-1].stem.split("_")[1]), load_file(paths[-1])) if paths else None


def name_of(folder: Path) -> str:
    """Read the random name by which sites know a federation, made when its coordinator starts first."""
    path = folder / "federation.json"
    if not path.is_file():
        partial = folder / ".federation.partial"
        partial.write_text(json.dumps({"name": secrets.token_hex(16)}), encoding="utf-8")
        partial.replace(path)
    return str(json.loads(path.read_text(encoding="utf-8"))["name"])
