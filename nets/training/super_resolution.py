"""Training of the super-resolution networks that minimise a voxel-wise loss (dissertation chapters 3 to 5)."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.optim.swa_utils import update_bn

from nets.architectures.blocks import BatchStatistics, batch_norms
from nets.training.base import Batch, Training
from nets.training.losses import measured_error, vessel_error

_MOMENTUM = 0.1
"""How fast running statistics follow those of a batch: torch's default."""

INTENDED_INPUT = "magnitude volume (z, y, x), zero-filled from the centre of its k-space; over its 99.9th percentile"


class SuperResolutionTraining(Training):
    """From zero-filled to full resolution. Batches are input, label and factors.

    Parameters
    ----------
    architecture, network, learning_rate, loss, schedule, steps, metrics, weights :
        As in :class:`nets.training.base.Training`; L2 is for DCSRN.
    measured_weight : float
        Beyond the paper: weight of :func:`~nets.training.losses.measured_error`. Without it, a network smooths what it
        has not seen in training, among the measured lines, too.
    vessel_weight : float
        Beyond the paper: weight of :func:`~nets.training.losses.vessel_error`, so that coronaries do not fade.
    batch_statistics : {"stored", "patch"}
        What batch norm uses after training: statistics over a whole epoch, or those of the patch at hand, as chapter 4
        does. The model card says which.
    keep_statistics : bool
        Learn with the batch statistics of the weights that the training starts from, and keep them: patches of one
        kind of volume, alone in a batch, have others than all kinds together.
    """

    def __init__(
        self,
        architecture: str = "mdcsrn",
        network: dict[str, Any] | None = None,
        learning_rate: float = 1e-4,
        loss: str = "l1",
        schedule: str = "constant",
        steps: int | None = None,
        metrics: Sequence[str] = ("l1", "psnr"),
        weights: str | None = None,
        measured_weight: float = 0.0,
        vessel_weight: float = 0.0,
        batch_statistics: BatchStatistics = "stored",
        keep_statistics: bool = False,
    ) -> None:
        super().__init__(architecture, network, learning_rate, loss, schedule, steps, metrics, weights, INTENDED_INPUT)
        self.measured_weight, self.vessel_weight = measured_weight, vessel_weight
        self.batch_statistics, self.keep_statistics = batch_statistics, keep_statistics

    def preprocessing(self, data: Any) -> dict[str, Any]:
        """Scale, accelerations, and whose batch statistics."""
        return {**data.preprocessing(), "batch_statistics": self.batch_statistics}

    def penalty(self, estimate: Tensor, batch: Batch) -> Tensor | float:
        """Errors among the measured lines, and in vessels."""
        found: Tensor | float = 0.0
        if self.measured_weight:
            found = found + self.measured_weight * self._noted(
                "measured", measured_error(estimate - batch[1], batch[2])
            )
        if self.vessel_weight:
            found = found + self.vessel_weight * self._noted("vessels", vessel_error(estimate, batch[1]))
        return found

    def _noted(self, name: str, error: Tensor) -> Tensor:
        self.log(f"train_{name}", error, on_step=False, on_epoch=True, sync_dist=True)
        return error

    def on_train_start(self) -> None:
        """Let batch norm be as it will be after training, if it is to keep its statistics."""
        super().on_train_start()
        self._hold_statistics()

    def _hold_statistics(self) -> None:
        if self.keep_statistics:
            for layer in batch_norms(self.network):
                layer.eval()

    def on_validation_model_eval(self) -> None:
        """Judge the network with the batch statistics that inference will use."""
        self.eval()
        if self.batch_statistics == "patch":
            for layer in batch_norms(self.network):
                layer.train().momentum = 0.0  # what is judged leaves nothing behind

    def on_validation_model_train(self) -> None:
        """Go on learning, and following batch statistics."""
        self.train()
        for layer in batch_norms(self.network):
            layer.momentum = _MOMENTUM
        self._hold_statistics()

    def on_test_model_eval(self) -> None:
        """As in validation."""
        self.on_validation_model_eval()

    def finish(self) -> None:
        """Take batch statistics over a whole epoch: running ones are those of the last few patches."""
        if self.keep_statistics:
            return
        update_bn(self.trainer.datamodule.train_dataloader(), self.network, self.device)  # type: ignore[attr-defined]
