"""What all trainings have in common: a network of the registry, and loss, schedule and metrics that a recipe names."""

from collections.abc import Sequence
from typing import Any

import lightning
import torch
from torch import Tensor, nn

from nets.training.losses import LOSSES, METRICS, named
from nets.training.schedules import SCHEDULES, scheduled
from nets.weights import starting_network

Batch = Sequence[Tensor]
"""Input, label, and what a task has beside."""


class EndlessTrainingError(ValueError):
    """A recipe does not say when its training ends."""


class Training(lightning.LightningModule):
    """From an image to an image: a loss between the network's output and the label, and Adam.

    A task that needs no more is a recipe with this class and its own data. Another one overrides :meth:`penalty`, or
    :meth:`judged`.

    Parameters
    ----------
    architecture : str
        Name in the registry.
    network : dict of str to object, optional
        Hyper-parameters that differ from the registry's.
    learning_rate : float
    loss : str
        One of :data:`nets.training.losses.LOSSES`.
    schedule : str
        One of :data:`nets.training.schedules.SCHEDULES`.
    steps : int, optional
        The training ends after so many, however many files there are; None: as the trainer is told.
    metrics : sequence of str
        Of :data:`nets.training.losses.METRICS`; validation logs each as ``val_NAME``, and that of the input as
        ``val_input_NAME``.
    weights : str, optional
        Start from this file (.safetensors) of the same architecture and hyper-parameters.
    intended_input : str
        What the network must be given, for the model card.
    """

    def __init__(
        self,
        architecture: str,
        network: dict[str, Any] | None = None,
        learning_rate: float = 1e-4,
        loss: str = "l1",
        schedule: str = "constant",
        steps: int | None = None,
        metrics: Sequence[str] = ("l1", "psnr"),
        weights: str | None = None,
        intended_input: str = "",
    ) -> None:
        super().__init__()
        self.save_hyperparameters(ignore=["turns"])  # checkpoints are read without pickle
        self.architecture, self.network_config, self.started_from = architecture, network or {}, weights
        self.network: nn.Module = starting_network(architecture, self.network_config, weights)
        self.learning_rate, self.loss = learning_rate, named(LOSSES, "loss", loss)
        self.metrics = {name: named(METRICS, "metric", name) for name in metrics}
        named(SCHEDULES, "schedule", schedule)  # told now, not when the training starts
        self.schedule, self.steps, self.intended_input = schedule, steps, intended_input

    @property
    def has_end(self) -> bool:
        """Whether the recipe says after how many steps the training ends."""
        return self.steps is not None

    def setup(self, stage: str) -> None:
        """Refuse a training without an end.

        Raises
        ------
        EndlessTrainingError
            If neither the recipe nor the trainer knows one.
        """
        if stage != "fit":
            return
        if not self.has_end and self.trainer.max_epochs == -1 and self.trainer.max_steps == -1:
            raise EndlessTrainingError(
                "the recipe does not say when training ends; set model.steps (of a GAN, model.turns.generator_steps)"
            )
        self.trainer.datamodule.describe()  # type: ignore[attr-defined]  # what the card will say: it may lack files

    @property
    def steps_done(self) -> int:
        """Steps that the network has learned in."""
        return int(self.trainer.global_step)

    @property
    def total_steps(self) -> int:
        """Steps after which the training ends."""
        return self.steps or int(self.trainer.estimated_stepping_batches)

    def preprocessing(self, data: Any) -> dict[str, Any]:
        """What inference must do, for the model card."""
        return data.preprocessing()

    def error(self, estimate: Tensor, batch: Batch) -> Tensor:
        """The loss of an estimate."""
        return self.loss(estimate, batch[1])

    def penalty(self, estimate: Tensor, batch: Batch) -> Tensor | float:
        """What is minimised beside the loss."""
        return 0.0

    def training_step(self, batch: Batch, number: int) -> Tensor:
        """Loss and penalty of a batch."""
        estimate = self.network(batch[0])
        error = self.error(estimate, batch)
        self.log("train_loss", error, on_step=False, on_epoch=True, prog_bar=True, sync_dist=True)
        return error + self.penalty(estimate, batch)

    @property
    def is_over(self) -> bool:
        """Whether all steps are done."""
        return self.steps is not None and self.steps_done >= self.steps

    def on_train_start(self) -> None:
        """Take no step of a training that is resumed after its end."""
        if self.is_over:
            self.trainer.should_stop = True

    def on_train_batch_end(self, *_: Any) -> None:
        """End the training after its steps; the epoch's validation still runs."""
        if self.is_over:
            self.trainer.should_stop = True

    def finish(self) -> None:
        """Complete the weights that are to be written, as statistics of all training data."""

    def judged(self, batch: Batch) -> dict[str, Tensor]:
        """Figures of one validation image."""
        return self.compared(self.network(batch[0]), *batch[:2])

    def compared(self, estimate: Tensor, shown: Tensor, label: Tensor) -> dict[str, Tensor]:
        """The metrics of an estimate, and of the input where that is an image alike."""
        figures = {name: metric(estimate, label) for name, metric in self.metrics.items()}
        if shown.shape == label.shape:
            figures |= {f"input_{name}": metric(shown, label) for name, metric in self.metrics.items()}
        return figures

    def validation_step(self, batch: Batch, number: int) -> None:
        """Log the figures of an image as ``val_NAME``."""
        self._log_judged("val", batch)

    def test_step(self, batch: Batch, number: int) -> None:
        """Log the figures of an image as ``test_NAME``."""
        self._log_judged("test", batch)

    def _log_judged(self, split: str, batch: Batch) -> None:
        figures = {f"{split}_{name}": value for name, value in self.judged(batch).items()}
        self.log_dict(figures, batch_size=1, prog_bar=True, sync_dist=True)

    def configure_optimizers(self) -> Any:
        """Adam for all weights, with its schedule."""
        return scheduled(torch.optim.Adam(self.parameters(), lr=self.learning_rate), self.schedule, self.total_steps)
