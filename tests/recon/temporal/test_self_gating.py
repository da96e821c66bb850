"""Self-gating on simulated navigators, and what it does where there is nothing to find."""

import dataclasses
import functools

import numpy as np
import pytest

from recon.readouts.timeline import Timeline
from recon.relaxometry.inversion_recovery import InversionRecovery, recovery_basis
from recon.simulation.chest import PRESETS, simulate_scan
from recon.simulation.chest.motion import Physiology
from recon.temporal.heart import crossings
from recon.temporal.model import TensorSettings, tensor_model
from recon.temporal.motion import navigator_series, principal_features
from recon.temporal.navigator import readout_profiles
from recon.temporal.self_gating import self_gate


@functools.cache
def navigators(duration_s: float, seed: int, **physiology: float) -> tuple:
    """A tiny scan's navigators in the steady state, over the standard deviation of the noise, and their timeline."""
    protocol = dataclasses.replace(PRESETS["tiny"], duration_s=duration_s, snr=40, physiology=Physiology(**physiology))
    scan = simulate_scan(protocol, seed)
    data = np.concatenate([kspace[np.arange(block.start, block.stop) % 2 == 0] for block, kspace in scan.kspace()])
    index = np.arange(0, protocol.readouts, 2)
    settled = scan.timeline.inversion[index] >= (2 if duration_s > 10 else 0)
    index = index[settled]
    profiles = readout_profiles(data[settled] / np.sqrt(np.mean(np.diag(scan.noise_factor).real ** 2)), protocol.matrix)
    timing = scan.timeline
    return scan, profiles, Timeline(timing.time_s[index], timing.pulse[index], timing.inversion[index])


def gated(duration_s: float, seed: int, **physiology: float) -> tuple:
    scan, profiles, timeline = navigators(duration_s, seed, **physiology)
    recovery = recovery_basis(5.0, 5.0, 400, 5)[timeline.pulse]
    series = navigator_series(principal_features(profiles, 64), recovery, timeline.inversion, timeline.time_s)
    return self_gate(series), scan, timeline.time_s


def true_beats(scan, start_s: float) -> np.ndarray:
    time_s = scan.timeline.time_s
    beats = time_s[1:][np.diff(scan.motion.cardiac_phase) < 0]
    return beats[(beats > start_s + 1) & (beats < time_s[-1] - 1)]


def share_matched(found: np.ndarray, wanted: np.ndarray) -> float:
    """Share of the wanted beats with a found one within 0.1 s of the constant delay."""
    gaps = found[:, None] - wanted[None, :]
    return max(float((np.abs(gaps - delay) < 0.1).any(axis=0).mean()) for delay in np.arange(-0.6, 0.6, 0.02))


def test_breathing_and_beats_of_a_scan() -> None:
    found, scan, time_s = gated(30, 2)
    displacement = np.interp(time_s, scan.timeline.time_s, scan.motion.displacement_mm)
    assert np.corrcoef(found.respiration, displacement)[0, 1] > 0.95
    beats = crossings(found.heart.phase, found.heart.trigger, time_s)
    inside = beats[(beats > time_s[0] + 1) & (beats < time_s[-1] - 1)]
    assert share_matched(beats, true_beats(scan, time_s[0])) >= 0.95
    assert share_matched(true_beats(scan, time_s[0] - 1), inside) >= 0.95
    assert found.heart_quality > 0.6
    origin = np.mod(found.heart.phase - found.heart.quiet, 1)
    contraction = np.interp(time_s, scan.timeline.time_s, scan.motion.contraction)
    near = (origin < 0.04) | (origin > 0.96)
    assert contraction[near].mean() < 0.15  # phase zero is end-diastole


def test_scan_without_breathing() -> None:
    found, scan, time_s = gated(30, 7, breathing=0.0)
    assert found.respiration is None
    beats = crossings(found.heart.phase, found.heart.trigger, time_s)
    assert share_matched(beats, true_beats(scan, time_s[0])) >= 0.95


