"""Training of networks that enhance one tissue: perivascular spaces in white matter (Jung 2019)."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from nets.training.base import Batch, Training
from nets.training.schedules import scheduled

INTENDED_INPUT = "magnitude volume (z, y, x), T2-weighted, voxels of 0.4 to 0.5 mm; over the median of its white matter"


class MaskedTraining(Training):
    """From a volume to an enhanced one. Batches are input, label and mask.

    Parameters
    ----------
    architecture, network, learning_rate, loss, schedule, steps, metrics, weights :
        As in :class:`nets.training.base.Training`.
    region : {"patch", "mask"}
        Where errors count: the whole patch, as in Jung 2019, or the mask alone. Metrics are of the mask.
    last_rate : float, optional
        What the schedule ``linear`` falls to, over the learning rate; default 0.
    """

    def __init__(
        self,
        architecture: str = "dcdensenet",
        network: dict[str, Any] | None = None,
        learning_rate: float = 1e-4,
        loss: str = "l2",
        schedule: str = "constant",
        steps: int | None = None,
        metrics: Sequence[str] = ("l1", "psnr"),
        weights: str | None = None,
        region: Literal["patch", "mask"] = "patch",
        last_rate: float | None = None,
    ) -> None:
        super().__init__(architecture, network, learning_rate, loss, schedule, steps, metrics, weights, INTENDED_INPUT)
        if last_rate is not None and schedule != "linear":
            raise ValueError(f"last_rate is for the schedule linear, not for {schedule}; leave it out")
        self.region, self.last_rate = region, last_rate

    def error(self, estimate: Tensor, batch: Batch) -> Tensor:
        """The loss, over the patch or over the mask."""
        if self.region == "patch":
            return super().error(estimate, batch)
        inside = batch[2] > 0
        return self.loss(estimate[inside], batch[1][inside])

    def compared(self, estimate: Tensor, shown: Tensor, label: Tensor) -> dict[str, Tensor]:
        """The metrics of an estimate, and of the input."""
        figures = {name: metric(estimate, label) for name, metric in self.metrics.items()}
        return figures | {f"input_{name}": metric(shown, label) for name, metric in self.metrics.items()}

    def judged(self, batch: Batch) -> dict[str, Tensor]:
        """Figures of one validation volume within its mask."""
        inside = batch[2] > 0
        return self.compared(self.network(batch[0])[inside], batch[0][inside], batch[1][inside])

    def configure_optimizers(self) -> Any:
        """Adam for all weights, with its schedule."""
        settings = {} if self.last_rate is None else {"last": self.last_rate}
        optimizer = torch.optim.Adam(self.parameters(), lr=self.learning_rate)
        return scheduled(optimizer, self.schedule, self.total_steps, **settings)
