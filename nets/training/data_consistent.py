"""Training of the unrolled network, end to end, on pairs that bring the data's operators."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from nets.architectures.unrolled import MdcnUnrolled
from nets.training.base import Training
from nets.training.losses import curve_error, curve_error_of_some, relative_error
from nets.weights import load_weights

_INTENDED_INPUT = (
    "density-compensated back-projection U0 of a radial Multitasking scan, (L, y, x) complex, with E_Phi^H d and the "
    "normal operator of the same data; any scale"
)


class UnrolledTraining(Training):
    """From U₀ and the data to U: L1 over the mean magnitude, and the error of recovery curves.

    Parameters
    ----------
    architecture, network, learning_rate, schedule, steps, weights :
        As in :class:`nets.training.base.Training`.
    curve_weight : float
        Weight of :func:`nets.training.losses.curve_error`, without which small basis maps, and with them T1, are drawn
        towards what is common.
    checkpointing : bool
        Less memory, more time.
    mdcn_weights : str, optional
        Let every network start from this file, of an mDCN of the same hyper-parameters: from random weights the first
        thousand steps are unstable.
    """

    def __init__(
        self,
        architecture: str = "mdcn_unrolled",
        network: dict[str, Any] | None = None,
        learning_rate: float = 1e-3,
        loss: str = "l1",
        schedule: str = "cosine",
        steps: int | None = None,
        metrics: Sequence[str] = ("nrmse",),
        weights: str | None = None,
        curve_weight: float = 0.5,
        checkpointing: bool = False,
        mdcn_weights: str | None = None,
    ) -> None:
        super().__init__(architecture, network, learning_rate, loss, schedule, steps, metrics, weights, _INTENDED_INPUT)
        self.curve_weight = curve_weight
        unrolled = cast(MdcnUnrolled, self.network)
        unrolled.checkpointing = checkpointing
        if mdcn_weights is not None:
            self.started_from = mdcn_weights
            wanted = asdict(unrolled.config.of_a_round) | {"dilations": list(unrolled.config.dilations)}
            start = load_weights(Path(mdcn_weights), "mdcn", wanted).network
            for number in range(len(unrolled.networks)):
                unrolled.networks[number].load_state_dict(start.state_dict())

    def training_step(self, batch: Any, number: int) -> Tensor:
        """Loss of one pair."""
        shown, label, data, cells = batch
        estimate = self.network(shown, data)
        scale = torch.linalg.vector_norm(label) / label.numel() ** 0.5
        error = self.loss(torch.view_as_real(estimate / scale), torch.view_as_real(label / scale))
        self.log("train_loss", error, on_step=False, on_epoch=True, prog_bar=True, batch_size=1)
        if cells is None or not self.curve_weight:
            return error
        return error + self.curve_weight * curve_error_of_some(estimate, label, cells)

    def judged(self, batch: Any) -> dict[str, Tensor]:
        """NRMSE of U, of what the network is given, and of recovery curves."""
        shown, label, data, cells = batch
        estimate = self.network(shown, data)
        figures = {"nrmse": relative_error(estimate, label), "input_nrmse": relative_error(shown, label)}
        figures["ratio"] = figures["nrmse"] / figures["input_nrmse"]
        return figures if cells is None else figures | {"curves": curve_error(estimate, label, cells)}
