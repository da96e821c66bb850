"""The networks of tasks: found, loaded, kept between scans, and what they tell of themselves."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import sigpy
from numpy.typing import NDArray

from gadgets.device import ready_torch
from gadgets.errors import ParameterError
from recon.errors import DataError

if TYPE_CHECKING:
    from nets.inference.plane_networks import PlaneNetwork
    from nets.weights import ModelCard

log = logging.getLogger(__name__)


class ArrayPlanes:
    """A network of planes as a function of arrays, on the scale of what came."""

    def __init__(self, planes: "PlaneNetwork") -> None:
        self._planes = planes

    @property
    def channels(self) -> int:
        """Images of each plane that the network sees."""
        return self._planes.channels

    def __call__(self, volume: NDArray[np.float32]) -> NDArray[np.float32]:
        """Apply the network to each plane of a volume (z, y, x), or of its channels (channels, z, y, x).

        Raises
        ------
        DataError
            If the result is not finite.
        """
        import torch

        result: NDArray[np.float32] = self._planes(torch.from_numpy(np.ascontiguousarray(volume))).numpy()
        if not np.isfinite(result).all():
            raise DataError(f"the network's result is not finite on {self._planes.device}; set device=cpu")
        return result

    @property
    def meta(self) -> dict[str, str]:
        """What the images' Meta say of it."""
        return provenance(self._planes.card, self._planes.sha256, self._planes.device)


def provenance(card: "ModelCard", sha256: str, device: str) -> dict[str, str]:
    """What the Meta of images say of the network that made them: its model card, its weights, where it ran."""
    return {
        "MalibuNetwork": card.architecture,
        "MalibuWeightsSha256": sha256,
        "MalibuWeightsVersion": card.version,
        "MalibuTrainingData": card.training_data,
        "MalibuDevice": device,
    }


def tell_loaded(card: "ModelCard", sha256: str, device: str) -> None:
    """Log which network runs where."""
    log.info("%s is loaded on %s (weights %s)", card.architecture, device, sha256[:12])


@contextmanager
def usable_weights() -> Iterator[None]:
    """Tell of weights that cannot be used as of a parameter.

    Raises
    ------
    ParameterError
        In place of WeightsError.
    """
    from nets.weights import WeightsError

    try:
        yield
    except WeightsError as error:
        raise ParameterError(f"weights: {error}") from error


def needed_weights(weights: str, default: str, task: str, otherwise: str) -> Path:
    """Path of weights without which a task cannot be done.

    Parameters
    ----------
    weights : str
        ``shipped``, a file, or the name of shipped weights.
    default : str
        Name of the shipped weights of the task.
    task, otherwise : str
        What they are for, and what else may be done; for the error.

    Raises
    ------
    ParameterError
        If malibu ships none.
    """
    from nets.weights import shipped, weights_path

    path = shipped(default) if weights == "shipped" else weights_path(weights)
    if weights == "shipped" and not path.is_file():
        raise ParameterError(f"malibu ships no weights of {task}: set weights=FILE.safetensors, {otherwise}")
    return path


def load_planes(weights: str, default: str, task: str, device: sigpy.Device) -> ArrayPlanes | None:
    """Load a network of planes.

    Parameters
    ----------
    weights : str
        ``shipped``, ``none``, a file, or the name of shipped weights.
    default : str
        Name of the shipped weights of the task.
    task : str
        Of the registry of architectures: others are refused.
    device : sigpy.Device

    Returns
    -------
    ArrayPlanes or None
        None for ``none``, and where malibu ships no weights of the task.

    Raises
    ------
    ParameterError
        If torch is missing, or the weights cannot be used.
    """
    if weights == "none":
        return None
    from nets.weights import shipped

    if weights == "shipped" and not shipped(default).is_file():
        log.warning("malibu ships no weights of %s: results come without a network", task)
        return None
    planes = _loaded(default if weights == "shipped" else weights, task, ready_torch(device))
    tell_loaded(planes.card, planes.sha256, planes.device)
    return ArrayPlanes(planes)


@lru_cache(maxsize=2)
def _loaded(weights: str, task: str, device: str) -> "PlaneNetwork":
    from nets.inference.plane_networks import PlaneNetwork
    from nets.weights import weights_path

    with usable_weights():
        return PlaneNetwork(weights_path(weights), task, device)
