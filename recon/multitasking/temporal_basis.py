"""The temporal basis Φ of one slice: the tensor model, principal components, a constant, or one that was given."""

import logging
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recon.errors import DataError
from recon.multitasking.scan import RadialScan, Readouts, Sequence, Signal, Timeline
from recon.multitasking.selection import t1_state
from recon.multitasking.settings import Settings
from recon.readouts.noise import apply_to_coils
from recon.readouts.windows import Windows, rings_of, window_images
from recon.relaxometry.inversion_recovery import InversionRecovery
from recon.temporal.ecg import r_wave_times_s
from recon.temporal.fitting.profiles import NavigatorProfiles
from recon.temporal.model import GatedTensor, TemporalModel, realtime_model, tensor_model
from recon.temporal.navigator import readout_profiles
from recon.temporal.plain import (
    COMPONENTS,
    WINDOWS,
    Breathing,
    breathing_in,
    given_model,
    settling,
    static_model,
    uninverted,
    windowed_model,
)

log = logging.getLogger(__name__)

_LONGEST_TRAIN = 4000
"""Readouts between inversions above which there are none: the Gram matrix of the recovery basis has that side."""


def has_inversions(timeline: Timeline, sequence: Sequence, with_navigators: bool = True) -> bool:
    """Whether a T1 recovery can be modelled.

    Parameters
    ----------
    timeline : Timeline
        Imaging spokes.
    sequence : Sequence
    with_navigators : bool
        Such scans are Multitasking: they invert unless their readouts between inversions are too many. Others must
        have a TI, and count more than one inversion; headers name a TI even where the sequence does not invert.

    Returns
    -------
    bool
    """
    if sequence.inverts is False or int(timeline.pulse.max()) >= _LONGEST_TRAIN:
        return False
    return with_navigators or (sequence.ti_ms is not None and int(np.ptp(timeline.inversion)) > 0)


def temporal_basis(to_coils: NDArray, scan: RadialScan, settings: Settings) -> TemporalModel:
    """Find Φ as the settings say; one that was given with the scan wins.

    Parameters
    ----------
    to_coils : (virtual coils, coils) complex64
        Prewhitening and compression.
    scan : RadialScan
    settings : Settings

    Returns
    -------
    TemporalModel

    Raises
    ------
    DataError
        If TI or flip angle, which the tensor needs, is not known, a wanted waveform is missing, a scan with inversions
        has no navigators for the tensor, or a given basis does not fit.
    """
    imaging = scan.imaging.timeline
    inverts = has_inversions(imaging, scan.sequence, scan.navigators is not None)
    if not inverts and scan.navigators is None:
        imaging = uninverted(imaging.time_s)  # whatever its counters count
    if scan.basis is not None:
        model = given_model(scan.basis, imaging)
        log.info("the temporal basis is the given one, of rank %d", len(model.basis))
        return model
    if settings.temporal_model == "static":
        return static_model(imaging)
    if settings.temporal_model == "tensor" and inverts:
        return _tensor(to_coils, scan, settings)
    seen = _windows(to_coils, scan) if scan.navigators is None else None
    if settings.temporal_model == "tensor":
        moving = _without_recovery(to_coils, scan, settings, seen)
        if moving is not None:
            return moving
    return _realtime(to_coils, scan, settings, seen, imaging)


def _realtime(
    to_coils: NDArray, scan: RadialScan, settings: Settings, windows: Windows | None, imaging: Timeline
) -> TemporalModel:
    rank = settings.rank
    if windows is not None and rank == Settings.rank:
        rank = COMPONENTS
        log.info("rank %d: a sliding window shows no more above its streaks; set another rank to have it so", rank)
    if windows is None:
        profiles = readout_profiles(apply_to_coils(to_coils, _navigators(scan).kspace), scan.matrix)
        model = realtime_model(profiles, scan.navigator_of_spoke, imaging, rank, settings.energy)
    else:
        model = windowed_model(windows, imaging, rank, settings.energy)
    found = len(model.basis)
    if settings.energy is None and found < rank:
        log.warning("the %s span only %d dimensions; rank is %d, not %d", model.source, found, found, rank)
    return model


