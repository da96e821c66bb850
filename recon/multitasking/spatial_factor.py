"""The ways to a slice's spatial factor: back-projection, a network on it, or iterative ADMM from it."""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import sigpy
from numpy.typing import NDArray

from recon.errors import DataError
from recon.multitasking.settings import Settings
from recon.spatial.admm import admm, noise_lambda
from recon.spatial.back_projection import (
    SubspaceProblem,
    back_project,
    back_project_and_adjoint,
    back_project_exactly,
    normal_operator,
)
from recon.spatial.consistency import enforce_data
from recon.spatial.toeplitz import ToeplitzNormal
from recon.spatial.trust.correction import Correction, corrected
from recon.spatial.trust.misfit import DataMisfit, data_misfit
from recon.spatial.trust.symmetries import TurnedNormal, symmetries
from recon.stages import StageClock

log = logging.getLogger(__name__)

Network = Callable[..., NDArray]
"""U₀ → U, both (L, N, N) complex64 on one device. It may say its ``name`` and, by ``meta``, more of itself.

One whose ``sees_data`` is true is called with U₀, the normal operator E_Φᴴ E_Φ
(:class:`recon.spatial.toeplitz.ToeplitzNormal`), E_Φᴴ d, and the variance of the noise of a complex sample of d.
"""


@dataclass(frozen=True)
class SpatialFactor:
    """The spatial factor of a slice, and the method that found it.

    Attributes
    ----------
    maps : (L, N, N) complex64
        U, in host memory.
    back_projection : (L, N, N) complex64
        U₀, in host memory; the same array if nothing was done to it.
    method : str
        Name for people.
    provenance : mapping of str to str
        What the network tells of itself by its attribute ``meta``; empty if none was used.
    samples : tuple of (L, N, N) complex64
        U of turned, mirrored and rephased inputs, turned back, in host memory; empty unless the settings want them.
    error_model : mapping of str to float
        What the network's attribute of this name says of its errors (:mod:`recon.multitasking.uncertainty`).
    misfit : DataMisfit or None
        Against the data, where it was wanted, or the network had computed what it takes.
    """

    maps: NDArray[np.complex64]
    back_projection: NDArray[np.complex64]
    method: str
    provenance: Mapping[str, str] = field(default_factory=dict)
    samples: tuple[NDArray[np.complex64], ...] = ()
    error_model: Mapping[str, float] = field(default_factory=dict)
    misfit: DataMisfit | None = None


@dataclass(frozen=True)
class _Data:
    """The data as far as U is concerned, on their device: E_Φᴴ E_Φ, E_Φᴴ d, and the noise of a sample of d."""

    normal: ToeplitzNormal
    adjoint: NDArray
    noise_variance: float


def estimate(
    problem: SubspaceProblem,
    settings: Settings,
    clock: StageClock,
    network: Network | None = None,
    watch: Callable[[], None] = lambda: None,
) -> SpatialFactor:
    """Estimate the spatial factor by the method that the settings name.

    Parameters
    ----------
    problem : SubspaceProblem
        On its device, which is the current one.
    settings : Settings
    clock : StageClock
    network : callable, optional
        U₀ → U; without it, the back-projection stands in.
    watch : callable
        Called after each iteration of ADMM; what it raises ends the work.

    Returns
    -------
    SpatialFactor

    Raises
    ------
    DataError
        If the result is not finite.
    """
    data: _Data | None = None
    if settings.reconstruction == "admm":
        result, data = _iterated(problem, settings, clock, watch)
    elif settings.reconstruction == "network" and network is not None:
        result, data = _by_network(problem, settings, clock, network)
    else:
        with clock.stage("back-projection"):
            maps = sigpy.to_device(_back_projection(problem, settings), sigpy.cpu_device)
        result = SpatialFactor(maps, maps, "backprojection")
    if not np.isfinite(result.maps).all():
        raise DataError(
            f"the result of {result.method} with NUFFT back end {problem.backend} is not finite; "
            "choose another back end"
        )
    is_free = settings.reconstruction == "network" and bool(getattr(network, "sees_data", False))
    if settings.data_misfit or is_free:
        return replace(result, misfit=_misfit(problem, settings, clock, result.maps, data))
    return result


