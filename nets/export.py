"""After training: the best weights with their model card, and the log as a small table and a picture."""

import csv
import logging
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from matplotlib.figure import Figure

from nets.data import PairsData
from nets.pairs import read_pair
from nets.training import SpatialFactorTraining
from nets.weights import ModelCard, card_config, save_weights

log = logging.getLogger(__name__)


class ExportWeights(lightning.Callback):
    """Write weights as safetensors when training ends.

    Parameters
    ----------
    path : str
        Of the weights; ``NAME.csv`` and ``NAME.png`` with the log go beside them.
    half : bool
        Store in half precision.
    best : bool
        Take the checkpoint of the best validation, as the paper does; else the last weights: those of a schedule that
        ends at a learning rate of zero.
    """

    def __init__(self, path: str, half: bool = True, best: bool = True) -> None:
        self.path, self.half, self.best = Path(path), half, best
        self.rows: list[dict[str, float]] = []

    def state_dict(self) -> dict[str, Any]:
        """Keep the log in the checkpoints, so that a resumed training has all of it."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the log of the training that is resumed."""
        self.rows = list(state_dict["rows"])

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Note the figures of the epoch."""
        values = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.rows.append({"epoch": trainer.current_epoch, "step": trainer.global_step, **values})

    @torch.no_grad()
    def on_fit_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write weights, table and picture."""
        if not trainer.is_global_zero or not isinstance(pl_module, SpatialFactorTraining):
            return
        best = _best_checkpoint(trainer)
        if best is not None and self.best:
            state = torch.load(best, map_location="cpu", weights_only=True)["state_dict"]
            pl_module.load_state_dict(state)
        save_weights(self.path, pl_module.network, self._card(trainer, pl_module), self.half)
        write_log(self.path.with_suffix(".csv"), self.rows)
        draw_log(self.path.with_suffix(".png"), self.rows)
        log.info("wrote %s with its log", self.path)

    def _card(self, trainer: lightning.Trainer, training: SpatialFactorTraining) -> ModelCard:
        data: Any = getattr(trainer, "datamodule", None)
        last = self.rows[-1] if self.rows else {}
        judged_by = getattr(trainer.checkpoint_callback, "monitor", None) or "val_l1"
        taken = min(self.rows, key=lambda row: row.get(judged_by, float("inf")), default={}) if self.best else last
        return ModelCard(
            architecture=training.architecture,
            config=card_config(training.architecture, training.network_config),
            intended_input="density-compensated back-projection U0 of a golden-angle radial Multitasking scan, real "
            "parts of all basis maps, then imaginary parts; instance-wise normalised",
            training_data=_describe(data),
            seed=int(data.seed) if isinstance(data, PairsData) else -1,
            metrics={name: value for name, value in taken.items() if name.startswith(("val", "step"))},
            preprocessing={"normalisation": "instance: mean and deviation of the input, also for the output"},
            version=_version(),
        )


def _version() -> str:
    try:
        return version("malibu")
    except PackageNotFoundError:
        return "0+unknown"


def _best_checkpoint(trainer: lightning.Trainer) -> str | None:
    callback = trainer.checkpoint_callback
    path = callback.best_model_path if isinstance(callback, ModelCheckpoint) else ""
    return path or None


def _describe(data: Any) -> str:
    """Say what was trained on, without naming anyone."""
    if not isinstance(data, PairsData):
        return "unknown"
    files = {split: data.files(split) for split in ("train", "validation")}
    subjects = {split: {path.name.rsplit("-", 1)[0] for path in found} for split, found in files.items()}
    labels = sorted({str(read_pair(found[0]).facts.get("label", "unknown")) for found in files.values()})
    simulated = sum(path.name.startswith("simulated-") for path in files["train"])
    return (
        f"{len(files['train'])} slices of {len(subjects['train'])} subjects ({simulated} simulated), validation "
        f"{len(files['validation'])} of {len(subjects['validation'])}; label: {' and '.join(labels)}"
    )


def write_log(path: Path, rows: list[dict[str, float]]) -> None:
    """Write one line per epoch."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        for row in rows:
            writer.writerow({name: f"{value:.6g}" for name, value in row.items()})


def draw_log(path: Path, rows: list[dict[str, float]]) -> None:
    """Draw training loss and validation error over the steps."""
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    loss, error = figure.subplots(1, 2)
    for axes, names in ((loss, ("train_l1",)), (error, ("val_nrmse", "val_input_nrmse"))):
        for name in names:
            known = [row for row in rows if name in row]
            axes.plot([row["step"] for row in known], [row[name] for row in known], label=name)
        axes.set_xlabel("step")
        axes.set_ylim(bottom=0)
        axes.legend()
    figure.savefig(path, dpi=110)