@pytest.mark.parametrize(("seed", "breathing"), [(5, 1.0), (6, 0.0)])
def test_scan_without_visible_heartbeat(seed: int, breathing: float) -> None:
    found, *_ = gated(30, seed, heartbeat=0.0, breathing=breathing)
    assert found.heart is None
    assert found.heart_quality < 0.6
    assert (found.respiration is None) == (breathing == 0)


def test_five_seconds_are_too_few() -> None:
    found, *_ = gated(5, 1)
    assert found.respiration is None
    assert found.heart is None


def model_of(duration_s: float, seed: int, settings: TensorSettings, **physiology: float):
    _, profiles, timeline = navigators(duration_s, seed, **physiology)
    sequence = InversionRecovery(5.0, 5.0, 5.0, 400)
    later = Timeline(timeline.time_s + 0.005, timeline.pulse + 1, timeline.inversion)
    return tensor_model(profiles, timeline, later, sequence, settings), later


def test_unresolved_motion_leaves_a_tensor_of_fewer_dimensions() -> None:
    model, later = model_of(5, 1, TensorSettings())
    assert model.gated.gating.unresolved == ["respiration", "heartbeat"]
    assert model.basis.shape == (5, len(later.time_s))
    assert model.gated.tensor.core.shape[1:3] == (1, 1)
    assert model.gated.end_expiration == 0


def test_model_of_a_resolved_scan_and_external_signals() -> None:
    settings = TensorSettings(rank=12, cardiac_bins=10, respiratory_bins=4)
    model, later = model_of(30, 2, settings)
    assert model.gated.gating.unresolved == []
    assert model.basis.shape == (12, len(later.time_s))
    assert np.allclose(model.basis @ model.basis.conj().T, np.eye(12), atol=1e-5)
    assert 0.2 < model.gated.empty_share < 0.95
    scan, profiles, timeline = navigators(30, 2)
    displacement = np.interp(timeline.time_s, scan.timeline.time_s, scan.motion.displacement_mm)
    triggers = scan.timeline.time_s[1:][np.diff(scan.motion.cardiac_phase) < 0]
    sequence = InversionRecovery(5.0, 5.0, 5.0, 400)
    outside = tensor_model(profiles, timeline, later, sequence, settings, displacement, triggers)
    assert outside.gated.gating.origin == 0
    assert np.isnan(outside.gated.gating.heart_quality)
    same = np.abs(np.linalg.svd(model.basis @ outside.basis.T, compute_uv=False))
    assert same[:4].min() > 0.95  # leading functions span the same space
    still = tensor_model(profiles, timeline, later, sequence, settings, 0 * displacement, triggers)
    assert still.gated.gating.unresolved == ["respiration"]


def test_ectopic_beats_are_kept_out_unless_wanted() -> None:
    settings = TensorSettings(rank=12)
    scan, profiles, timeline = navigators(30, 2, ectopic_share=0.12)
    triggers = scan.timeline.time_s[1:][np.diff(scan.motion.cardiac_phase) < 0]
    sequence = InversionRecovery(5.0, 5.0, 5.0, 400)
    known = np.interp(timeline.time_s, scan.timeline.time_s, scan.motion.displacement_mm)
    model = tensor_model(profiles, timeline, timeline, sequence, settings, known, triggers)
    ectopic = np.interp(timeline.time_s, scan.timeline.time_s, scan.motion.is_ectopic) > 0.5
    inside = (timeline.time_s > triggers[1]) & (timeline.time_s < triggers[-2])
    assert np.count_nonzero(ectopic & inside) > 100
    assert np.mean(model.kept[inside] == ~ectopic[inside]) > 0.97
    everything = dataclasses.replace(settings, keep_ectopic=True)
    assert tensor_model(profiles, timeline, timeline, sequence, everything, known, triggers).kept.all()
