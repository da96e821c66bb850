"""The ways to a slice's spatial factor: back-projection, the network on it, or iterative ADMM from it."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import sigpy
from numpy.typing import NDArray

from gadgets.multitasking.network import apply_network
from gadgets.multitasking.parameters import MultitaskingParameters
from recon.errors import DataError
from recon.spatial.admm import AdmmSettings, admm
from recon.spatial.back_projection import (
    SubspaceProblem,
    back_project,
    back_project_and_adjoint,
    back_project_exactly,
    normal_operator,
)
from recon.spatial.consistency import enforce_data
from recon.spatial.fold import is_radial
from recon.stages import StageClock

if TYPE_CHECKING:
    from nets.inference.spatial_factor import SpatialFactorNetwork

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SpatialFactor:
    """What a method found, and how.

    Attributes
    ----------
    maps : (L, N, N) complex64
        U, in host memory.
    back_projection : (L, N, N) complex64
        U₀, in host memory; the same array if nothing was done to it.
    method : str
        For people: what made U.
    facts : dict of str to str
        Meta entries on the network.
    """

    maps: NDArray
    back_projection: NDArray
    method: str
    facts: dict[str, str] = field(default_factory=dict)


def solve(
    problem: SubspaceProblem,
    parameters: MultitaskingParameters,
    clock: StageClock,
    network: "SpatialFactorNetwork | None" = None,
) -> SpatialFactor:
    """Estimate the spatial factor by the method that the parameters name.

    Parameters
    ----------
    problem : SubspaceProblem
        On its device, which is the current one.
    parameters : MultitaskingParameters
    clock : StageClock
    network : SpatialFactorNetwork, optional
        For ``mdcn``; without it, the back-projection stands in.

    Returns
    -------
    SpatialFactor

    Raises
    ------
    DataError
        If the result is not finite.
    """
    chosen = parameters.reconstruction
    if chosen == "admm":
        result = _iterated(problem, parameters, clock)
    elif chosen == "mdcn" and network is not None:
        result = _by_network(problem, parameters, clock, network)
    else:
        with clock.stage("back-projection"):
            maps = sigpy.to_device(_back_projection(problem, parameters), sigpy.cpu_device)
        absent = "" if chosen == "backprojection" else " (no usable weights)"
        result = SpatialFactor(maps, maps, f"backprojection{absent}")
    if not np.isfinite(result.maps).all():
        raise DataError(
            f"the result of {result.method} with NUFFT back end {problem.backend} is not finite; "
            "choose another back end"
        )
    return result


def _by_network(
    problem: SubspaceProblem, parameters: MultitaskingParameters, clock: StageClock, network: "SpatialFactorNetwork"
) -> SpatialFactor:
    consistent = parameters.consistency_steps > 0
    with clock.stage("back-projection"):
        if consistent:
            initial, adjoint_data = back_project_and_adjoint(problem)
        else:
            initial = _back_projection(problem, parameters)
    with clock.stage("network"):
        maps = apply_network(network, initial)
    facts = {
        "MalibuNetwork": network.card.architecture,
        "MalibuNetworkDevice": network.device,
        "MalibuWeightsSha256": network.sha256,
        "MalibuWeightsVersion": network.card.version,
        "MalibuTrainingData": network.card.training_data,
    }
    if consistent:
        with clock.stage("Toeplitz kernel"):
            normal = normal_operator(problem, int(parameters.memory_gb * 2**30))
        with clock.stage("data consistency"):
            weight, steps = parameters.consistency_weight, parameters.consistency_steps
            maps = enforce_data(normal, adjoint_data, maps, weight, steps)
    method = f"{network.card.architecture}{' with data consistency' if consistent else ''}"
    return _on_host(maps, initial, method, facts)


def _iterated(problem: SubspaceProblem, parameters: MultitaskingParameters, clock: StageClock) -> SpatialFactor:
    settings = AdmmSettings(
        sparsity=parameters.sparsity,
        relative_lambda=parameters.relative_lambda,
        iterations=parameters.iterations,
        cg_iterations=parameters.cg_iterations,
    )
    with clock.stage("back-projection"):
        initial, adjoint_data = back_project_and_adjoint(problem)
    with clock.stage("Toeplitz kernel"):
        normal = normal_operator(problem, int(parameters.memory_gb * 2**30))
    with clock.stage("ADMM"):
        maps = admm(normal, adjoint_data, initial, settings, _log_progress(settings.iterations)).spatial_factor
    return _on_host(maps, initial, "admm", {})


def _on_host(maps: NDArray, initial: NDArray, method: str, facts: dict[str, str]) -> SpatialFactor:
    cpu = sigpy.cpu_device
    return SpatialFactor(sigpy.to_device(maps, cpu), sigpy.to_device(initial, cpu), method, facts)


def _back_projection(problem: SubspaceProblem, parameters: MultitaskingParameters) -> NDArray:
    if parameters.gridding == "exact":
        return back_project_exactly(problem)
    if is_radial(sigpy.to_device(problem.trajectory)):
        return back_project(problem)
    log.warning("the spokes are not straight through k = 0: every spoke is gridded")
    return back_project_exactly(problem)


def _log_progress(total: int) -> Callable[[int, float], None]:
    return lambda iteration, residual: log.info("ADMM %d of %d, residual %.1e", iteration, total, residual)
