"""The networks of the super-resolution gadget: found, loaded, kept between scans."""

import logging
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import sigpy
from numpy.typing import NDArray

from gadgets.device import ready_torch
from gadgets.errors import ParameterError
from gadgets.super_resolution.parameters import SuperResolutionParameters

if TYPE_CHECKING:
    from nets.inference.attention_maps import AttentionMap
    from nets.inference.super_resolution import SuperResolution

log = logging.getLogger(__name__)


class ArrayRestorer:
    """The networks of all stages as one function of arrays.

    Parameters
    ----------
    stages : SuperResolution
        Takes and gives torch tensors.
    blending : float, optional
        Share of the first network's weights in the only stage.

    Attributes
    ----------
    factors : list of (3,) tuple of float
        How many times fewer lines (z, y, x) the networks were trained for.
    """

    def __init__(self, stages: "SuperResolution", blending: float | None = None) -> None:
        self._stages, self._blending = stages, blending
        self.factors = stages.factors

    def __call__(self, zero_filled: NDArray) -> list[NDArray]:
        """Restore a zero-filled magnitude.

        Parameters
        ----------
        zero_filled : (z, y, x) float32

        Returns
        -------
        list of (z, y, x) float32
            What each stage made of it.
        """
        import torch

        return [stage.numpy() for stage in self._stages(torch.from_numpy(zero_filled))]

    def attention(self, zero_filled: NDArray, queries: list[tuple[int, int, int]]) -> "list[AttentionMap]":
        """Show where voxels look; see :func:`nets.inference.attention_maps.attention_maps`."""
        import torch

        from nets.inference.attention_maps import attention_maps

        return attention_maps(self._stages, torch.from_numpy(zero_filled), queries)

    @property
    def device(self) -> str:
        """Where it runs."""
        return self._stages.device

    @property
    def meta(self) -> list[dict[str, str]]:
        """What the images' Meta say after each stage: architectures, weights, training data, patches so far."""
        return [self._meta_after(number) for number in range(1, len(self._stages.stages) + 1)]

    def _meta_after(self, number: int) -> dict[str, str]:
        stages = self._stages.stages[:number]
        patches = ["x".join(map(str, seen)) for seen in self._stages.patches[:number]]
        told = {} if self._blending is None else {"MalibuBlend": f"{self._blending:g}"}
        return told | {
            "MalibuNetwork": " then ".join(stage.card.architecture for stage in stages),
            "MalibuWeightsSha256": " ".join(stage.sha256 for stage in stages),
            "MalibuWeightsVersion": " ".join(stage.card.version for stage in stages),
            "MalibuTrainingData": " | ".join(stage.card.training_data for stage in stages),
            "MalibuMargins": " ".join("x".join(map(str, cut)) for cut in self._stages.margins[: len(stages)]),
            "MalibuPatch": " ".join(dict.fromkeys(patches)),
            "MalibuMerge": self._stages.merge,
            "MalibuBatchStatistics": " ".join(self._stages.batch_statistics[: len(stages)]),
            "MalibuPrecision": str(self._stages.runners[0].dtype).removeprefix("torch."),
            "MalibuDevice": self.device,
        }


def load_restorer(parameters: SuperResolutionParameters, device: sigpy.Device) -> ArrayRestorer:
    """Load the networks that the parameters name.

    Parameters
    ----------
    parameters : SuperResolutionParameters
    device : sigpy.Device

    Returns
    -------
    ArrayRestorer

    Raises
    ------
    ParameterError
        If torch is missing, weights cannot be used, or attention is to be shown that they have not.
    """
    first, second = parameters.first_stage, parameters.second_stage
    if parameters.stages == "two" and first and not second:
        raise ParameterError("first_stage is given without second_stage; give both, or set stages=one")
    restorer = _loaded(
        (first, second) if parameters.stages == "two" else (first,),
        ready_torch(device),
        parameters.precision,
        parameters.patch,
        parameters.margin,
        parameters.merge,
        parameters.batch_statistics,
        parameters.blending,
    )
    for stage in restorer.stages:
        log.info("%s is loaded on %s (weights %s)", stage.card.architecture, restorer.device, stage.sha256[:12])
    if parameters.queries:
        check_attends(restorer)
    return ArrayRestorer(restorer, parameters.blending)


def check_attends(restorer: "SuperResolution") -> None:
    """Refuse networks without self-attention.

    Raises
    ------
    ParameterError
    """
    from nets.inference.attention_maps import check_attention
    from nets.weights import WeightsError

    try:
        check_attention(restorer)
    except WeightsError as error:
        raise ParameterError(f"attention_at: {error}") from error


@lru_cache(maxsize=2)
def _loaded(
    given: tuple[str | None, ...],
    device: str,
    precision: str,
    patch: tuple[int, int, int] | None,
    margin: int | None,
    merge: str,
    batch_statistics: str,
    blending: float | None,
) -> "SuperResolution":
    """Load the stages; None stands for the shipped weights of that stage."""
    from nets.inference.super_resolution import SuperResolution
    from nets.weights import FIRST_STAGE, SECOND_STAGE, WeightsError, shipped, weights_path

    default = (FIRST_STAGE, SECOND_STAGE)
    weights: list[Path] = [
        weights_path(name) if name else shipped(other) for name, other in zip(given, default, strict=False)
    ]
    try:
        return SuperResolution(weights, device, precision, patch, margin, merge, batch_statistics, blending)  # type: ignore[arg-type]
    except WeightsError as error:
        raise ParameterError(f"weights: {error}") from error
