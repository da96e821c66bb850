"""What a training asks of its data, beside loaders, whether they lie in files or are made meanwhile."""

from abc import ABC, abstractmethod
from typing import Any

import lightning


class TrainingData(lightning.LightningDataModule, ABC):
    """What a training asks of its data, beside loaders.

    Parameters
    ----------
    seed : int
        Of whatever is drawn.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed

    @property
    def accelerator(self) -> str:
        """Where its samples lie when weights are judged, as Lightning calls it."""
        return "cpu"

    @abstractmethod
    def describe(self) -> str:
        """Say what is trained on, without naming anyone."""

    def preprocessing(self) -> dict[str, Any]:
        """What inference must do because of how samples are made, for the model card."""
        return {}