def _navigators(scan: RadialScan) -> Readouts:
    if scan.navigators is None:
        raise DataError(
            "the scan has inversions and no navigators, from which motion and recovery are told apart; set the rule "
            "for navigators (navigator=every_nth or zero_angle), temporal_model=realtime, or inversion_counter=none if "
            "the sequence does not invert"
        )
    return scan.navigators


def _profiles(to_coils: NDArray, scan: RadialScan) -> NavigatorProfiles:
    """Prewhitened navigators across the field of view: those that were made while they came, or the same anew."""
    ready = scan.profiles
    if ready is not None and np.array_equal(ready.to_coils, to_coils):
        return ready
    return NavigatorProfiles.of(_navigators(scan).kspace, scan.matrix, to_coils)


def _windows(to_coils: NDArray, scan: RadialScan) -> Windows:
    rings = rings_of(scan.trajectory)
    kspace = apply_to_coils(to_coils, scan.imaging.kspace[:, :, rings.samples])
    return window_images(kspace, rings, scan.imaging.timeline.time_s)


def _tensor(to_coils: NDArray, scan: RadialScan, settings: Settings) -> TemporalModel:
    sequence, navigators, imaging = scan.sequence, _navigators(scan), scan.imaging.timeline
    ti_ms, angle_deg = sequence.known_ti_ms, sequence.known_flip_angle_deg
    pulses = int(max(navigators.timeline.pulse.max(), imaging.pulse.max())) + 1
    flash = InversionRecovery(sequence.known_tr_ms, angle_deg * settings.flip_angle_scale, ti_ms, pulses)
    seen = _profiles(to_coils, scan)
    return _gated(seen.values, (navigators.timeline, imaging), flash, scan, settings, components=seen.components)


def _without_recovery(
    to_coils: NDArray, scan: RadialScan, settings: Settings, windows: Windows | None
) -> TemporalModel | None:
    """The tensor over cardiac phase and respiration alone; None if neither was resolved."""
    level = logging.INFO if scan.navigators is None else logging.WARNING  # who measures navigators expects T1
    log.log(level, "the scan has no inversions: the temporal model is one of motion alone, and there is no T1")
    components = None
    if windows is None:
        seen, times = _profiles(to_coils, scan), _navigators(scan).timeline.time_s
        profiles, components = seen.values, seen.components
    else:
        profiles, times = windows.profiles, windows.time_s
    timelines = (settling(times), uninverted(scan.imaging.timeline.time_s))
    flash = InversionRecovery(scan.sequence.known_tr_ms, scan.sequence.flip_angle_deg or 0.0, 0.0, pulses=1)
    breathing = None
    if windows is not None and settings.respiration_source == "self":
        breathing = breathing_in(windows, settings.tensor.gating)
    model = _gated(profiles, timelines, flash, scan, settings, breathing, components)
    if model.gated is None or len(model.gated.gating.unresolved) == 2:
        log.warning("without states of motion there is no tensor: the real-time basis is used")
        return None
    return replace(model, source="navigators" if windows is None else WINDOWS)


def _gated(
    profiles: NDArray,
    timelines: tuple[Timeline, Timeline],
    flash: InversionRecovery,
    scan: RadialScan,
    settings: Settings,
    breathing: Breathing | None = None,
    components: NDArray | None = None,
) -> TemporalModel:
    seen, imaging = timelines
    triggers_s, respiration = None, None if breathing is None else breathing.signal
    if settings.heart_source == "ecg":
        ecg = _asked_for(scan.ecg, "heart_source=ecg", "an ECG")
        triggers_s = r_wave_times_s(ecg.time_s, ecg.values)
    if settings.respiration_source == "waveform":
        signal = _asked_for(scan.respiration, "respiration_source=waveform", "a respiration signal")
        respiration = np.interp(seen.time_s, signal.time_s, signal.values)
    model = tensor_model(profiles, seen, imaging, flash, settings.tensor, respiration, triggers_s, components)
    if model.gated is not None and breathing is not None:
        gating = replace(model.gated.gating, respiration_quality=breathing.quality)
        model = replace(model, gated=replace(model.gated, gating=gating))
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
