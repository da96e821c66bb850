"""Training steps of the super-resolution networks that minimise a voxel-wise loss (dissertation chapters 3 to 5)."""

from typing import Any, Literal

import lightning
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn
from torchmetrics.functional.image import peak_signal_noise_ratio

from nets.training.losses import measured_error
from nets.training.schedules import adam
from nets.weights import starting_network

_LOSSES = {"l1": nn.functional.l1_loss, "l2": nn.functional.mse_loss}

Batch = tuple[Tensor, Tensor, Tensor]

INTENDED_INPUT = "magnitude volume (z, y, x), zero-filled from the centre of its k-space; over its 99.9th percentile"


class SuperResolutionTraining(lightning.LightningModule):
    """From zero-filled to full resolution: L1 (or L2) loss and Adam. Batches are input, label and factors.

    Parameters
    ----------
    architecture : str
        Name in the registry.
    network : dict of str to object, optional
        Hyper-parameters that differ from the paper's.
    learning_rate : float
    loss : {"l1", "l2"}
        L2 for DCSRN.
    measured_weight : float
        Beyond the paper: weight of :func:`~nets.training.losses.measured_error`. Without it, a network smooths what it
        has not seen in training, among the measured lines, too.
    weights : str, optional
        Start from this file (.safetensors) of the same architecture and hyper-parameters.
    schedule : {"constant", "cosine"}
    """

    def __init__(
        self,
        architecture: str = "mdcsrn",
        network: dict[str, Any] | None = None,
        learning_rate: float = 1e-4,
        loss: Literal["l1", "l2"] = "l1",
        measured_weight: float = 0.0,
        weights: str | None = None,
        schedule: Literal["constant", "cosine"] = "constant",
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.architecture, self.network_config = architecture, network or {}
        self.network: nn.Module = starting_network(architecture, self.network_config, weights)
        self.learning_rate, self.loss, self.measured_weight = learning_rate, _LOSSES[loss], measured_weight
        self.schedule = schedule
        self.intended_input = INTENDED_INPUT

    def preprocessing(self, data: Any) -> dict[str, Any]:
        """What inference must do, for the model card."""
        return {"normalisation": "99.9th percentile of the zero-filled volume", "factors": data.trained_factors()}

    def training_step(self, batch: Batch, number: int) -> Tensor:
        """Voxel-wise loss of a batch of patches, and that of their measured lines."""
        zero_filled, label, factors = batch
        estimate = self.network(zero_filled)
        error = self.loss(estimate, label)
        self.log("train_loss", error, on_step=False, on_epoch=True, prog_bar=True, sync_dist=True)
        if not self.measured_weight:
            return error
        measured = measured_error(estimate - label, factors)
        self.log("train_measured", measured, on_step=False, on_epoch=True, sync_dist=True)
        return error + self.measured_weight * measured

    def on_train_end(self) -> None:
        """Take batch statistics over a whole epoch: running ones are those of the last few patches."""
        update_bn(self.trainer.datamodule.train_dataloader(), self.network, self.device)  # type: ignore[attr-defined]

    def validation_step(self, batch: Batch, number: int) -> None:
        """L1 and PSNR of the middle of a volume; those of the zero-filled input beside them."""
        self.log_dict(judged("val", self.network, *batch[:2]), batch_size=1, prog_bar=True, sync_dist=True)

    def test_step(self, batch: Batch, number: int) -> None:
        """As in validation."""
        self.log_dict(judged("test", self.network, *batch[:2]), batch_size=1, sync_dist=True)

    def configure_optimizers(self) -> Any:
        """Adam, with its schedule."""
        return adam(self, self.learning_rate, self.schedule)


def judged(split: str, network: Any, zero_filled: Tensor, label: Tensor) -> dict[str, Tensor]:
    """Errors of a network's output, and of its input."""
    estimate, peak = network(zero_filled), float(label.max())
    return {
        f"{split}_l1": nn.functional.l1_loss(estimate, label),
        f"{split}_psnr": peak_signal_noise_ratio(estimate, label, data_range=peak),
        f"{split}_input_psnr": peak_signal_noise_ratio(zero_filled, label, data_range=peak),
    }
