"""Networks of planes applied to volumes: scaled, slice by slice as a whole, and scaled back."""

from pathlib import Path

import torch
from torch import Tensor

from nets.architectures.registry import ARCHITECTURES
from nets.inference.patches import Runner
from nets.weights import WeightsError, load_weights

_AT_ONCE = 16
"""Slices of a batch: memory is bounded by it."""


class PlaneNetwork:
    """A 2-D network with its scale.

    Parameters
    ----------
    weights : Path
    task : str
        Of the registry, up to a comma: weights of others are refused.
    device : str

    Attributes
    ----------
    card : ModelCard
    sha256 : str

    Raises
    ------
    WeightsError
        If the weights cannot be used, or are of another task.
    """

    def __init__(self, weights: Path, task: str, device: str = "cpu") -> None:
        loaded = load_weights(weights)
        self.card, self.sha256 = loaded.card, loaded.sha256
        known = ARCHITECTURES[loaded.card.architecture].task.partition(",")[0]
        if known != task:
            raise WeightsError(f"{weights.name} holds weights for {known}, not for {task}")
        scale = loaded.card.preprocessing.get("scale")
        if not isinstance(scale, int | float) or not scale > 0:
            raise WeightsError(f"{weights.name} does not say by which scale its input is divided; train it again")
        self.scale = float(scale)
        self._run = Runner(loaded.network, device, name=loaded.card.architecture)

    @property
    def device(self) -> str:
        """Where it runs."""
        return str(self._run.device)

    def __call__(self, volume: Tensor) -> Tensor:
        """(z, y, x) float32 → the same shape and scale, on the CPU."""
        planes = (volume.float() / self.scale)[:, None]
        found = [self._run(part).cpu() for part in torch.split(planes, _AT_ONCE)]
        return torch.cat(found)[:, 0] * self.scale
