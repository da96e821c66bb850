"""A trained network from the back-projection U₀ to the spatial factor U."""

import logging
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from nets.architectures.unrolled import DataTerm, MdcnUnrolled, noise_factor
from nets.inference.patches import Precision, Runner
from nets.scaling import LabelStatistics, normalisation_of, to_channels, to_maps
from nets.weights import ModelCard, WeightsError, load_weights

log = logging.getLogger(__name__)


class SpatialFactorNetwork:
    """A trained network from U₀ to U, on its device.

    Parameters
    ----------
    path : Path
        Weights.
    device : str
        ``cpu`` or ``cuda:N``. If its memory does not suffice, the CPU takes over.
    precision : {"float32", "bfloat16"}
    compiled : bool

    Attributes
    ----------
    card : ModelCard
    sha256 : str
        Hash of the weights file.
    rank : int
        Basis maps that the network takes at most.
    module : torch.nn.Module

    Raises
    ------
    WeightsError
        If the weights cannot be used, or are not of a network for spatial factors.
    """

    def __init__(
        self, path: Path, device: str = "cpu", precision: Precision = "float32", compiled: bool = False
    ) -> None:
        loaded = load_weights(path)
        self.card: ModelCard = loaded.card
        self.sha256 = loaded.sha256
        self.rank = _rank(loaded.card)
        self.module = loaded.network
        self._label = _label_statistics(loaded.card)
        self.sees_data = isinstance(self.module, MdcnUnrolled)
        self._half = precision == "bfloat16"
        plain: Precision = "float32" if self.sees_data else precision  # operators and their steps stay in float32
        self._runner = Runner(self.module, device, plain, compiled and not self.sees_data, self.card.architecture)

    @property
    def device(self) -> str:
        """Where it runs."""
        return str(self._runner.device)

    def warm_up(self, matrix: int) -> None:
        """Run once on an empty slice, so that the first real one does not pay for it."""
        empty = torch.zeros(self.rank, matrix, matrix, dtype=torch.complex64)
        if isinstance(self.module, MdcnUnrolled):
            with torch.inference_mode():
                self.module.networks[0](empty.to(self._runner.device))
        else:
            self(empty)

    def __call__(self, back_projection: Tensor, data: DataTerm | None = None) -> Tensor:
        """Estimate the spatial factor.

        Parameters
        ----------
        back_projection : (L, y, x) complex64 Tensor
            U₀ on any device; with fewer maps than the network knows, the others count as zero.
        data : DataTerm, optional
            Of the same device; a network that ``sees_data`` needs it.

        Returns
        -------
        (L, y, x) complex64 Tensor
            On the device of the input, on its scale.

        Raises
        ------
        WeightsError
            If there are more maps than the network has channels for, or it lacks the data.
        """
        rank = len(back_projection)
        if rank > self.rank:
            raise WeightsError(
                f"the network takes {self.rank} basis maps, the scan has {rank}: set rank to {self.rank}, "
                "or train a network for that rank"
            )
        if self.sees_data:
            if data is None:
                raise WeightsError("the network goes back to the data: give their normal operator and adjoint")
            return self._runner.attempt(lambda: self._with_data(back_projection, data))
        filled = nn.functional.pad(torch.view_as_real(back_projection), (0, 0, 0, 0, 0, 0, 0, self.rank - rank))
        channels = to_channels(torch.view_as_complex(filled))
        normalisation = normalisation_of(channels)
        estimate = self._runner(normalisation.apply(channels)[None])
        return to_maps(self._label.of_label(normalisation).undo(estimate[0]))[:rank].to(back_projection.device)

    @torch.inference_mode()
    def _with_data(self, back_projection: Tensor, data: DataTerm) -> Tensor:
        device = self._runner.device
        there = replace(data, adjoint=data.adjoint.to(device), density=data.density.to(device))
        shown = back_projection.to(device)
        factor = float(noise_factor(shown, there))
        if factor > 1:
            log.info("the data are noisy, and count %.1f times less against the network's images", factor)
        with torch.autocast(device.type, torch.bfloat16, enabled=self._half):
            return self.module(shown, there).to(back_projection.device)


def _label_statistics(card: ModelCard) -> LabelStatistics:
    """How the training's labels were scaled against their inputs; alike, if the card does not say."""
    given = card.preprocessing.get("label_statistics", {})
    try:
        return LabelStatistics(**{name: float(value) for name, value in given.items()})
    except (TypeError, ValueError, AttributeError) as error:
        raise WeightsError(
            f"the model card's label_statistics cannot be used ({error}); export the weights again"
        ) from error


def _rank(card: ModelCard) -> int:
    if card.architecture in ("mdcn", "mdcn_unrolled"):
        return int(card.config["rank"])
    inputs, outputs = (int(card.config.get(name, 0)) for name in ("inputs", "outputs"))
    if card.architecture != "dense_unet" or inputs != outputs or inputs % 2:
        raise WeightsError(
            f"{card.architecture} is no network for spatial factors; give weights of mdcn, mdcn_unrolled or dense_unet"
        )
    return inputs // 2
