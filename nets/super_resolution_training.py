"""Training steps of the super-resolution networks that minimise a voxel-wise loss (dissertation chapters 3 to 5)."""

from typing import Any, Literal

import lightning
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn
from torchmetrics.functional.image import peak_signal_noise_ratio

from nets.schedules import adam
from nets.weights import starting_network

_LOSSES = {"l1": nn.functional.l1_loss, "l2": nn.functional.mse_loss}

INTENDED_INPUT = "magnitude volume (z, y, x), zero-filled from the centre of its k-space; over its 99.9th percentile"


class SuperResolutionTraining(lightning.LightningModule):
    """From zero-filled to full resolution: L1 (or L2) loss and Adam.

    Parameters
    ----------
    architecture : str
        Name in the registry.
    network : dict of str to object, optional
        Hyper-parameters that differ from the paper's.
    learning_rate : float
    loss : {"l1", "l2"}
        L2 for DCSRN.
    weights : str, optional
        Start from this file (.safetensors) of the same architecture and hyper-parameters.
    schedule : {"constant", "cosine"}
    cycles : int
        Of the cosine.
    """

    def __init__(
        self,
        architecture: str = "mdcsrn",
        network: dict[str, Any] | None = None,
        learning_rate: float = 1e-4,
        loss: Literal["l1", "l2"] = "l1",
        weights: str | None = None,
        schedule: Literal["constant", "cosine"] = "constant",
        cycles: int = 1,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.architecture, self.network_config = architecture, network or {}
        self.network: nn.Module = starting_network(architecture, self.network_config, weights)
        self.learning_rate, self.loss = learning_rate, _LOSSES[loss]
        self.schedule, self.cycles = schedule, cycles
        self.intended_input = INTENDED_INPUT

    def preprocessing(self, data: Any) -> dict[str, Any]:
        """What inference must do, for the model card."""
        return {"normalisation": "99.9th percentile of the zero-filled volume", "factors": data.trained_factors()}

    def training_step(self, batch: tuple[Tensor, Tensor], number: int) -> Tensor:
        """Voxel-wise loss of a batch of patches."""
        shown, label = batch
        error = self.loss(self.network(shown), label)
        self.log("train_loss", error, on_step=False, on_epoch=True, prog_bar=True, sync_dist=True)
        return error

    def on_train_end(self) -> None:
        """Take batch statistics over a whole epoch: running ones are those of the last few patches."""
        update_bn(self.trainer.datamodule.train_dataloader(), self.network, self.device)  # type: ignore[attr-defined]

    def validation_step(self, batch: tuple[Tensor, Tensor], number: int) -> None:
        """L1 and PSNR of the middle of a volume; those of the zero-filled input beside them."""
        self.log_dict(judged("val", self.network, *batch), batch_size=1, prog_bar=True, sync_dist=True)

    def test_step(self, batch: tuple[Tensor, Tensor], number: int) -> None:
        """As in validation."""
        self.log_dict(judged("test", self.network, *batch), batch_size=1, sync_dist=True)

    def configure_optimizers(self) -> Any:
        """Adam, with its schedule."""
        return adam(self, self.learning_rate, self.schedule, self.cycles)


def judged(split: str, network: Any, shown: Tensor, label: Tensor) -> dict[str, Tensor]:
    """Errors of a network's output, and of its input."""
    found, peak = network(shown), float(label.max())
    return {
        f"{split}_l1": nn.functional.l1_loss(found, label),
        f"{split}_psnr": peak_signal_noise_ratio(found, label, data_range=peak),
        f"{split}_input_psnr": peak_signal_noise_ratio(shown, label, data_range=peak),
    }
