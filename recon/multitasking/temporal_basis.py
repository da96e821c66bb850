"""The temporal basis Φ of one slice: the tensor model, or the navigator's principal components."""

import logging

import numpy as np
from numpy.typing import NDArray

from recon.errors import DataError
from recon.multitasking.scan import RadialScan, Signal, Timeline
from recon.multitasking.selection import t1_state
from recon.multitasking.settings import Settings
from recon.relaxometry.inversion_recovery import InversionRecovery
from recon.temporal.ecg import r_wave_times_s
from recon.temporal.model import GatedTensor, TemporalModel, realtime_model, tensor_model

log = logging.getLogger(__name__)

_LONGEST_TRAIN = 4000
"""Readouts between inversions above which there are none: the Gram matrix of the recovery basis has that side."""


def has_inversions(timeline: Timeline) -> bool:
    """Whether readouts are few enough between inversions for a recovery to be modelled; else there is no tensor."""
    return int(timeline.pulse.max()) < _LONGEST_TRAIN


def temporal_basis(profiles: NDArray, scan: RadialScan, settings: Settings) -> TemporalModel:
    """Find Φ as the settings say.

    Parameters
    ----------
    profiles : (navigators, coils, pixels) complex64
        Prewhitened navigators across the field of view.
    scan : RadialScan
    settings : Settings

    Returns
    -------
    TemporalModel

    Raises
    ------
    DataError
        If TI or flip angle, which the tensor needs, is not known, or a wanted waveform is missing.
    """
    if settings.temporal_model == "tensor":
        if has_inversions(scan.imaging.timeline):
            return _tensor(profiles, scan, settings)
        longest = int(scan.imaging.timeline.pulse.max()) + 1
        log.warning("%d readouts without an inversion (idx.repetition): the real-time basis is used", longest)
    model = realtime_model(profiles, scan.navigator_of_spoke, scan.imaging.timeline, settings.rank, settings.energy)
    rank = len(model.basis)
    if settings.energy is None and rank < settings.rank:
        log.warning("the navigators span only %d dimensions; rank is %d, not %d", rank, rank, settings.rank)
    return model


def _tensor(profiles: NDArray, scan: RadialScan, settings: Settings) -> TemporalModel:
    sequence, navigators, imaging = scan.sequence, scan.navigators.timeline, scan.imaging.timeline
    ti_ms, angle_deg = sequence.known_ti_ms, sequence.known_flip_angle_deg
    triggers_s = respiration = None
    if settings.heart_source == "ecg":
        ecg = _asked_for(scan.ecg, "heart_source=ecg", "an ECG")
        triggers_s = r_wave_times_s(ecg.time_s, ecg.values)
    if settings.respiration_source == "waveform":
        signal = _asked_for(scan.respiration, "respiration_source=waveform", "a respiration signal")
        respiration = np.interp(navigators.time_s, signal.time_s, signal.values)
    pulses = int(max(navigators.pulse.max(), imaging.pulse.max())) + 1
    flash = InversionRecovery(sequence.known_tr_ms, angle_deg * settings.flip_angle_scale, ti_ms, pulses)
    model = tensor_model(profiles, navigators, imaging, flash, settings.tensor, respiration, triggers_s)
    if model.gated is not None:
        _report(model, model.gated, settings)
        # a wrong bin is refused before the reconstruction, not after it
        t1_state(model.gated, settings.t1_cardiac_bin, settings.t1_respiratory_bin)
    return model


def _asked_for(signal: Signal | None, setting: str, what: str) -> Signal:
    if signal is None:
        raise DataError(f"{setting} needs {what}, and the scan has none; give one, or set it to self")
    return signal


def _report(model: TemporalModel, gated: GatedTensor, settings: Settings) -> None:
    gating = gated.gating
    if gating.beats is not None:
        log.info(
            "%d beats, %.0f per minute, %d ectopic (quality %.2f)",
            len(gating.beats.time_s),
            gating.beats.rate_per_minute,
            np.count_nonzero(gating.beats.is_ectopic),
            gating.heart_quality,
        )
    if gating.respiration is not None:
        log.info("breathing resolved (quality %.2f)", gating.respiration_quality)
    for name in gating.unresolved:
        log.warning("%s could not be resolved: the temporal model does without it", name)
    left_out = np.count_nonzero(~model.kept)
    if left_out:
        log.info(
            "%d imaging spokes (%.1f %%) lie in ectopic beats and are left out", left_out, 100 * np.mean(~model.kept)
        )
    rank = gated.tensor.rank
    log.info("rank %d; %.0f %% of the tensor's cells are filled by the model", rank, 100 * gated.empty_share)
    if settings.energy is None and rank < settings.rank:
        log.warning("the temporal tensor spans %d dimensions, not %d", rank, settings.rank)
