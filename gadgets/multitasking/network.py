"""The network that a gadget runs: found, loaded and warmed up before the first readout, kept between scans."""

import logging
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sigpy
from numpy.typing import NDArray

from gadgets.device import ready_torch
from gadgets.errors import ParameterError
from gadgets.multitasking.parameters import MultitaskingParameters
from recon.spatial.toeplitz import kernel_bytes

if TYPE_CHECKING:
    import torch

    from nets.architectures.unrolled import DataTerm
    from nets.inference.spatial_factor import SpatialFactorNetwork
    from recon.spatial.toeplitz import ToeplitzNormal

log = logging.getLogger(__name__)


class ArrayNetwork:
    """A trained network as a function of arrays: U₀ → U, NumPy or CuPy.

    Parameters
    ----------
    network : SpatialFactorNetwork
        Takes and gives torch tensors.

    Attributes
    ----------
    name : str
        Architecture, which the images' Meta name.
    rank : int
        Basis maps that it takes at most.
    """

    def __init__(self, network: "SpatialFactorNetwork") -> None:
        self._network = network
        self.name = network.card.architecture
        self.rank = network.rank
        self.sees_data = network.sees_data

    def __call__(
        self,
        back_projection: NDArray,
        normal: "ToeplitzNormal | None" = None,
        adjoint_data: NDArray | None = None,
        noise_variance: float = 1.0,
    ) -> NDArray:
        """Hand the back-projection to torch and take the result back; a GPU's memory is shared, not copied.

        Parameters
        ----------
        back_projection : (L, N, N) complex64
            U₀, NumPy or CuPy.
        normal : ToeplitzNormal, optional
            E_Φᴴ E_Φ, for a network that ``sees_data``.
        adjoint_data : (L, N, N) complex64, optional
            E_Φᴴ d.
        noise_variance : float
            Of a complex sample of d; 1 after prewhitening.

        Returns
        -------
        (L, N, N) complex64
            U, an array of the same kind on the same device.
        """
        import torch

        xp, device = sigpy.get_array_module(back_projection), sigpy.get_device(back_projection)
        if self._network.device == "cpu":
            back_projection = sigpy.to_device(back_projection, sigpy.cpu_device)
        contiguous = sigpy.get_array_module(back_projection).ascontiguousarray(back_projection)
        data = None
        if normal is not None and adjoint_data is not None:
            data = data_term(normal, adjoint_data, noise_variance)
        estimate = self._network(torch.from_dlpack(contiguous), data)
        if estimate.device.type == "cpu":
            return sigpy.to_device(estimate.numpy(), device)
        return xp.from_dlpack(estimate)

    @property
    def error_model(self) -> Mapping[str, float]:
        """What the model card says of errors, for :mod:`recon.multitasking.uncertainty`; empty if it says nothing."""
        return self._network.card.preprocessing.get("error_model", {})

    @property
    def training_statistics(self) -> Mapping[str, Any]:
        """What the model card says of the training's pairs, for :mod:`gadgets.multitasking.trust.familiarity`."""
        return self._network.card.preprocessing.get("training_statistics", {})

    def warm_up(self, matrix: int) -> None:
        """Run once on an empty slice, so that the first real one does not pay for it."""
        self._network.warm_up(matrix)

    @property
    def meta(self) -> dict[str, str]:
        """What the images' Meta say of the network: architecture, device, weights and what they were trained on."""
        card = self._network.card
        return {
            "MalibuNetwork": card.architecture,
            "MalibuNetworkDevice": self._network.device,
            "MalibuWeightsSha256": self._network.sha256,
            "MalibuWeightsVersion": card.version,
            "MalibuTrainingData": card.training_data,
        }


def data_term(normal: "ToeplitzNormal", adjoint_data: NDArray, noise_variance: float) -> "DataTerm":
    """Hand the data's operator to torch: it stays one of arrays, and computes where its kernel lies.

    Parameters
    ----------
    normal : ToeplitzNormal
        E_Φᴴ E_Φ.
    adjoint_data : (L, N, N) complex64
        E_Φᴴ d, on the same device.
    noise_variance : float
        Of a complex sample of d.

    Returns
    -------
    DataTerm
    """
    from nets.architectures.unrolled import DataTerm

    xp, device = sigpy.get_array_module(normal.kernel), sigpy.get_device(normal.kernel)

    def apply(maps: "torch.Tensor") -> "torch.Tensor":
        given = maps.detach().contiguous()
        array = sigpy.to_device(given.numpy(), device) if given.device.type == "cpu" else xp.from_dlpack(given)
        return tensor_of(normal(array)).to(maps.device)

    return DataTerm(apply, tensor_of(adjoint_data), tensor_of(normal.density), noise_variance)


