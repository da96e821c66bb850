"""The network of the segmentation gadget: found, loaded, kept between scans."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import sigpy
from numpy.typing import NDArray

from gadgets.device import ready_torch
from gadgets.errors import ParameterError
from gadgets.image_tasks.network import needed_weights, provenance, tell_loaded, usable_weights

if TYPE_CHECKING:
    from nets.inference.organs.segmentation import OrganNetwork, Views

WEIGHTS = "alamo"
"""Name of the shipped weights."""


class ArrayOutliner:
    """A network that outlines organs, as a function of arrays.

    Attributes
    ----------
    organs : tuple of str
        Name by label.
    spacing_mm, least_shape : (3,) tuple
        Voxels, and the smallest volume, (z, y, x), that the network takes as they are.
    """

    def __init__(self, network: "OrganNetwork") -> None:
        self._network = network
        self.organs, self.spacing_mm, self.least_shape = network.organs, network.spacing_mm, network.least_shape

    def __call__(self, volume: NDArray) -> tuple[NDArray, NDArray]:
        """Give probabilities (classes, z, y, x) and disagreement (z, y, x) of a volume along the patient's axes."""
        return self._network.of_array(volume)

    @property
    def meta(self) -> dict[str, str]:
        """What the images' Meta say of it."""
        found = provenance(self._network.card, self._network.sha256, self._network.device)
        return found | {"MalibuViews": self._network.views}


def load_outliner(weights: str, views: "Views", device: sigpy.Device) -> ArrayOutliner:
    """Load a network that outlines organs.

    Parameters
    ----------
    weights : str
        ``shipped``, a file, or the name of shipped weights.
    views : {"one", "three"}
    device : sigpy.Device

    Returns
    -------
    ArrayOutliner

    Raises
    ------
    ParameterError
        If torch is missing, malibu ships no weights, or they cannot be used.
    """
    if weights == "none":
        raise ParameterError("weights=none: there are no organs without a network; set weights=FILE.safetensors")
    path = needed_weights(weights, WEIGHTS, "segmentation", "as the recipe configs/train/alamo.yaml makes them")
    network = _loaded(path, views, ready_torch(device))
    tell_loaded(network.card, network.sha256, network.device)
    return ArrayOutliner(network)


@lru_cache(maxsize=2)
def _loaded(path: Path, views: "Views", device: str) -> "OrganNetwork":
    from nets.inference.organs.segmentation import OrganNetwork

    with usable_weights():
        return OrganNetwork(path, device, views=views)
