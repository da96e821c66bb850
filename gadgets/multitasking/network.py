"""The network that a gadget runs: found, loaded and warmed up before the first readout, kept between scans."""

import logging
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import sigpy
from numpy.typing import NDArray

from gadgets.errors import ParameterError
from gadgets.multitasking.parameters import MultitaskingParameters
from gadgets.torch_device import ready_torch
from nets.shipped_weights import MULTITASKING, shipped

if TYPE_CHECKING:
    from nets.inference.spatial_factor import SpatialFactorNetwork

log = logging.getLogger(__name__)


def load_network(
    parameters: MultitaskingParameters, device: sigpy.Device, matrix: int
) -> "SpatialFactorNetwork | None":
    """Load and warm up the network that the parameters name.

    Parameters
    ----------
    parameters : MultitaskingParameters
    device : sigpy.Device
    matrix : int
        Of the slices to come.

    Returns
    -------
    SpatialFactorNetwork or None
        None if the parameters want no network, or there are no usable weights and they allow for that.

    Raises
    ------
    ParameterError
        If torch is missing, the weights cannot be used, or the rank does not fit.
    """
    if parameters.reconstruction != "mdcn":
        return None
    try:
        network = _loaded(
            Path(parameters.weights) if parameters.weights else shipped(MULTITASKING),
            ready_torch(device, ", or set reconstruction to backprojection or admm"),
            parameters.precision,
            parameters.compile_network,
        )
        if parameters.rank > network.rank:
            raise ParameterError(
                f"rank {parameters.rank} is above the {network.rank} basis maps that the network takes; "
                f"set rank to {network.rank}, give weights for that rank, or choose reconstruction=admm"
            )
    except ParameterError as error:
        if parameters.without_weights == "error":
            raise
        log.warning("%s: the back-projection is shown instead", error)
        return None
    _warmed(network, matrix)
    log.info("%s is loaded on %s (weights %s)", network.card.architecture, network.device, network.sha256[:12])
    return network


@lru_cache(maxsize=2)
def _warmed(network: "SpatialFactorNetwork", matrix: int) -> None:
    """Run a network once, the first time that it meets a matrix."""
    network.warm_up(matrix)


@lru_cache(maxsize=2)
def _loaded(path: Path, device: str, precision: str, compiled: bool) -> "SpatialFactorNetwork":
    from nets.inference.spatial_factor import SpatialFactorNetwork
    from nets.weights import WeightsError

    try:
        return SpatialFactorNetwork(path, device, precision, compiled)  # type: ignore[arg-type]
    except WeightsError as error:
        raise ParameterError(f"weights: {error}") from error


def apply_network(network: "SpatialFactorNetwork", back_projection: NDArray) -> NDArray:
    """Hand the back-projection to torch and take the result back; a GPU's memory is shared, not copied.

    Parameters
    ----------
    network : SpatialFactorNetwork
    back_projection : (L, N, N) complex64
        NumPy or CuPy.

    Returns
    -------
    (L, N, N) complex64
        Of the same kind.
    """
    import torch

    xp = sigpy.get_array_module(back_projection)
    device = sigpy.get_device(back_projection)
    if network.device == "cpu":
        back_projection = sigpy.to_device(back_projection, sigpy.cpu_device)
    estimate = network(torch.from_dlpack(sigpy.get_array_module(back_projection).ascontiguousarray(back_projection)))
    if estimate.device.type == "cpu":
        return sigpy.to_device(estimate.numpy(), device)
    return xp.from_dlpack(estimate)
