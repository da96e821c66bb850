"""The temporal model of one scan: gating, bins, completed tensor, Φ (`multitasking.md` §2)."""

import logging
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recon.errors import DataError
from recon.relaxometry.inversion_recovery import InversionRecovery, recovery_basis
from recon.temporal.bins import Beats, DisplacementScale, cardiac_weights, displacement_scale, mark_ectopic, nearest_bin
from recon.temporal.heart import crossings
from recon.temporal.motion import navigator_series, principal_features
from recon.temporal.self_gating import GatingBands, self_gate
from recon.temporal.tensor import Places, TemporalTensor, complete, temporal_tensor

log = logging.getLogger(__name__)

_FEATURES = 64


@dataclass(frozen=True)
class Timeline:
    """When readouts were measured.

    Attributes
    ----------
    time_s : (times,) float64
        Since the start of the scan.
    pulse : (times,) int
        Excitation pulses since the inversion.
    period : (times,) int
        Number of the inversion.
    """

    time_s: NDArray
    pulse: NDArray
    period: NDArray


@dataclass(frozen=True)
class TensorSettings:
    """What the temporal tensor looks like.

    Attributes
    ----------
    rank : int
        L.
    energy : float or None
        Keep fewer: those that hold this share of the energy.
    cardiac_bins, respiratory_bins, recovery_rank : int
    cardiac_rank, respiratory_rank : int or None
        Multilinear ranks; None keeps the axis whole.
    bands : GatingBands
    keep_ectopic : bool
        Leave ectopic beats in the cardiac bins.
    """

    rank: int = 32
    energy: float | None = None
    cardiac_bins: int = 20
    respiratory_bins: int = 6
    recovery_rank: int = 5
    cardiac_rank: int | None = None
    respiratory_rank: int | None = None
    bands: GatingBands = field(default_factory=GatingBands)
    keep_ectopic: bool = False


@dataclass(frozen=True)
class Gating:
    """Motion during the scan, and how well it is known.

    Attributes
    ----------
    respiration : (navigators,) float64 or None
        At the navigators, in the units of its source; None: not resolved.
    scale : DisplacementScale or None
    beats : Beats or None
        None: not resolved.
    origin : float
        Phase after the trigger at end-diastole, which is cardiac phase zero.
    respiration_quality, heart_quality : float
        Share of the variation that the signal explains; not a number for external signals.
    """

    respiration: NDArray | None
    scale: DisplacementScale | None
    beats: Beats | None
    origin: float
    respiration_quality: float
    heart_quality: float

    @property
    def unresolved(self) -> list[str]:
        """What the tensor has to do without."""
        missing = ["respiration"] if self.respiration is None else []
        return missing + (["heartbeat"] if self.beats is None else [])


@dataclass(frozen=True)
class TimeModel:
    """Φ of a scan, and where each readout lies in it.

    Attributes
    ----------
    sequence : InversionRecovery
    tensor : TemporalTensor
    basis : (L, kept spokes) float64
        Φ at the imaging readouts that are used; rows orthonormal.
    kept : (spokes,) bool
        Imaging readouts outside of ectopic beats.
    singular_values : (K,) float64
    gating : Gating
    imaging : Places
        Of all imaging readouts.
    navigator_time_s : (navigators,) float64
        Of the gating's respiration.
    empty_share : float
        Share of the (cardiac, respiratory, recovery) cells that no navigator touched; the model fills them.
    end_expiration : int
        Respiratory bin with the most readouts.
    """

    sequence: InversionRecovery
    tensor: TemporalTensor
    basis: NDArray
    kept: NDArray
    singular_values: NDArray
    gating: Gating
    imaging: Places
    navigator_time_s: NDArray
    empty_share: float
    end_expiration: int


