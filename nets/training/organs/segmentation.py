"""Training of ALAMO: organs in stacks of slices (dissertation chapter 7)."""

from collections.abc import Sequence
from typing import Any, cast

from torch import Tensor

from nets.architectures.dense_unet import DenseUNet
from nets.training.base import Batch, Training
from nets.training.organs.label_losses import overlap_error, pooled_class_error

INTENDED_INPUT = "stack of slices of a T1-VIBE magnitude volume, its mean taken off and divided by its deviation"


class SegmentationTraining(Training):
    """From slices to scores of classes. Batches are images (batch, slices, y, x) and labels.

    The dissertation does not print its loss; with ``deep_supervision`` the network's coarser levels learn, too, each
    with the weight of the finest one. Inference does not use them.

    Parameters
    ----------
    architecture, network, learning_rate, loss, schedule, steps, metrics, weights :
        As in :class:`nets.training.base.Training`.
    dice_weight : float
        Of one minus the soft Dice (:func:`~nets.training.organs.label_losses.overlap_error`): small organs count as
        much as large ones.
    """

    def __init__(
        self,
        architecture: str = "alamo",
        network: dict[str, Any] | None = None,
        learning_rate: float = 1e-4,
        loss: str = "cross_entropy",
        schedule: str = "tenths",
        steps: int | None = None,
        metrics: Sequence[str] = ("cross_entropy", "dice"),
        weights: str | None = None,
        dice_weight: float = 0.0,
    ) -> None:
        super().__init__(architecture, network, learning_rate, loss, schedule, steps, metrics, weights, INTENDED_INPUT)
        self.dice_weight = dice_weight

    def training_step(self, batch: Batch, number: int) -> Tensor:
        """Mean of the errors of all levels, and the overlap's of the finest one."""
        *coarser, scores = cast("DenseUNet", self.network).levels(batch[0])
        error = self.loss(scores, batch[1])
        self.log("train_loss", error, on_step=False, on_epoch=True, prog_bar=True, sync_dist=True)
        errors = [error, *(pooled_class_error(side, batch[1]) for side in coarser)]
        return sum(errors, error * 0) / len(errors) + self.penalty(scores, batch)

    def penalty(self, estimate: Tensor, batch: Batch) -> Tensor | float:
        """How little the organs overlap."""
        return self.dice_weight * overlap_error(estimate, batch[1]) if self.dice_weight else 0.0

    def judged(self, batch: Batch) -> dict[str, Tensor]:
        """The metrics of the finest level; a stack of images is no estimate to compare with."""
        scores = self.network(batch[0])
        return {name: metric(scores, batch[1]) for name, metric in self.metrics.items()}
