"""The networks of the super-resolution gadget: found, loaded, kept between scans."""

import logging
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import sigpy

from gadgets.errors import ParameterError
from gadgets.super_resolution.parameters import SuperResolutionParameters
from gadgets.torch_device import ready_torch
from nets.shipped_weights import FIRST_STAGE, SECOND_STAGE, shipped, weights_path

if TYPE_CHECKING:
    from nets.inference.super_resolution import SuperResolution

log = logging.getLogger(__name__)


def load_restorer(parameters: SuperResolutionParameters, device: sigpy.Device) -> "SuperResolution":
    """Load the networks that the parameters name.

    Parameters
    ----------
    parameters : SuperResolutionParameters
    device : sigpy.Device

    Returns
    -------
    SuperResolution

    Raises
    ------
    ParameterError
        If torch is missing, or weights cannot be used.
    """
    weights = [weights_path(parameters.first_stage) if parameters.first_stage else shipped(FIRST_STAGE)]
    if parameters.stages == "two":
        if parameters.first_stage and not parameters.second_stage:
            raise ParameterError("first_stage is given without second_stage; give both, or set stages=one")
        second_stage = parameters.second_stage
        weights.append(weights_path(second_stage) if second_stage else shipped(SECOND_STAGE))
    restorer = _loaded(tuple(weights), ready_torch(device), parameters.precision, parameters.patch, parameters.margin)
    for stage in restorer.stages:
        log.info("%s is loaded on %s (weights %s)", stage.card.architecture, restorer.device, stage.sha256[:12])
    return restorer


@lru_cache(maxsize=2)
def _loaded(
    weights: tuple[Path, ...], device: str, precision: str, patch: tuple[int, int, int], margin: int | None
) -> "SuperResolution":
    from nets.inference.super_resolution import SuperResolution
    from nets.weights import WeightsError

    try:
        return SuperResolution(list(weights), device, precision, patch, margin)  # type: ignore[arg-type]
    except WeightsError as error:
        raise ParameterError(f"weights: {error}") from error
