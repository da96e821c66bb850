"""What ``malibu nets`` tells about architectures and weights."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nets.architectures.registry import ARCHITECTURES, outline, receptive_field, weight_count
from nets.weights import all_shipped, outlined, read_card


def network_rows() -> list[dict[str, Any]]:
    """One row per architecture, with the registry's default hyper-parameters; the licence is that of malibu's code."""
    shipped: dict[str, list[str]] = {}
    for path in all_shipped():
        shipped.setdefault(read_card(path).architecture, []).append(path.name)
    rows = []
    for name, entry in ARCHITECTURES.items():
        network = outline(name)
        rows.append(
            {
                "name": name,
                "parameters": weight_count(network),
                "receptive_field": receptive_field(network),
                "shipped_weights": " ".join(shipped.get(name, ())) or None,
                "licence": "MIT",
                "dims": entry.dims,
                "task": entry.task,
                "source": entry.source,
            }
        )
    return rows


def weight_rows(paths: Sequence[Path] | None = None) -> list[dict[str, Any]]:
    """One row per weights file: its model card, and its size.

    Parameters
    ----------
    paths : sequence of Path, optional
        Default: those that malibu ships.

    Raises
    ------
    WeightsError
        If a file cannot be read.
    """
    files = all_shipped() if paths is None else list(paths)
    rows = []
    for path in files:
        card, network = outlined(path)
        card_entries = {name: value for name, value in vars(card).items() if name != "config"}
        card_entries["preprocessing"] = _for_people(card.preprocessing)
        rows.append(
            {
                "file": path.name,
                "megabytes": round(path.stat().st_size / 1e6, 2),
                "parameters": weight_count(network),
                "receptive_field": receptive_field(network),
                **card_entries,
                "config": card.config,
            }
        )
    return rows


def _for_people(preprocessing: dict[str, Any]) -> dict[str, Any]:
    """Statistics of the training are hundreds of numbers: from how many pairs they are will do."""
    learnt = preprocessing.get("training_statistics")
    if not learnt:
        return preprocessing
    return preprocessing | {
        "training_statistics": {name: f"of {group['pairs']} pairs" for name, group in learnt.items()}
    }
