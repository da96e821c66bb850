"""After training: the best weights with their model card, and the log as a small table and a picture."""

import csv
import logging
from pathlib import Path
from typing import Any, cast

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from matplotlib.figure import Figure
from torch import Tensor, nn

from nets import __version__
from nets.architectures.rrdg import blend
from nets.training.base import Training
from nets.weights import ModelCard, card_config, load_weights, read_card, save_weights

log = logging.getLogger(__name__)

_LOSSES = ("train_loss", "train_adversarial", "train_d", "train_f", "train_f_accuracy", "train_critic")
_ERRORS = ("val_nrmse", "val_input_nrmse", "val_psnr", "val_input_psnr", "val_distance", "val_dice")


class ExportWeights(lightning.Callback):
    """Write weights as safetensors when training ends; they are validated once more as they are written.

    Parameters
    ----------
    path : str
        Path of the weights; ``NAME.csv`` and ``NAME.png`` with the log go beside them.
    half : bool
        Store in half precision.
    best : bool
        Take the checkpoint of the best validation, as the papers of voxel-wise losses do; else the last weights: those
        of a schedule that ends at a learning rate of zero, or of a GAN, whose errors do not say how good it is.
    start_share : float
        Share, in the weights that are written, of those that the training started from: the mean of both forgets less
        (Wortsman 2022, WiSE-FT).
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
        self.rows.append({"epoch": trainer.current_epoch, "step": cast("Training", pl_module).steps_done, **values})

    @torch.no_grad()
    def on_fit_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write weights, table and picture."""
        if not trainer.is_global_zero:
            return
        training = cast("Training", pl_module)
        chosen, step = self._choose(trainer, training)
        training.finish()
        half = self.half and self._rounded(training.network)
        card = self._card(trainer, training, chosen, step)
        save_weights(self.path, training.network, card, half)
        write_log(self.path.with_suffix(".csv"), self.rows)
        draw_log(self.path.with_suffix(".png"), self.rows)
        log.info("wrote %s with its log: %s", self.path, chosen)

    def _choose(self, trainer: lightning.Trainer, training: Training) -> tuple[str, int]:
        """Load what is to be written into the network; say what it is, and after how many steps."""
        chosen, step = "the last weights", training.steps_done
        best = trainer.checkpoint_callback
        if self.best and isinstance(best, ModelCheckpoint) and best.best_model_path:
            checkpoint = torch.load(best.best_model_path, map_location="cpu", weights_only=True)
            training.load_state_dict(checkpoint["state_dict"])
            step = checkpoint["global_step"] if training.automatic_optimization else training.steps_done
            extreme = "greatest" if best.mode == "max" else "least"
            value = cast("Tensor", best.best_model_score)
            chosen = f"the weights of the {extreme} {best.monitor} ({value:.4g}) of {len(self.rows)} validations"
        if self.start_share and training.started_from:
            before = load_weights(Path(training.started_from)).network.state_dict()
            after = {name: value.cpu() for name, value in training.network.state_dict().items()}
            training.network.load_state_dict(blend(before, after, self.start_share))
            chosen += f", with a share of {self.start_share:g} of those at the start"
        return f"{chosen}, of step {step}", step

    def _rounded(self, network: nn.Module) -> bool:
        """Round weights to half precision, as they will be written and are to be validated; False if they overflow."""
        rounded = {
            name: value.half().to(value.dtype) if value.is_floating_point() else value
            for name, value in network.state_dict().items()
        }
        if not all(bool(torch.isfinite(value).all()) for value in rounded.values()):
            log.warning("half precision cannot hold the weights: they are written in full")
            return False
        network.load_state_dict(rounded)
        return True

    def _card(self, trainer: lightning.Trainer, training: Training, chosen: str, step: int) -> ModelCard:
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        metrics = {"step": float(step), **figures_of(training, data)}
        return card_of(training, data, metrics, chosen, _lineage(data.describe(), training.started_from))


def figures_of(training: Training, data: Any) -> dict[str, float]:
    """Judge a training's network on its validation samples."""
    judge = lightning.Trainer(
        accelerator=data.accelerator, logger=False, enable_progress_bar=False, enable_checkpointing=False
    )
    (found,) = judge.validate(training, datamodule=data, verbose=False)
    return dict(found)


def card_of(training: Training, data: Any, metrics: dict[str, float], chosen: str, trained_on: str) -> ModelCard:
    """What a user must know about the network of a training."""
    return ModelCard(
        architecture=training.architecture,
        config=card_config(training.architecture, training.network_config),
        intended_input=training.intended_input,
        training_data=trained_on,
        seed=int(data.seed),
        metrics=metrics,
        preprocessing=training.preprocessing(data),
        chosen=chosen,
        version=__version__,
    )


def _lineage(described: str, started_from: str | None) -> str:
    """What was trained on, and what the weights that the training started from were trained on."""
    return f"{described}; before that: {read_card(Path(started_from)).training_data}" if started_from else described


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
        if axes.lines:
            axes.legend()
    figure.savefig(path, dpi=110)
