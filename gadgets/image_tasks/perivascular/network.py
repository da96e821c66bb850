"""The network of the perivascular gadget: found, loaded, kept between scans."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import sigpy
from numpy.typing import NDArray

from gadgets.device import ready_torch
from gadgets.image_tasks.network import needed_weights, provenance, tell_loaded, usable_weights
from recon.errors import DataError

if TYPE_CHECKING:
    from nets.inference.masked_enhancement import MaskedEnhancement

WEIGHTS = "pvs_dcdensenet"
"""Name of the shipped weights."""


class ArrayEnhancer:
    """A network that enhances within a mask, as a function of arrays.

    Attributes
    ----------
    voxel_mm : (2,) tuple of float, or None
        Range of the voxels' edges in the training.
    """

    def __init__(self, network: "MaskedEnhancement") -> None:
        self._network = network
        self.voxel_mm = network.voxel_mm

    def __call__(self, volume: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Enhance a volume (z, y, x) within a mask.

        Raises
        ------
        DataError
            If the result is not finite.
        """
        import torch

        found = self._network(torch.from_numpy(np.ascontiguousarray(volume)), torch.from_numpy(mask))
        result: NDArray[np.float32] = found.numpy()
        if not np.isfinite(result).all():
            raise DataError(f"the network's result is not finite on {self._device}; set device=cpu")
        return result

    @property
    def _device(self) -> str:
        return str(self._network.runner.device)

    @property
    def meta(self) -> dict[str, str]:
        """What the images' Meta say of it."""
        return provenance(self._network.card, self._network.sha256, self._device)


def load_enhancer(weights: str, device: sigpy.Device) -> ArrayEnhancer | None:
    """Load a network for perivascular spaces.

    Parameters
    ----------
    weights : str
        ``shipped``, ``none``, a file, or the name of shipped weights.
    device : sigpy.Device

    Returns
    -------
    ArrayEnhancer or None
        None for ``none``.

    Raises
    ------
    ParameterError
        If torch is missing, malibu ships no weights, or they cannot be used.
    """
    if weights == "none":
        return None
    path = needed_weights(
        weights, WEIGHTS, "perivascular spaces", "or weights=none for a map of spaces without a network"
    )
    network = _loaded(path, ready_torch(device))
    tell_loaded(network.card, network.sha256, str(network.runner.device))
    return ArrayEnhancer(network)


@lru_cache(maxsize=2)
def _loaded(path: Path, device: str) -> "MaskedEnhancement":
    from nets.inference.masked_enhancement import MaskedEnhancement

    with usable_weights():
        return MaskedEnhancement(path, device)
