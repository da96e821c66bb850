"""Training of networks that tell what blood flow is expected, guided by other images of the scan."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from nets.training.base import Batch, Training

INTENDED_INPUT = (
    "mean blood flow (y, x) of ten pairs or more in mL/100 g/min, by the consensus model, with control image and "
    "standard error as recon.perfusion.guidance gives them; 0 outside of the brain"
)

_TYPICAL_ERROR = 0.1
"""Standard error, over the scale of blood flow, that halves what a voxel counts: 10 mL/100 g/min, as of white matter in
ten pairs. At the rim of the head errors are ten times as large, and would be all that is learned from."""


class GuidedTraining(Training):
    """From noisy blood flow to that of healthy tissue. Batches are input, label, and shares of grey, white, lesion.

    Squared errors are least for the mean of what may be true, so that no tissue is shifted; but what is improbable
    before it is seen is then shrunk, and small lesions are that. A network that is rewarded for some of a lesion hides
    it from the rule that keeps what stands out of noise (:func:`recon.perfusion.guidance.with_what_stands_out`).
    Lesions therefore count nothing: what the network does not expect is told by its distance from what was measured.

    Parameters
    ----------
    architecture, network, learning_rate, schedule, steps, metrics, weights :
        As in :class:`nets.training.base.Training`.
    tissue_weight : float
        Of the squared mean error of grey and of white matter in a crop, beside the mean squared error of voxels.
    """

    def __init__(
        self,
        architecture: str = "dwan_guided",
        network: dict[str, Any] | None = None,
        learning_rate: float = 1e-3,
        schedule: str = "constant",
        steps: int | None = None,
        metrics: Sequence[str] = ("l1", "nrmse"),
        weights: str | None = None,
        tissue_weight: float = 0.0,
    ) -> None:
        super().__init__(architecture, network, learning_rate, "l2", schedule, steps, metrics, weights, INTENDED_INPUT)
        self.tissue_weight = tissue_weight

    def error(self, estimate: Tensor, batch: Batch) -> Tensor:
        """Mean squared error over the healthy brain, less where there is more noise."""
        shown, label, places = batch[:3]
        noise = shown[:, 2:3]
        weights = (noise > 0) * (1 - places[:, 2:3]) / (1 + (noise / _TYPICAL_ERROR) ** 2)
        return (weights * (estimate - label) ** 2).sum() / weights.sum().clamp_min(1)

    def penalty(self, estimate: Tensor, batch: Batch) -> Tensor | float:
        """Squared mean error of each tissue in each crop, of the healthy part."""
        if not self.tissue_weight:
            return 0.0
        tissues = batch[2][:, :2] * (1 - batch[2][:, 2:3])
        amount = tissues.sum(dim=(2, 3))
        shift = ((estimate - batch[1]) * tissues).sum(dim=(2, 3)) / amount.clamp_min(1)
        return self.tissue_weight * shift.square().mean()

    def compared(self, estimate: Tensor, shown: Tensor, label: Tensor) -> dict[str, Tensor]:
        """The metrics of an estimate, and of the measured blood flow, within the brain."""
        inside = shown[:, 2:3] > 0
        return super().compared(estimate[inside], shown[:, :1][inside], label[inside])
