"""The temporal basis of one slice: the tensor model, or the navigator's principal components."""

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gadgets.mrd.header import ScanHeader, flip_angle_deg, inversion_time_ms, repetition_time_ms
from gadgets.multitasking.parameters import MultitaskingParameters
from gadgets.multitasking.readouts import SliceReadouts
from gadgets.multitasking.selection import t1_state
from gadgets.multitasking.waveforms import r_wave_times_s, respiration_at
from recon.relaxometry.inversion_recovery import InversionRecovery
from recon.temporal.model import TensorSettings, Timeline, TimeModel, build_time_model
from recon.temporal.navigator import navigator_subspace, orthonormalise
from recon.temporal.self_gating import GatingBands

log = logging.getLogger(__name__)

_LONGEST_TRAIN = 4000


@dataclass(frozen=True)
class Temporal:
    """Φ of one slice, and the model that it comes from.

    Attributes
    ----------
    basis : (L, kept spokes) complex64
        Φ; rows orthonormal.
    kept : (spokes,) bool
        Imaging spokes that are reconstructed.
    singular_values : (components,) float64
    imaging : Timeline
        Of all imaging spokes.
    model : TimeModel or None
        None for the real-time basis.
    """

    basis: NDArray
    kept: NDArray
    singular_values: NDArray
    imaging: Timeline
    model: TimeModel | None = None


def temporal_basis(
    profiles: NDArray, readouts: SliceReadouts, header: ScanHeader, parameters: MultitaskingParameters
) -> Temporal:
    """Find Φ as the parameters say.

    Parameters
    ----------
    profiles : (navigators, coils, pixels) complex64
        Prewhitened.
    readouts : SliceReadouts
    header : ScanHeader
    parameters : MultitaskingParameters

    Returns
    -------
    Temporal

    Raises
    ------
    DataError
        If TR, or for the tensor TI or flip angle, is not known, or a wanted waveform is missing.
    """
    tr_ms = repetition_time_ms(header, parameters.tr_ms)
    gap_ms = header.ti_ms if header.ti_ms is not None else parameters.ti_ms or 0.0
    imaging = _timeline(readouts.readout_index, readouts.since_inversion, readouts.inversion, tr_ms, gap_ms)
    if parameters.temporal_model == "tensor":
        longest = int(readouts.since_inversion.max()) + 1
        if longest <= _LONGEST_TRAIN:
            return _tensor(profiles, readouts, imaging, tr_ms, header, parameters)
        log.warning("%d readouts without an inversion (idx.repetition): the real-time basis is used", longest)
    subspace = navigator_subspace(profiles, parameters.rank, parameters.energy)
    rank = len(subspace.basis)
    if parameters.energy is None and rank < parameters.rank:
        log.warning("the navigators span only %d dimensions; rank is %d, not %d", rank, rank, parameters.rank)
    basis = orthonormalise(subspace.basis[:, readouts.navigator_of_spoke]).astype(np.complex64)
    return Temporal(basis, np.ones(basis.shape[1], dtype=bool), subspace.singular_values, imaging)


def _timeline(index: NDArray, pulse: NDArray, inversion: NDArray, tr_ms: float, gap_ms: float) -> Timeline:
    return Timeline((index * tr_ms + (inversion + 1) * gap_ms) / 1000, pulse, inversion)


def _tensor(
    profiles: NDArray,
    readouts: SliceReadouts,
    imaging: Timeline,
    tr_ms: float,
    header: ScanHeader,
    parameters: MultitaskingParameters,
) -> Temporal:
    ti_ms, angle_deg = inversion_time_ms(header, parameters.ti_ms), flip_angle_deg(header, parameters.flip_angle_deg)
    navigators = _timeline(
        readouts.navigator_index, readouts.navigator_since_inversion, readouts.navigator_inversion, tr_ms, ti_ms
    )
    stamps = np.array([head.acquisition_time_stamp for head in readouts.headers], dtype=np.float64)
    triggers_s = respiration = None
    if parameters.heart_source == "ecg":
        triggers_s = r_wave_times_s(readouts.waveforms, parameters.ecg_waveform_id, stamps, imaging.time_s)
    if parameters.respiration_source == "waveform":
        respiration = respiration_at(
            readouts.waveforms, parameters.respiration_waveform_id, stamps, imaging.time_s, navigators.time_s
        )
    pulses = int(max(navigators.pulse.max(), imaging.pulse.max())) + 1
    sequence = InversionRecovery(tr_ms, angle_deg * parameters.flip_angle_scale, ti_ms, pulses)
    settings = _settings(parameters)
    model = build_time_model(profiles, navigators, imaging, sequence, settings, respiration, triggers_s)
    _report(model, parameters)
    t1_state(model, parameters)  # a wrong bin is refused before the reconstruction, not after it
    return Temporal(model.basis.astype(np.complex64), model.kept, model.singular_values, imaging, model)


def _settings(parameters: MultitaskingParameters) -> TensorSettings:
    heart_hz = (parameters.lowest_heart_rate / 60, parameters.highest_heart_rate / 60)
    return TensorSettings(
        rank=parameters.rank,
        energy=parameters.energy,
        cardiac_bins=parameters.cardiac_bins,
        respiratory_bins=parameters.respiratory_bins,
        recovery_rank=parameters.recovery_rank,
        cardiac_rank=parameters.cardiac_rank,
        respiratory_rank=parameters.respiratory_rank,
        bands=GatingBands(heart_hz=heart_hz),
        keep_ectopic=parameters.keep_ectopic,
    )


def _report(model: TimeModel, parameters: MultitaskingParameters) -> None:
    gating = model.gating
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
    log.info(
        "rank %d; %.0f %% of the tensor's cells are filled by the model", model.tensor.rank, 100 * model.empty_share
    )
    if parameters.energy is None and model.tensor.rank < parameters.rank:
        log.warning("the temporal tensor spans %d dimensions, not %d", model.tensor.rank, parameters.rank)
