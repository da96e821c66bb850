"""A trained network that outlines organs in volumes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import torch
from numpy.typing import NDArray
from torch import Tensor

from nets.architectures.dense_unet import DenseUNet
from nets.inference.organs.three_views import VIEWS, disagreement, probabilities_of_view, vote
from nets.inference.patches import Precision, Runner
from nets.scaling import normalisation_of
from nets.weights import LoadedNetwork, ModelCard, WeightsError, load_weights

Views = Literal["one", "three"]


@dataclass(frozen=True)
class Outlined:
    """What a network says of a volume.

    Attributes
    ----------
    probabilities : (classes, z, y, x) float32 Tensor
        Of the views that agree with their vote; the highest is that of the voxel's label.
    disagreement : (z, y, x) float32 Tensor
        0 where all views are sure of one class, 1 where they know nothing.
    """

    probabilities: Tensor
    disagreement: Tensor

    @property
    def labels(self) -> Tensor:
        """(z, y, x) uint8 number of the organ; 0 is the background."""
        return self.probabilities.argmax(dim=0).to(torch.uint8)


class OrganNetwork:
    """A trained ALAMO on its device.

    Parameters
    ----------
    path : Path
        Weights.
    device : str
        ``cpu`` or ``cuda:N``. If its memory does not suffice, the CPU takes over.
    precision : {"float32", "bfloat16"}
    views : {"one", "three"}
        The transversal view alone, or the vote of transversal, coronal and sagittal views.

    Attributes
    ----------
    card : ModelCard
    sha256 : str
        Hash of the weights file.
    organs : tuple of str
        Name by label; the first is the background.
    spacing_mm : (3,) tuple of float
        (z, y, x) of the volumes that it takes.
    slices : int
        Of a stack.

    Raises
    ------
    WeightsError
        If the weights cannot be used, or are not of a network that outlines organs.
    """

    def __init__(
        self, path: Path, device: str = "cpu", precision: Precision = "float32", views: Views = "three"
    ) -> None:
        loaded = load_weights(path)
        self.card: ModelCard = loaded.card
        self.sha256 = loaded.sha256
        self.organs, self.spacing_mm, self.slices = _intended(loaded)
        self.views = views
        self._runner = Runner(loaded.network, device, precision, name=loaded.card.architecture)

    @property
    def device(self) -> str:
        """Where it runs."""
        return str(self._runner.device)

    def __call__(self, volume: Tensor, progress: Callable[[str], None] = lambda view: None) -> Outlined:
        """Outline the organs of a volume.

        Parameters
        ----------
        volume : (z, y, x) float32 Tensor
            Magnitude of the network's spacing, on any scale. Axes point to the head, the back and the patient's left.
        progress : callable
            Called with the name of each view when it is done.

        Returns
        -------
        Outlined
        """
        shown = normalisation_of(volume).apply(volume)
        found = []
        for axis, name in enumerate(VIEWS if self.views == "three" else VIEWS[:1]):
            found.append(probabilities_of_view(self._runner, _room_for(shown, self._least), axis, self.slices))
            found[-1] = found[-1][(slice(None), *(slice(size) for size in volume.shape))]
            progress(name)
        return Outlined(vote(found), disagreement(found))

    def of_array(self, volume: NDArray) -> tuple[NDArray, NDArray]:
        """As a call, of NumPy arrays: probabilities (classes, z, y, x) and disagreement (z, y, x), float32."""
        found = self(torch.from_numpy(volume))
        return found.probabilities.numpy(), found.disagreement.numpy()

    @property
    def least_shape(self) -> tuple[int, int, int]:
        """(z, y, x) voxels that a volume has at least; the last slices of a smaller one are repeated."""
        stacked, aside = max(self.slices, self._least), self._least
        if self.views == "three":
            return stacked, stacked, stacked
        return self.slices, aside, aside

    @property
    def _least(self) -> int:
        """Rows and columns that the coarsest level needs."""
        return 2 ** (int(self.card.config["levels"]) - 1)


def _room_for(volume: Tensor, least: int) -> Tensor:
    """Repeat the last slices of a volume that is too thin for the network's coarsest level."""
    for axis, size in enumerate(volume.shape):
        if size < least:
            last = volume.narrow(axis, size - 1, 1)
            volume = torch.cat([volume, *[last] * (least - size)], dim=axis)
    return volume


def _intended(loaded: LoadedNetwork) -> tuple[tuple[str, ...], tuple[float, float, float], int]:
    """Names, spacing and slices of the card, which have to fit the network.

    Raises
    ------
    WeightsError
    """
    card = loaded.card
    if not isinstance(loaded.network, DenseUNet) or not {"organs", "spacing_mm", "slices"} <= set(card.preprocessing):
        raise WeightsError(f"{card.architecture} is no network that outlines organs; give weights of alamo")
    organs = tuple(map(str, card.preprocessing["organs"]))
    slices = int(card.preprocessing["slices"])
    spacing = cast("tuple[float, float, float]", tuple(map(float, card.preprocessing["spacing_mm"])))
    sizes = (loaded.network.config.inputs, loaded.network.config.outputs)
    if sizes != (slices, slices * len(organs)) or len(spacing) != 3:
        raise WeightsError(
            f"the model card names {slices} slices and {len(organs)} classes, the network has {sizes[0]} inputs and "
            f"{sizes[1]} outputs; export the weights again"
        )
    return organs, spacing, slices
