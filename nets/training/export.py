"""After training: the best weights with their model card, and the log as a small table and a picture."""

import csv
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from matplotlib.figure import Figure

from nets import __version__
from nets.architectures.rrdg import blend
from nets.weights import ModelCard, card_config, load_weights, read_card, save_weights

log = logging.getLogger(__name__)

_LOSSES = ("train_l1", "train_loss", "train_adversarial", "train_d", "train_f", "train_f_accuracy", "train_critic")
_ERRORS = ("val_nrmse", "val_input_nrmse", "val_psnr", "val_input_psnr")


class ExportWeights(lightning.Callback):
    """Write weights as safetensors when training ends.

    Parameters
    ----------
    path : str
        Path of the weights; ``NAME.csv`` and ``NAME.png`` with the log go beside them.
    half : bool
        Store in half precision.
    best : bool
        Take the checkpoint of the best validation, as the paper does; else the last weights: those of a schedule that
        ends at a learning rate of zero.
    start_share : float
        Share, in the weights that are written, of those that the training started from: the mean of both forgets less
        (Wortsman 2022, WiSE-FT). It is validated once more.
    """

    def __init__(self, path: str, half: bool = True, best: bool = True, start_share: float = 0.0) -> None:
        self.path, self.half, self.best, self.start_share = Path(path), half, best, start_share
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
        card = self._card(trainer, pl_module)
        started_from = pl_module.hparams.get("weights")
        if started_from and self.start_share:
            card = self._blended(trainer, pl_module, card, Path(started_from))
        save_weights(self.path, pl_module.network, card, self.half)  # type: ignore[arg-type]
        write_log(self.path.with_suffix(".csv"), self.rows)
        draw_log(self.path.with_suffix(".png"), self.rows)
        log.info("wrote %s with its log", self.path)

    def _blended(self, trainer: lightning.Trainer, training: Any, card: ModelCard, start: Path) -> ModelCard:
        before = load_weights(start).network.state_dict()
        after = {name: value.cpu() for name, value in training.network.state_dict().items()}
        training.network.load_state_dict(blend(before, after, self.start_share))
        judge = lightning.Trainer(
            accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False
        )
        (found,) = judge.validate(training, datamodule=trainer.datamodule, verbose=False)  # type: ignore[attr-defined]
        data = f"{card.training_data} (its weights have a share of {self.start_share:g})"
        return replace(card, training_data=data, metrics={"step": card.metrics["step"], **found})

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
            version=__version__,
        )


def _lineage(described: str, started_from: str | None) -> str:
    """What was trained on, and what the weights that the training started from were trained on."""
    return f"{described}; before that: {read_card(Path(started_from)).training_data}" if started_from else described


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
