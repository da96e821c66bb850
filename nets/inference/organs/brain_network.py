"""A trained HighRes3DNet as a judge: how far the features of a restored head lie from those of its original."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from nets.architectures.parcellation.highres3dnet import HighRes3DNet
from nets.scaling import normalisation_of
from nets.weights import ModelCard, WeightsError, load_weights


@dataclass(frozen=True)
class Compared:
    """Two volumes as the network sees them.

    Attributes
    ----------
    differences : (6,) float64
        Mean magnitude, of each level, of the difference of the features.
    magnitudes : (6,) float64
        Mean magnitude of the original's features.
    found, true : (z, y, x) uint8
        Parts in the restored volume, and in the original.
    """

    differences: NDArray
    magnitudes: NDArray
    found: NDArray
    true: NDArray


class BrainNetwork:
    """A trained HighRes3DNet on its device.

    Parameters
    ----------
    path : Path
        Weights.
    device : str
        ``cpu`` or ``cuda:N``.

    Attributes
    ----------
    card : ModelCard
    sha256 : str
        Hash of the weights file.
    parts : tuple of str
        Name by label; the first is the background.

    Raises
    ------
    WeightsError
        If the weights cannot be used, or are not of a network that divides brains into parts.
    """

    def __init__(self, path: Path, device: str = "cpu") -> None:
        loaded = load_weights(path)
        self.card: ModelCard = loaded.card
        self.sha256 = loaded.sha256
        if not isinstance(loaded.network, HighRes3DNet) or "parts" not in self.card.preprocessing:
            raise WeightsError(
                f"{self.card.architecture} divides no brain into parts; give weights of highres3dnet, trained by "
                "configs/train/highres3dnet.yaml"
            )
        self.parts = tuple(map(str, self.card.preprocessing["parts"]))
        if len(self.parts) != loaded.network.config.classes:
            raise WeightsError(
                f"the model card names {len(self.parts)} parts, the network has {loaded.network.config.classes}; "
                "export the weights again"
            )
        self._device = torch.device(device)
        self._network: HighRes3DNet = loaded.network.to(self._device)

    @torch.inference_mode()
    def compare(self, restored: NDArray, original: NDArray) -> Compared:
        """Look at a restored volume and its original; both have the original's mean taken off, and its deviation.

        Parameters
        ----------
        restored, original : (z, y, x) float32
            Magnitudes of one head.

        Returns
        -------
        Compared
        """
        scale = normalisation_of(torch.from_numpy(original))
        both = torch.stack([scale.apply(torch.from_numpy(volume)) for volume in (restored, original)])
        differences, magnitudes = [], []
        features = both[:, None].to(self._device)
        for layer in self._network.layers:
            features = layer(features)
            differences.append(float((features[0] - features[1]).abs().mean(dtype=torch.float64)))
            magnitudes.append(float(features[1].abs().mean(dtype=torch.float64)))
        found, true = features.argmax(dim=1).to(torch.uint8).cpu().numpy()
        return Compared(np.array(differences), np.array(magnitudes), found, true)
