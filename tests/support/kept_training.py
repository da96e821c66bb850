"""Keeps a training that ran in this process, with a batch that it learned from, for a test to look at."""

from typing import Any, ClassVar

import lightning
import torch

from nets.training.base import Training


class KeepTraining(lightning.Callback):
    """Lightning makes it from the command line; the test asks the class for the last one."""

    last: ClassVar["KeepTraining | None"] = None

    def __init__(self) -> None:
        KeepTraining.last = self
        self.batch: tuple[torch.Tensor, ...] = ()
        self.epochs: list[dict[str, torch.Tensor]] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.training: Training = pl_module
        domains = batch if isinstance(batch[0], list | tuple) else (batch,)
        self.batch = tuple(torch.cat(parts) for parts in zip(*domains, strict=True))

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self.epochs.append({name: value.clone() for name, value in pl_module.network.state_dict().items()})
