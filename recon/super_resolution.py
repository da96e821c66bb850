"""Super-resolution of one Cartesian volume: arrays and a callable network in, the restored volume out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recon.cartesian import centre_mask, lines_measured, put_back_measured
from recon.errors import DataError
from recon.readouts.geometry import Geometry
from recon.stages import StageClock

Network = Callable[[NDArray], NDArray | Sequence[NDArray]]
"""Zero-filled magnitude (z, y, x) float32 → what it, or each of its stages, makes of it, of the same shape.

It may tell of itself by an attribute ``meta``: one mapping for each stage.
"""

UNCUT = 1.01
"""Accelerations up to this are rounding: the axis was measured fully."""


@dataclass(frozen=True)
class CartesianVolume:
    """A volume of which only a part of the k-space lines was measured, at its full matrix.

    Attributes
    ----------
    zero_filled : (z, y, x) complex64
        Image whose k-space holds the measured lines and zeros; x is the readout. Magnitudes have zero phase.
    factors : (2,) tuple of float, or None
        How many times fewer lines along slice (z) and phase direction (y); None if nothing tells.
    measured : (z, y, 1) or (z, y, x) bool, or None
        Samples of the k-space of ``zero_filled``, centre at n // 2, that were measured; None if nothing tells.
    geometry : Geometry
    """

    zero_filled: NDArray[np.complex64]
    factors: tuple[float, float] | None = None
    measured: NDArray[np.bool_] | None = None
    geometry: Geometry = field(default_factory=lambda: Geometry((0.0, 0.0, 0.0)))

    @property
    def is_cut(self) -> bool:
        """Whether the data themselves say that lines were left out."""
        return self.factors is not None and max(self.factors) > UNCUT


@dataclass(frozen=True)
class Settings:
    """Choices of the method.

    Attributes
    ----------
    data_consistency : bool
        Put the measured lines back into the result.
    acceleration : (2,) tuple of float, or None
        Fewer lines along slice and phase direction, where the data do not tell.
    """

    data_consistency: bool = False
    acceleration: tuple[float, float] | None = None


@dataclass(frozen=True)
class RestoredVolume:
    """A volume before and after its networks.

    Attributes
    ----------
    zero_filled : (z, y, x) float32
        Magnitude that the first stage was given.
    first_stage, result : (z, y, x) float32
        After the first stage; after the last stage and data consistency.
    settings : Settings
    provenance : sequence of mapping of str to str
        What the network tells of itself, stage by stage.
    """

    zero_filled: NDArray[np.float32]
    first_stage: NDArray[np.float32]
    result: NDArray[np.float32]
    settings: Settings
    provenance: Sequence[Mapping[str, str]]


def restore(
    volume: CartesianVolume, network: Network, settings: Settings | None = None, clock: StageClock | None = None
) -> RestoredVolume:
    """Restore a volume: zero-filled magnitude → network's stages → data consistency, if wanted.

    Parameters
    ----------
    volume : CartesianVolume
    network : callable
    settings : Settings, optional
    clock : StageClock, optional

    Returns
    -------
    RestoredVolume

    Raises
    ------
    DataError
        If the network gives another shape, the result is not finite, or data consistency does not know what was
        measured.
    """
    settings, clock = settings or Settings(), clock or StageClock()
    zero_filled = np.abs(volume.zero_filled).astype(np.float32)
    with clock.stage("network"):
        stages = _checked(network(zero_filled), zero_filled.shape)
    result = stages[-1]
    if settings.data_consistency and np.ptp(zero_filled) > 0:
        with clock.stage("data consistency"):
            result = put_back_measured(result, volume.zero_filled, measured_samples(volume, settings.acceleration))
    if not np.isfinite(result).all():
        where = getattr(network, "device", "its device")
        raise DataError(f"the network's result is not finite on {where}; set precision=float32 or device=cpu")
    provenance = tuple(getattr(network, "meta", ({},)))
    return RestoredVolume(zero_filled, stages[0], result, settings, provenance)


def _checked(given: object, shape: tuple[int, ...]) -> list[NDArray]:
    """What the stages gave, as float32; another shape would be shown at the wrong place and size."""
    stages = list(given) if isinstance(given, list | tuple) else [given]
    if not stages:
        raise DataError(f"the network gave nothing; let it return a magnitude of the shape {shape}, or a list of them")
    for stage in stages:
        if not isinstance(stage, np.ndarray) or stage.shape != shape or np.iscomplexobj(stage):
            what = f"{stage.shape} {stage.dtype}" if isinstance(stage, np.ndarray) else type(stage).__name__
            raise DataError(
                f"the network gave {what}; let it return a real NumPy array of the shape {shape}, or a list of them"
            )
    return [np.asarray(stage, dtype=np.float32) for stage in stages]


def measured_samples(volume: CartesianVolume, acceleration: tuple[float, float] | None = None) -> NDArray:
    """Tell which samples of a volume's k-space were measured: what data consistency may put back.

    The data's own answer counts. Where they know nothing of a cut, since the volume was zero-filled upstream, the given
    acceleration tells the number of lines; what is known not to have been measured stays out.

    Parameters
    ----------
    volume : CartesianVolume
    acceleration : (2,) tuple of float, optional

    Returns
    -------
    (z, y, 1) or (z, y, x) bool

    Raises
    ------
    DataError
        If nothing tells.
    """
    if volume.measured is not None and (volume.is_cut or acceleration is None):
        return volume.measured
    factors = acceleration or volume.factors
    if factors is None:
        raise DataError("nothing tells which lines were measured; set acceleration, as 4x4 (slice x phase)")
    z, y = volume.zero_filled.shape[:2]
    centre = centre_mask((z, y), (lines_measured(z, factors[0]), lines_measured(y, factors[1])))[..., None]
    return centre if volume.measured is None else centre & volume.measured