def gate(
    features: NDArray,
    navigators: Timeline,
    recovery: NDArray,
    settings: TensorSettings,
    respiration: NDArray | None = None,
    triggers_s: NDArray | None = None,
) -> Gating:
    """Find breathing and heartbeat, from the navigator or from external signals.

    Parameters
    ----------
    features : (navigators, K) float64
        Principal components of the navigators.
    navigators : Timeline
    recovery : (pulses, T) float64
        U_τ.
    settings : TensorSettings
    respiration : (navigators,) float, optional
        External signal, rising towards inspiration.
    triggers_s : (beats,) float, optional
        External R waves.

    Returns
    -------
    Gating
    """
    found = None
    if respiration is None or triggers_s is None:
        series = navigator_series(features, recovery[navigators.pulse], navigators.period, navigators.time_s)
        found = self_gate(series, settings.bands)
    respiration_quality = heart_quality = float("nan")
    beats, origin = None, 0.0
    if triggers_s is not None:
        beats = mark_ectopic(triggers_s)
    elif found is not None:
        heart_quality = found.heart_quality
        if found.heart is not None:
            trigger = found.heart.trigger
            beats = mark_ectopic(crossings(found.heart.phase, trigger, navigators.time_s))
            origin = float(np.mod(found.heart.quiet - trigger, 1.0))
    if respiration is None and found is not None:
        respiration, respiration_quality = found.respiration, found.respiration_quality
    scale = None if respiration is None else displacement_scale(respiration, settings.respiratory_bins)
    if scale is not None and scale.high <= scale.low:
        log.warning("the respiratory signal is constant: respiration is not resolved")
        respiration = scale = None
    return Gating(respiration, scale, beats, origin, respiration_quality, heart_quality)


def places(gating: Gating, timeline: Timeline, navigators: Timeline, recovery: NDArray, bins: int) -> Places:
    """Where readouts lie in the tensor.

    Parameters
    ----------
    gating : Gating
    timeline, navigators : Timeline
        Of the readouts, and of the navigators at which the respiration is known.
    recovery : (pulses, T) float64
    bins : int
        Cardiac.

    Returns
    -------
    Places
    """
    one = np.ones((len(timeline.time_s), 1))
    cardiac = respiratory = one
    if gating.beats is not None:
        cardiac = cardiac_weights(gating.beats.phase(timeline.time_s, gating.origin), bins)
    if gating.respiration is not None and gating.scale is not None:
        signal = np.interp(timeline.time_s, navigators.time_s, gating.respiration)
        respiratory = gating.scale.weights(signal)
    return Places(cardiac, respiratory, recovery[timeline.pulse])


def build_time_model(
    profiles: NDArray,
    navigators: Timeline,
    imaging: Timeline,
    sequence: InversionRecovery,
    settings: TensorSettings,
    respiration: NDArray | None = None,
    triggers_s: NDArray | None = None,
) -> TimeModel:
    """Gate, sort navigators into the tensor, complete it, and read Φ from it.

    Parameters
    ----------
    profiles : (navigators, coils, pixels) complex64
    navigators, imaging : Timeline
    sequence : InversionRecovery
    settings : TensorSettings
    respiration, triggers_s : array, optional
        External signals; see :func:`gate`.

    Returns
    -------
    TimeModel

    Raises
    ------
    DataError
        If no imaging readout is left.
    """
    recovery = recovery_basis(sequence.tr_ms, sequence.flip_angle_deg, sequence.pulses, settings.recovery_rank)
    features = principal_features(profiles, _FEATURES)
    gating = gate(features, navigators, recovery, settings, respiration, triggers_s)
    seen = places(gating, navigators, navigators, recovery, settings.cardiac_bins)
    spokes = places(gating, imaging, navigators, recovery, settings.cardiac_bins)
    used, kept = (_outside_ectopic(gating, timeline, settings) for timeline in (navigators, imaging))
    if not kept.any():
        raise DataError("every imaging readout lies in an ectopic beat; set keep_ectopic to use them")
    completed = complete(
        features[used],
        seen.at(used),
        (settings.cardiac_rank or settings.cardiac_bins, settings.respiratory_rank or settings.respiratory_bins),
    )
    tensor, singular_values = temporal_tensor(completed, spokes.at(kept), recovery, settings.rank, settings.energy)
    return TimeModel(
        sequence=sequence,
        tensor=tensor,
        basis=tensor.at(spokes.at(kept)),
        kept=kept,
        singular_values=singular_values,
        gating=gating,
        imaging=spokes,
        navigator_time_s=navigators.time_s,
        empty_share=_empty_share(seen.at(used), navigators.pulse[used]),
        end_expiration=int(np.argmax(np.bincount(nearest_bin(spokes.respiratory)))),
    )


def _outside_ectopic(gating: Gating, timeline: Timeline, settings: TensorSettings) -> NDArray:
    if gating.beats is None or settings.keep_ectopic:
        return np.ones(len(timeline.time_s), dtype=bool)
    return ~gating.beats.disturbed(timeline.time_s, gating.origin)


def _empty_share(seen: Places, pulse: NDArray) -> float:
    cells = np.stack([nearest_bin(seen.cardiac), nearest_bin(seen.respiratory), pulse])
    touched = np.unique(cells, axis=1).shape[1]
    return 1.0 - touched / (seen.cardiac.shape[1] * seen.respiratory.shape[1] * len(np.unique(pulse)))