def tensor_of(array: NDArray) -> "torch.Tensor":
    """An array of NumPy or CuPy as a tensor of the same memory."""
    import torch

    return torch.from_dlpack(sigpy.get_array_module(array).ascontiguousarray(array))


def open_network(path: Path, device: sigpy.Device, precision: str = "float32", compiled: bool = False) -> ArrayNetwork:
    """Load a network's weights; it is not warmed up.

    Parameters
    ----------
    path : Path
    device : sigpy.Device
    precision : {"float32", "bfloat16"}
    compiled : bool
        Use ``torch.compile``.

    Returns
    -------
    ArrayNetwork

    Raises
    ------
    ParameterError
        If torch is missing, or the weights cannot be used.
    """
    return _loaded(path, ready_torch(device, ", or set reconstruction to backprojection or admm"), precision, compiled)


def load_network(parameters: MultitaskingParameters, device: sigpy.Device, matrix: int) -> ArrayNetwork | None:
    """Load and warm up the network that the parameters name.

    Parameters
    ----------
    parameters : MultitaskingParameters
    device : sigpy.Device
    matrix : int
        Image matrix of the slices to come.

    Returns
    -------
    ArrayNetwork or None
        None if the parameters want no network, or there are no usable weights and they allow for that.

    Raises
    ------
    ParameterError
        If torch is missing, the weights cannot be used, or the rank does not fit.
    """
    if not parameters.wants_network:
        return None
    try:
        network = open_network(_weights(parameters, matrix), device, parameters.precision, parameters.compile_network)
        if network.sees_data and parameters.gridding == "exact":
            raise ParameterError(f"{network.name} takes the data by the fold; set gridding=folded, or mdcn's weights")
        check_rank(network, parameters.rank)
    except ParameterError as error:
        if parameters.without_weights == "error":
            raise
        log.warning("%s: the back-projection is shown instead", error)
        return None
    _warmed(network, matrix)
    meta = network.meta
    log.info(
        "%s is loaded on %s (weights %s)", network.name, meta["MalibuNetworkDevice"], meta["MalibuWeightsSha256"][:12]
    )
    return network


def _weights(parameters: MultitaskingParameters, matrix: int) -> Path:
    """Weights that were set, or malibu's; where nobody asked for the data inside, those that do without if need be."""
    from nets.weights import MULTITASKING, UNROLLED, shipped

    if parameters.weights:
        return Path(parameters.weights)
    if parameters.reconstruction == "mdcn":
        return shipped(MULTITASKING)
    if "reconstruction" not in parameters.model_fields_set:
        reason = None
        if parameters.gridding == "exact":
            reason = "gridding=exact"
        # the kernel, and what making and applying it take beside
        elif (needed := 2 * kernel_bytes(parameters.rank, matrix)) > parameters.settings().memory_bytes:
            reason = f"the normal operator takes {needed / 2**30:.1f} GiB, above memory_gb"
        if reason:
            log.warning("%s: mdcn is used instead of mdcn_unrolled", reason)
            return shipped(MULTITASKING)
    return shipped(UNROLLED)


def check_rank(network: object, rank: int) -> None:
    """Refuse a rank above the number of basis maps that a network says, by its attribute ``rank``, that it takes.

    Raises
    ------
    ParameterError
    """
    most = getattr(network, "rank", rank)
    if rank > most:
        raise ParameterError(
            f"rank {rank} is above the {most} basis maps that the network takes; "
            f"set rank to {most}, give weights for that rank, or choose reconstruction=admm"
        )


@lru_cache(maxsize=2)
def _warmed(network: ArrayNetwork, matrix: int) -> None:
    """Run a network once, the first time that it meets a matrix."""
    network.warm_up(matrix)


@lru_cache(maxsize=2)
def _loaded(path: Path, device: str, precision: str, compiled: bool) -> ArrayNetwork:
    from nets.inference.spatial_factor import SpatialFactorNetwork
    from nets.weights import WeightsError

    try:
        network = SpatialFactorNetwork(path, device, precision, compiled)  # type: ignore[arg-type]
    except WeightsError as error:
        raise ParameterError(f"weights: {error}") from error
    return ArrayNetwork(network)
