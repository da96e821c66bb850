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
    channels : int
        Images of each plane that it sees.

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
        self.channels = int(loaded.card.config.get("channels", 1))
        scales = loaded.card.preprocessing.get("scales", [scale] * self.channels)
        if len(scales) != self.channels or not all(isinstance(each, int | float) and each > 0 for each in scales):
            raise WeightsError(f"{weights.name} has {self.channels} channels and the scales {scales}; train it again")
        self.scale = float(scale)
        self._scales = torch.tensor(scales, dtype=torch.float32)
        self._run = Runner(loaded.network, device, name=loaded.card.architecture)

    @property
    def device(self) -> str:
        """Where it runs."""
        return str(self._run.device)

    def __call__(self, images: Tensor) -> Tensor:
        """Apply the network to each plane.

        Parameters
        ----------
        images : (z, y, x) or (channels, z, y, x) Tensor
            A volume, or the images of each plane in the network's order.

        Returns
        -------
        (z, y, x) float32 Tensor
            On the scale of the first channel, on the CPU.
        """
        volumes = images[None] if images.ndim == 3 else images
        planes = volumes.float().transpose(0, 1) / self._scales[:, None, None]
        found = [self._run(part).cpu() for part in torch.split(planes, _AT_ONCE)]
        return torch.cat(found)[:, 0] * self.scale
