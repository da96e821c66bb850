"""Training of HighRes3DNet: parts of the brain in cubic patches (Li 2017)."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from nets.architectures.parcellation.highres3dnet import slice_channels
from nets.training.base import Batch, Training
from nets.training.organs.label_losses import overlap_error

INTENDED_INPUT = "T1w-like magnitude volume of a head, its mean taken off and divided by its deviation"


class ParcellationTraining(Training):
    """From a volume to scores of classes. Batches are images (batch, 1, z, y, x) and labels (batch, z, y, x).

    Li 2017 minimises one minus the soft Dice; here the cross-entropy stands beside it, without which small networks
    do not find the small parts in few steps.

    Parameters
    ----------
    architecture, network, learning_rate, loss, schedule, steps, metrics, weights :
        As in :class:`nets.training.base.Training`.
    dice_weight : float
        Of one minus the soft Dice (:func:`~nets.training.organs.label_losses.overlap_error`).
    """

    def __init__(
        self,
        architecture: str = "highres3dnet",
        network: dict[str, Any] | None = None,
        learning_rate: float = 1e-3,
        loss: str = "cross_entropy",
        schedule: str = "cosine",
        steps: int | None = None,
        metrics: Sequence[str] = ("cross_entropy", "dice"),
        weights: str | None = None,
        dice_weight: float = 1.0,
    ) -> None:
        super().__init__(architecture, network, learning_rate, loss, schedule, steps, metrics, weights, INTENDED_INPUT)
        self.dice_weight = dice_weight

    def error(self, estimate: Tensor, batch: Batch) -> Tensor:
        """The loss of the scores."""
        return self.loss(slice_channels(estimate), batch[1])

    def penalty(self, estimate: Tensor, batch: Batch) -> Tensor | float:
        """How little the parts overlap."""
        return self.dice_weight * overlap_error(slice_channels(estimate), batch[1]) if self.dice_weight else 0.0

    def judged(self, batch: Batch) -> dict[str, Tensor]:
        """The metrics of the scores."""
        scores = slice_channels(self.network(batch[0]))
        return {name: metric(scores, batch[1]) for name, metric in self.metrics.items()}
