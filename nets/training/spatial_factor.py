"""Training steps of the image-to-image networks, for Lightning."""

from typing import Any, Literal

import lightning
import torch
from torch import Tensor, nn

from nets.scaling import normalisation_of, to_channels, to_maps
from nets.training.losses import relative_error, weight_penalty
from nets.training.schedules import adam
from nets.weights import starting_network

_INTENDED_INPUT = (
    "density-compensated back-projection U0 of a golden-angle radial Multitasking scan, real parts of all basis maps, "
    "then imaginary parts; instance-wise normalised"
)


class SpatialFactorTraining(lightning.LightningModule):
    """From U₀ to U: L1 loss, Adam, weight regularisation (dissertation 6.3.2).

    Parameters
    ----------
    architecture : str
        Name in the registry.
    network : dict of str to object, optional
        Hyper-parameters that differ from the paper's.
    learning_rate : float
    l1_scale, l2_scale : float
        Scales of the weight regularisation; 1e-2 was best in the paper.
    weights : str, optional
        Start from this file (.safetensors) of the same architecture and hyper-parameters.
    schedule : {"constant", "cosine"}
        Cosine: rise over the first 2 % of the steps, then fall to zero.
    """

    def __init__(
        self,
        architecture: str = "mdcn",
        network: dict[str, Any] | None = None,
        learning_rate: float = 1e-4,
        l1_scale: float = 1e-2,
        l2_scale: float = 1e-2,
        weights: str | None = None,
        schedule: Literal["constant", "cosine"] = "constant",
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.architecture, self.network_config = architecture, network or {}
        self.network: nn.Module = starting_network(architecture, self.network_config, weights)
        self.learning_rate, self.schedule = learning_rate, schedule
        self.l1_scale, self.l2_scale = l1_scale, l2_scale
        self.intended_input = _INTENDED_INPUT

    def preprocessing(self, data: Any) -> dict[str, Any]:
        """What inference must do, for the model card."""
        return {"normalisation": "instance: mean and deviation of the input, also for the output"}

    def training_step(self, batch: tuple[Tensor, Tensor], number: int) -> Tensor:
        """Mean absolute error of normalised channels, plus the weight penalty."""
        channels, label = batch
        estimate = self.network(channels.contiguous(memory_format=torch.channels_last))
        error = nn.functional.l1_loss(estimate, label)
        self.log("train_l1", error, on_step=False, on_epoch=True, prog_bar=True, sync_dist=True)
        if not self.l1_scale and not self.l2_scale:
            return error
        return error + weight_penalty(self.network, self.l1_scale, self.l2_scale)

    def validation_step(self, batch: tuple[Tensor, Tensor], number: int) -> None:
        """Normalised L1 error, and NRMSE of whole spatial factors at their own scale; that of the input beside it."""
        self._evaluate("val", batch)

    def test_step(self, batch: tuple[Tensor, Tensor], number: int) -> None:
        """As in validation."""
        self._evaluate("test", batch)

    def _evaluate(self, split: str, batch: tuple[Tensor, Tensor]) -> None:
        maps, label = batch[0][0], batch[1][0]
        channels = to_channels(maps)
        scale = normalisation_of(channels)
        normalised = self.network(scale.apply(channels)[None])[0]
        estimate = to_maps(scale.undo(normalised))
        l1 = nn.functional.l1_loss(normalised, scale.apply(to_channels(label)))
        errors = {"l1": l1, "nrmse": relative_error(estimate, label), "input_nrmse": relative_error(maps, label)}
        values = {f"{split}_{name}": error for name, error in errors.items()}
        self.log_dict(values, batch_size=1, prog_bar=True, sync_dist=True)

    def configure_optimizers(self) -> Any:
        """Adam, with its schedule."""
        return adam(self, self.learning_rate, self.schedule)