def name_of(network: Network) -> str:
    """What people call a network: its attribute ``name``, else the name of the function."""
    return str(getattr(network, "name", None) or getattr(network, "__name__", "network"))


def _by_network(
    problem: SubspaceProblem, settings: Settings, clock: StageClock, network: Network
) -> tuple[SpatialFactor, _Data | None]:
    consistent, sees_data = settings.consistency_steps > 0, bool(getattr(network, "sees_data", False))
    if sees_data and settings.gridding == "exact":
        raise DataError(f"{name_of(network)} takes the data by the fold; set gridding=folded")
    data: _Data | None = None
    with clock.stage("back-projection"):
        if consistent or sees_data:
            initial, adjoint_data = back_project_and_adjoint(problem)
        else:
            initial = _back_projection(problem, settings)
    if consistent or sees_data:
        data = _with_kernel(problem, settings, clock, adjoint_data)
    with clock.stage("network"):
        given = (data.normal, data.adjoint, data.noise_variance) if sees_data and data else ()
        maps = _checked(network(initial, *given), initial, name_of(network))
    samples: list[NDArray] = []
    if settings.uncertainty_samples:
        with clock.stage("uncertainty samples"):
            samples = turned_estimates(network, initial, settings.uncertainty_samples, *given)
    said: dict[str, str] = {}
    if consistent and data:
        with clock.stage("data consistency"):
            weight, steps = settings.consistency_weight, settings.consistency_steps
            maps, *samples = (enforce_data(data.normal, data.adjoint, one, weight, steps) for one in (maps, *samples))
    elif settings.residual_correction and sees_data and data:
        with clock.stage("residual correction"):
            noise, clear = data.noise_variance, settings.clear_air
            best, *others = (corrected(data.normal, data.adjoint, one, noise, clear) for one in (maps, *samples))
        maps, samples, said = best.maps, [one.maps for one in others], _said(best, settings.clear_air)
    method = f"{name_of(network)}{' with data consistency' if consistent else ''}"
    found = replace(
        _on_host(maps, initial, method),
        provenance=dict(getattr(network, "meta", {})) | said,
        samples=tuple(sigpy.to_device(one, sigpy.cpu_device) for one in samples),
        error_model=dict(getattr(network, "error_model", {})),
    )
    return found, data


def _said(found: Correction, clear_air: bool) -> dict[str, str]:
    """What was changed after the network, for the log and Meta."""
    said = {"MalibuGivenBack": f"{found.given_back:.2e}"}
    text = f"the data gave back {100 * math.sqrt(found.given_back):.1f} % of the network's result"
    if clear_air:
        said["MalibuAirCleared"] = f"{found.air:.3f}"
        text += f"; {100 * found.air:.0f} % of the pixels hold no more than noise and were set to 0 (clear_air)"
    log.info(text)
    return said


def turned_estimates(
    network: Network,
    initial: NDArray,
    count: int,
    normal: ToeplitzNormal | None = None,
    adjoint: NDArray | None = None,
    noise_variance: float = 1.0,
) -> list[NDArray]:
    """What a network says of a scan as other orientations and phases would have shown it, turned back.

    Parameters
    ----------
    network : callable
    initial : (L, N, N) complex64
        U₀.
    count : int
        At most :data:`recon.spatial.trust.symmetries.MOST`.
    normal : ToeplitzNormal, optional
        E_Φᴴ E_Φ, for a network that ``sees_data``.
    adjoint : (L, N, N) complex64, optional
        E_Φᴴ d.
    noise_variance : float
        Of a complex sample of d.

    Returns
    -------
    list of (L, N, N) complex64

    Raises
    ------
    DataError
        If the network gives something else.
    """
    estimates = []
    for symmetry in symmetries(count):
        if normal is None or adjoint is None:
            given: tuple[Any, ...] = ()
        else:
            given = (TurnedNormal(normal, symmetry), symmetry.apply(adjoint), noise_variance)
        turned = symmetry.apply(initial)
        estimates.append(symmetry.undo(_checked(network(turned, *given), turned, name_of(network))))
    return estimates


