"""A trained SPADE makes volumes of label maps, slice by slice (dissertation 8.3.1)."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from nets.architectures.planar.spade import Spade
from nets.inference.patches import Precision, Runner
from nets.weights import LoadedNetwork, ModelCard, WeightsError, load_weights


@dataclass(frozen=True)
class Synthesised:
    """A volume that was made of labels.

    Attributes
    ----------
    voxels : (z, y, x) float32 Tensor
        From 0 to the ceiling of the training; to 1, if each of its volumes had its own.
    nearly_empty : list of int
        Slices in which a smaller share has labels than in all but a twentieth of the training's slices, or none at all:
        what is seen there comes from nothing.
    """

    voxels: Tensor
    nearly_empty: list[int]


class SliceSynthesis:
    """A trained SPADE on its device.

    Parameters
    ----------
    path : Path
        Weights.
    device : str
        ``cpu`` or ``cuda:N``. If its memory does not suffice, the CPU takes over.
    precision : {"float32", "bfloat16"}

    Attributes
    ----------
    card : ModelCard
    sha256 : str
        Hash of the weights file.
    organs : tuple of str
        Name by label.
    ceiling : float
        The brightest value that it makes.
    least_share : float
        Share of a slice that has labels, below which it counts as nearly empty.

    Raises
    ------
    WeightsError
        If the weights cannot be used, or are not of a network that makes images of labels.
    """

    def __init__(self, path: Path, device: str = "cpu", precision: Precision = "float32") -> None:
        loaded = load_weights(path)
        self.card: ModelCard = loaded.card
        self.sha256 = loaded.sha256
        self.organs, self.ceiling, self.least_share = _intended(loaded)
        self._latent = int(self.card.config["latent"])
        self._runner = Runner(loaded.network, device, precision, name=loaded.card.architecture)

    def __call__(self, labels: Tensor, organs: tuple[str, ...], seed: int = 0) -> Synthesised:
        """Make a volume; all of its slices have one style.

        Parameters
        ----------
        labels : (z, y, x) uint8 Tensor
            Numbers of the organs.
        organs : tuple of str
            Name by label.
        seed : int
            Of z, which draws the style.

        Returns
        -------
        Synthesised

        Raises
        ------
        WeightsError
            If the network was trained on other organs.
        """
        if organs != self.organs:
            raise WeightsError(
                f"the labels are {', '.join(organs)}; the network was trained on {', '.join(self.organs)}: "
                "give labels and weights of one list of organs"
            )
        generator = torch.Generator().manual_seed(seed)
        z = torch.randn(1, self._latent, generator=generator) if self._latent else None
        slices = [self._slice(each, z) for each in labels]
        shares = labels.ne(0).float().mean(dim=(1, 2))
        few = (shares < self.least_share) | (shares == 0)
        return Synthesised((torch.stack(slices) + 1) / 2 * self.ceiling, few.nonzero()[:, 0].tolist())

    def _slice(self, labels: Tensor, z: Tensor | None) -> Tensor:
        maps = nn.functional.one_hot(labels.long(), len(self.organs)).movedim(-1, 0)[None]
        runner = self._runner

        @torch.inference_mode()
        def make() -> Tensor:
            style = None if z is None else z.to(device=runner.device, dtype=runner.dtype)
            return runner.module(maps.to(device=runner.device, dtype=runner.dtype), style).float().cpu()

        return runner.attempt(make)[0, 0]


def _intended(loaded: LoadedNetwork) -> tuple[tuple[str, ...], float, float]:
    """Names, ceiling and least share of the card, which have to fit the network.

    Raises
    ------
    WeightsError
    """
    known = loaded.card.preprocessing
    if not isinstance(loaded.network, Spade) or not {"organs", "ceiling", "least_labelled_share"} <= set(known):
        raise WeightsError(f"{loaded.card.architecture} makes no images of labels; give weights of spade")
    organs = tuple(map(str, known["organs"]))
    if len(organs) != loaded.network.config.classes:
        raise WeightsError(
            f"the model card names {len(organs)} classes, the network has {loaded.network.config.classes}; "
            "export the weights again"
        )
    ceiling = known["ceiling"]
    return organs, float(ceiling) if isinstance(ceiling, int | float) else 1.0, float(known["least_labelled_share"])
