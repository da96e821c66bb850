"""The temporal model of a scan with external signals, against cells counted one by one."""

import dataclasses

import numpy as np
import pytest

from recon.errors import DataError
from recon.readouts.timeline import Timeline
from recon.relaxometry.inversion_recovery import InversionRecovery
from recon.temporal.model import TemporalModel, TensorSettings, realtime_model, tensor_model
from tests.support.linear import complex_normal

TR_S, PULSES = 0.005, 100
SEQUENCE = InversionRecovery(5.0, 5.0, 5.0, PULSES)
EVERY = np.arange(6000)
TIME_S = TR_S * EVERY
TRIGGERS_S = 0.3 + 0.93 * np.arange(32)
BREATH = np.sin(2 * np.pi * 0.21 * TIME_S) ** 4
SETTINGS = TensorSettings(rank=4, cardiac_bins=5, respiratory_bins=3, recovery_rank=3)


def at(rows: np.ndarray) -> Timeline:
    return Timeline(TIME_S[rows], rows % PULSES, rows // PULSES)


NAVIGATORS, IMAGING = at(EVERY[::4]), at(EVERY[1::4])


def signal(timeline: Timeline) -> np.ndarray:
    """(times, 2, 8): recovery, in a body that beats and breathes."""
    rng = np.random.default_rng(5)
    still, beating, turning, breathing = complex_normal(rng, (4, 2, 8))
    recovery = 1 - 1.8 * np.exp(-timeline.pulse / 40)
    phase = 2 * np.pi * (timeline.time_s - 0.3) / 0.93
    breath = np.interp(timeline.time_s, TIME_S, BREATH)
    moving = still + 0.5 * np.cos(phase)[:, None, None] * beating + 0.5 * np.sin(phase)[:, None, None] * turning
    moving = moving + 0.5 * breath[:, None, None] * breathing
    return (recovery[:, None, None] * moving).astype(np.complex64)


def model(settings: TensorSettings = SETTINGS, triggers_s: np.ndarray = TRIGGERS_S) -> TemporalModel:
    breath = np.interp(NAVIGATORS.time_s, TIME_S, BREATH)
    return tensor_model(signal(NAVIGATORS), NAVIGATORS, IMAGING, SEQUENCE, settings, breath, triggers_s)


def test_basis_spans_what_happens_at_the_imaging_readouts() -> None:
    found = model()
    assert np.allclose(found.basis @ found.basis.conj().T, np.eye(4), atol=1e-5)
    assert found.kept.all()
    assert found.gated.recovers
    assert found.source == "navigators"
    truth = signal(IMAGING).reshape(len(found.kept), -1)
    left = truth - found.basis.T @ (found.basis.conj() @ truth)
    assert np.linalg.norm(left) < 0.05 * np.linalg.norm(truth)


def test_cells_that_no_navigator_touched_are_counted() -> None:
    found = model().gated
    phase = np.mod((NAVIGATORS.time_s - 0.3) / 0.93, 1)
    cardiac = np.round(5 * phase).astype(int) % 5
    low, high = np.percentile(np.interp(NAVIGATORS.time_s, TIME_S, BREATH), [0.5, 99.5])
    place = np.clip((np.interp(NAVIGATORS.time_s, TIME_S, BREATH) - low) / (high - low), 0, 1) * 2
    touched = {(c, round(p), n) for c, p, n in zip(cardiac, place, NAVIGATORS.pulse, strict=True)}
    assert found.empty_share == pytest.approx(1 - len(touched) / (5 * 3 * 25), abs=0.01)
    assert found.end_expiration == 0  # most of the time is spent there
    assert np.array_equal(found.navigator_time_s, NAVIGATORS.time_s)
    assert found.weights.cardiac.shape == (1500, 5)


def test_inspiration_held_for_most_of_the_scan_is_where_most_readouts_lie() -> None:
    held = np.interp(NAVIGATORS.time_s, TIME_S, 1 - BREATH)
    found = tensor_model(signal(NAVIGATORS), NAVIGATORS, IMAGING, SEQUENCE, SETTINGS, held, TRIGGERS_S)
    assert found.gated.end_expiration == 2


def test_multilinear_ranks_are_those_of_the_settings() -> None:
    assert model().gated.tensor.core.shape[1:3] == (5, 3)
    low = model(dataclasses.replace(SETTINGS, cardiac_rank=2, respiratory_rank=1)).gated.tensor
    ranks = [np.linalg.matrix_rank(np.moveaxis(low.core, axis, 0).reshape(low.core.shape[axis], -1)) for axis in (1, 2)]
    assert ranks == [2, 1]
    assert model(dataclasses.replace(SETTINGS, energy=0.9)).gated.tensor.rank < 4


def test_a_scan_of_ectopic_beats_alone_is_refused() -> None:
    intervals = np.tile([1.1, 0.6], 14)
    triggers = np.cumsum(np.r_[0.1, intervals])
    imaging = at(EVERY[1::4][np.isin(np.arange(1500), np.arange(100, 130))])
    beats = model(triggers_s=triggers).gated.gating.beats
    inside = beats.disturbed(imaging.time_s)
    if not inside.all():
        imaging = Timeline(imaging.time_s[inside], imaging.pulse[inside], imaging.inversion[inside])
    breath = np.interp(NAVIGATORS.time_s, TIME_S, BREATH)
    profiles = signal(NAVIGATORS)
    with pytest.raises(DataError, match="keep_ectopic"):
        tensor_model(profiles, NAVIGATORS, imaging, SEQUENCE, SETTINGS, breath, triggers)
    kept = dataclasses.replace(SETTINGS, keep_ectopic=True)
    assert tensor_model(profiles, NAVIGATORS, imaging, SEQUENCE, kept, breath, triggers).kept.all()


def test_without_inversions_nothing_recovers() -> None:
    flash = InversionRecovery(5.0, 5.0, 0.0, 1)
    still = [dataclasses.replace(timeline, pulse=0 * timeline.pulse) for timeline in (NAVIGATORS, IMAGING)]
    breath = np.interp(NAVIGATORS.time_s, TIME_S, BREATH)
    found = tensor_model(signal(NAVIGATORS), *still, flash, SETTINGS, breath, TRIGGERS_S)
    assert not found.gated.recovers
    assert found.gated.tensor.recovery.shape == (1, 1)


def test_realtime_basis_is_the_navigators_at_each_spoke() -> None:
    profiles = complex_normal(np.random.default_rng(6), (40, 2, 8))
    seen_by = np.repeat(np.arange(40), 3)
    found = realtime_model(profiles, seen_by, at(np.arange(120)), rank=4)
    right = np.linalg.svd(profiles.reshape(40, -1).T, full_matrices=False)[2][:4][:, seen_by]
    assert np.allclose(found.basis @ found.basis.conj().T, np.eye(4), atol=1e-5)
    assert np.linalg.norm(found.basis @ right.conj().T) ** 2 == pytest.approx(3 * 4, rel=1e-4)  # the same space
    assert found.gated is None
    assert found.kept.all()
    assert len(realtime_model(profiles, seen_by, at(np.arange(120)), 9, energy=0.5).basis) < 9