def _with_kernel(problem: SubspaceProblem, settings: Settings, clock: StageClock, adjoint_data: NDArray) -> _Data:
    with clock.stage("Toeplitz kernel"):
        return _Data(normal_operator(problem, settings.memory_bytes), adjoint_data, problem.sample_variance())


def _misfit(
    problem: SubspaceProblem, settings: Settings, clock: StageClock, maps: NDArray, data: _Data | None
) -> DataMisfit:
    if data is None:
        with clock.stage("back-projection"):
            adjoint_data = back_project_and_adjoint(problem)[1]
        data = _with_kernel(problem, settings, clock, adjoint_data)
    with clock.stage("data misfit"):
        on_device = sigpy.to_device(maps, sigpy.get_device(data.adjoint))
        found = data_misfit(data.normal, data.adjoint, on_device, problem.kspace)
    text = "%.2g %% of the data's energy are left; by region %.1f (in noise, if coils are prewhitened)"
    log.info(text, 100 * found.relative, _middle(found))
    return found


def _middle(misfit: DataMisfit) -> float:
    """Median of the regions that coils see."""
    seen = misfit.by_region[misfit.by_region > 0]
    return float(np.median(seen)) if seen.size else 0.0


def _checked(maps: NDArray, initial: NDArray, name: str) -> NDArray:
    """What a network gave, as complex64; maps of another shape would be shown at the wrong place and size."""
    kind = type(initial)
    if not isinstance(maps, kind) or maps.shape != initial.shape:
        what = maps.shape if isinstance(maps, kind) else f"{type(maps).__module__}.{type(maps).__name__}"
        raise DataError(
            f"{name} gave {what}; let it return basis maps as it was given: {kind.__module__}.{kind.__name__} of the "
            f"shape {initial.shape}" + ("" if kind is np.ndarray else ', or choose device="cpu"')
        )
    return maps.astype(initial.dtype, copy=False)


def _iterated(
    problem: SubspaceProblem, settings: Settings, clock: StageClock, watch: Callable[[], None]
) -> tuple[SpatialFactor, _Data]:
    with clock.stage("back-projection"):
        initial, adjoint_data = back_project_and_adjoint(problem)
    data = _with_kernel(problem, settings, clock, adjoint_data)
    with clock.stage("ADMM"):
        progress, wanted = _log_progress(settings.iterations, watch), settings.admm
        if settings.relative_lambda is None:
            penalty = noise_lambda(data.normal, data.adjoint, data.noise_variance)
            wanted = replace(wanted, relative_lambda=penalty)
        log.info("ADMM's penalty: relative_lambda %.2e", wanted.relative_lambda)
        maps = admm(data.normal, data.adjoint, initial, wanted, progress).spatial_factor
    said = {"MalibuAdmmLambda": f"{wanted.relative_lambda:.3e}"}
    return replace(_on_host(maps, initial, "admm"), provenance=said), data


def _on_host(maps: NDArray, initial: NDArray, method: str) -> SpatialFactor:
    cpu = sigpy.cpu_device
    return SpatialFactor(sigpy.to_device(maps, cpu), sigpy.to_device(initial, cpu), method)


def _back_projection(problem: SubspaceProblem, settings: Settings) -> NDArray:
    return back_project_exactly(problem) if settings.gridding == "exact" else back_project(problem)


def _log_progress(total: int, watch: Callable[[], None]) -> Callable[[int, float], None]:
    def progress(iteration: int, residual: float) -> None:
        log.info("ADMM %d of %d, residual %.1e", iteration, total, residual)
        watch()

    return progress
