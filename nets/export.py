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

from nets.weights import ModelCard, card_config, read_card, save_weights

log = logging.getLogger(__name__)

_LOSSES = ("train_l1", "train_loss", "train_adversarial", "train_d", "train_f", "train_f_accuracy", "train_critic")
_ERRORS = ("val_nrmse", "val_input_nrmse", "val_psnr", "val_input_psnr")


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
        if not trainer.is_global_zero:
            return
        best = _best_checkpoint(trainer)
        if best is not None and self.best:
            state = torch.load(best, map_location="cpu", weights_only=True)["state_dict"]
            pl_module.load_state_dict(state)
        save_weights(self.path, pl_module.network, self._card(trainer, pl_module), self.half)  # type: ignore[arg-type]
        write_log(self.path.with_suffix(".csv"), self.rows)
        draw_log(self.path.with_suffix(".png"), self.rows)
        log.info("wrote %s with its log", self.path)

    def _card(self, trainer: lightning.Trainer, training: Any) -> ModelCard:
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        last = self.rows[-1] if self.rows else {}
        callback: Any = trainer.checkpoint_callback
        judged_by, sign = getattr(callback, "monitor", None) or "val_l1", -1 if _wants_more(callback) else 1
        best = min(self.rows, key=lambda row: sign * row.get(judged_by, float("inf") * sign), default={})
        taken = best if self.best else last
        return ModelCard(
            architecture=training.architecture,
            config=card_config(training.architecture, training.network_config),
            intended_input=training.intended_input,
            training_data=_lineage(data.describe(), training.hparams.get("weights")),
            seed=int(data.seed),
            metrics={name: value for name, value in taken.items() if name.startswith(("val", "step"))},
            preprocessing=training.preprocessing(data),
            version=_version(),
        )


def _lineage(described: str, started_from: str | None) -> str:
    """What was trained on, and what the weights that the training started from were trained on."""
    return f"{described}; before that: {read_card(Path(started_from)).training_data}" if started_from else described


def _version() -> str:
    try:
        return version("malibu")
    except PackageNotFoundError:
        return "0+unknown"


def _wants_more(callback: Any) -> bool:
    return getattr(callback, "mode", "min") == "max"


def _best_checkpoint(trainer: lightning.Trainer) -> str | None:
    callback = trainer.checkpoint_callback
    path = callback.best_model_path if isinstance(callback, ModelCheckpoint) else ""
    return path or None


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
    for axes, names in ((loss, _LOSSES), (error, _ERRORS)):
        for name in [name for name in names if any(name in row for row in rows)]:
            known = [row for row in rows if name in row]
            axes.plot([row["step"] for row in known], [row[name] for row in known], label=name)
        axes.set_xlabel("step")
        axes.legend()
    figure.savefig(path, dpi=110)
