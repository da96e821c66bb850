"""Training of the networks from the back-projection U₀ to the spatial factor U (dissertation chapter 6)."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from nets.scaling import LabelStatistics, Normalisation, to_maps
from nets.training.base import Batch, Training
from nets.training.losses import curve_error_of_some, relative_error, weight_penalty

_INTENDED_INPUT = (
    "density-compensated back-projection U0 of a golden-angle radial Multitasking scan, real parts of all basis maps, "
    "then imaginary parts; instance-wise normalised"
)


class SpatialFactorTraining(Training):
    """From U₀ to U: L1 loss, Adam, weight regularisation (dissertation 6.3.2).

    Beside its metrics, which are of normalised channels as the loss is, validation logs ``val_nrmse``: that of whole
    spatial factors at their own scale, as inference gives them.

    Parameters
    ----------
    architecture, network, learning_rate, loss, schedule, steps, metrics, weights :
        As in :class:`nets.training.base.Training`.
    l1_scale, l2_scale : float
        Scales of the weight regularisation; 1e-2 was best in the paper.
    curve_weight : float
        Beyond the paper: weight of :func:`nets.training.losses.curve_error` where batches say what recovery curves are.
        L1 draws small basis maps towards what is common, and T1 with them.
    """

    def __init__(
        self,
        architecture: str = "mdcn",
        network: dict[str, Any] | None = None,
        learning_rate: float = 1e-4,
        loss: str = "l1",
        schedule: str = "constant",
        steps: int | None = None,
        metrics: Sequence[str] = ("l1",),
        weights: str | None = None,
        l1_scale: float = 1e-2,
        l2_scale: float = 1e-2,
        curve_weight: float = 0.0,
    ) -> None:
        super().__init__(architecture, network, learning_rate, loss, schedule, steps, metrics, weights, _INTENDED_INPUT)
        self.l1_scale, self.l2_scale, self.curve_weight = l1_scale, l2_scale, curve_weight
        self._statistics: LabelStatistics | None = None

    def penalty(self, estimate: Tensor, batch: Batch) -> Tensor | float:
        """Weight regularisation, and errors of recovery curves."""
        total: Tensor | float = 0.0
        if self.l1_scale or self.l2_scale:
            total = weight_penalty(self.network, self.l1_scale, self.l2_scale)
        if self.curve_weight and len(batch) > 3 and batch[3] is not None:
            restored = Normalisation(*batch[2][0, 1].tolist())
            found, true = (to_maps(restored.undo(channels))[0] for channels in (estimate, batch[1]))
            total = total + self.curve_weight * curve_error_of_some(found, true, batch[3])
        return total

    def judged(self, batch: Batch) -> dict[str, Tensor]:
        """Metrics of normalised channels, and NRMSE of slices as inference restores their scale; the input's."""
        shown, label, scales = batch[:3]
        estimate = self.network(shown)
        of_input, of_label = (Normalisation(*scale.tolist()) for scale in scales[0])
        maps, truth = to_maps(of_input.undo(shown)), to_maps(of_label.undo(label))
        restored = to_maps(self._undone_by().of_label(of_input).undo(estimate))
        figures = {name: metric(estimate, label) for name, metric in self.metrics.items()}
        return figures | {"nrmse": relative_error(restored, truth), "input_nrmse": relative_error(maps, truth)}

    def _undone_by(self) -> LabelStatistics:
        if self._statistics is None:
            self._statistics = self.trainer.datamodule.label_statistics()  # type: ignore[attr-defined]
        return self._statistics
