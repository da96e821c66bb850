"""Breathing and heartbeat of a scan, from the navigator or from outside, and where they put each readout."""

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recon.readouts.timeline import Timeline
from recon.temporal.bins import Beats, DisplacementScale, cardiac_weights, displacement_scale, mark_ectopic
from recon.temporal.heart import crossings
from recon.temporal.motion import navigator_series
from recon.temporal.self_gating import GatingSettings, self_gate
from recon.temporal.tensor import BinWeights

log = logging.getLogger(__name__)


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
        Trust in the signal and in the heart rate, from 0 to 1; not a number for external signals.
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


def gate(
    features: NDArray,
    navigators: Timeline,
    recovery: NDArray,
    settings: GatingSettings,
    respiratory_bins: int,
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
    settings : GatingSettings
    respiratory_bins : int
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
        series = navigator_series(features, recovery[navigators.pulse], navigators.inversion, navigators.time_s)
        found = self_gate(series, settings)
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
    scale = None if respiration is None else displacement_scale(respiration, respiratory_bins)
    if scale is not None and scale.high <= scale.low:
        log.warning("the respiratory signal is constant: respiration is not resolved")
        respiration = scale = None
    return Gating(respiration, scale, beats, origin, respiration_quality, heart_quality)


def bin_weights(gating: Gating, timeline: Timeline, navigators: Timeline, recovery: NDArray, bins: int) -> BinWeights:
    """Weights of the tensor's bins at given readouts.

    Parameters
    ----------
    gating : Gating
    timeline, navigators : Timeline
        Times of the readouts, and of the navigators at which the respiration is known.
    recovery : (pulses, T) float64
    bins : int
        Cardiac.

    Returns
    -------
    BinWeights
    """
    one = np.ones((len(timeline.time_s), 1))
    cardiac = respiratory = one
    if gating.beats is not None:
        cardiac = cardiac_weights(gating.beats.phase(timeline.time_s, gating.origin), bins)
    if gating.respiration is not None and gating.scale is not None:
        signal = np.interp(timeline.time_s, navigators.time_s, gating.respiration)
        respiratory = gating.scale.weights(signal)
    return BinWeights(cardiac, respiratory, recovery[timeline.pulse])
