import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from recon.errors import DataError
from recon.simulation.chest import PRESETS, SimulatedScan, simulate_scan
from recon.simulation.chest.motion import Motion, Physiology, contraction, random_motion, rest
from recon.simulation.chest.phantom import coverage, random_phantom
from recon.simulation.chest.signal import Tissue, ir_flash_timeline, random_tissues, transverse_signal


def test_equal_seeds_give_equal_bits(tiny: SimulatedScan) -> None:
    again, other = simulate_scan(PRESETS["tiny"], seed=1), simulate_scan(PRESETS["tiny"], seed=2)
    first = next(tiny.kspace())[1]
    assert np.array_equal(first, next(again.kspace())[1])
    assert not np.array_equal(first, next(other.kspace())[1])
    assert np.array_equal(tiny.noise(), again.noise())


def test_kspace_equals_a_transform_of_a_fine_grid(tiny: SimulatedScan) -> None:
    """Closed forms against an explicit sum over the truth drawn on an 8 times finer grid, coil by coil."""
    fine = 8 * tiny.protocol.matrix
    protocol = dataclasses.replace(tiny.protocol, matrix=fine, samples=2 * fine)
    drawn = dataclasses.replace(tiny, protocol=protocol)
    readout = 701
    image, maps = drawn.truth_images(np.array([readout]))[0], tiny.coils.maps(fine)
    k = tiny.trajectory()[readout, ::5].astype(np.float64)
    position = (np.arange(fine) - fine // 2) / fine
    x_phase = np.exp(-2j * np.pi * k[:, :1] * position)
    y_phase = np.exp(-2j * np.pi * k[:, 1:] * position)
    exact = np.einsum("cyx,sx,sy->cs", maps * image, x_phase, y_phase, optimize=True)
    exact *= tiny.protocol.matrix / fine**2
    ours = tiny.noiseless(slice(readout, readout + 1), k[None])[0]
    assert np.linalg.norm(ours - exact) < 2e-3 * np.linalg.norm(exact)


def test_noise_has_the_covariance_of_the_noise_scan(tiny: SimulatedScan) -> None:
    noise = np.moveaxis(tiny.noise(), 1, 0).reshape(tiny.protocol.coils, -1)
    measured = noise @ noise.conj().T / noise.shape[1]
    true = tiny.noise_factor @ tiny.noise_factor.conj().T
    assert np.linalg.norm(measured - true) < 0.1 * np.linalg.norm(true)
    block, data = next(tiny.kspace())
    residual = data - tiny.noiseless(block, tiny.trajectory()[block].astype(float))
    assert np.var(residual, axis=(0, 2)) == pytest.approx(true.diagonal().real, rel=0.1)


@given(st.floats(200, 3000), st.floats(1, 12), st.floats(0.5, 1), st.floats(0, 20))
@settings(max_examples=25, deadline=None)
def test_signal_equals_bloch_recursion_pulse_by_pulse(
    t1_ms: float, flip: float, efficiency: float, delay: float
) -> None:
    tr_ms, period, readouts = 4.0, 50, 180
    tissue = Tissue("any", t1_ms, 0.7, inflow=0.3)
    timing = ir_flash_timeline(readouts, tr_ms, period, delay)
    ours = transverse_signal(tissue, timing, tr_ms, flip, delay, efficiency)
    alpha = np.deg2rad(flip)
    expected, pulsed, fresh = [], 1.0, 1.0
    for readout in range(readouts):
        if readout % period == 0:
            pulsed, fresh = (1 + (-efficiency * m - 1) * np.exp(-delay / t1_ms) for m in (pulsed, fresh))
        expected.append(0.7 * np.sin(alpha) * (0.7 * pulsed + 0.3 * fresh))
        pulsed = 1 + (pulsed * np.cos(alpha) - 1) * np.exp(-tr_ms / t1_ms)
        fresh = 1 + (fresh - 1) * np.exp(-tr_ms / t1_ms)
    assert np.allclose(ours, expected, atol=1e-10)


def test_nulls_of_the_protocol() -> None:
    """Expected signals: at 5°, TR 3.6 ms, 688 readouts and efficiency 0.95; blood without inflow."""
    timing = ir_flash_timeline(4 * 688, 3.6, 688, 0.0)
    for t1_ms, null_ms in ((1950, 414), (1250, 356)):
        signal = transverse_signal(Tissue("any", t1_ms, 1.0), timing, 3.6, 5.0, 0.0, 0.95)[-688:]
        assert 3.6 * np.argmax(signal > 0) == pytest.approx(null_ms, abs=4)


def test_inflow_makes_steady_state_blood_brighter_than_myocardium() -> None:
    timing = ir_flash_timeline(4 * 688, 3.6, 688, 5.0)
    tissues = random_tissues(np.random.default_rng(0))
    blood, myocardium = (
        transverse_signal(tissues[n], timing, 3.6, 5.0, 5.0, 0.95)[-1] for n in ("blood", "myocardium")
    )
    assert blood > 1.2 * myocardium


@given(st.integers(0, 10_000), st.floats(0, 1), st.floats(0, 14.0))
@settings(max_examples=30, deadline=None)
def test_shapes_lie_inside_their_parent_and_siblings_do_not_overlap(
    seed: int, squeeze: float, displacement: float
) -> None:
    phantom = random_phantom(np.random.default_rng(seed), infarct=True)
    one = np.ones(1)
    ellipses = phantom.at(dataclasses.replace(rest(), contraction=squeeze * one, displacement_mm=displacement * one))
    masks = [coverage(ellipses, row, 0, 270, 270.0) > 0.5 for row in range(len(phantom.shapes))]
    owner = np.full((270, 270), "air", dtype=object)
    for shape, mask in zip(phantom.shapes, masks, strict=True):
        assert set(owner[mask]) == {shape.parent}, shape.name
        owner[mask] = shape.tissue
    y, x = np.nonzero(masks[0])
    assert np.hypot(y - 135, x - 135).max() < 125


def test_coverage_has_the_area_of_the_ellipse() -> None:
    phantom = random_phantom(np.random.default_rng(0))
    ellipses = phantom.at(rest())
    for row, shape in enumerate(phantom.shapes):
        area = coverage(ellipses, row, 0, 160, 270.0).sum() * (270 / 160) ** 2
        few_pixels = min(shape.axes_mm) < 3
        assert area == pytest.approx(np.pi * np.prod(shape.axes_mm), rel=0.05 if few_pixels else 0.01), shape.name


def motion_of(seed: int = 3, **physiology: float) -> tuple[np.ndarray, Motion]:
    time_s = np.arange(0, 60, 0.01)
    return time_s, random_motion(time_s, np.random.default_rng(seed), Physiology(**physiology))


def test_motion_ranges() -> None:
    _, motion = motion_of()
    assert np.all((motion.cardiac_phase >= 0) & (motion.cardiac_phase < 1))
    beats = np.count_nonzero(np.diff(motion.cardiac_phase) < 0)
    assert 60 / 1.35 < beats < 60 / 0.6
    assert 4 < motion.displacement_mm.max() < 16
    assert motion.displacement_mm.min() >= 0
    assert not motion.is_ectopic.any()
    assert contraction(np.array([0.0, 0.33, 0.99])) == pytest.approx([0, 1, 0])


def test_ectopic_beats_come_early_and_are_followed_by_a_pause() -> None:
    time_s, motion = motion_of(seed=5, ectopic_share=0.1, heart_rate_variability=0.0)
    starts = np.flatnonzero(np.diff(motion.cardiac_phase) < 0) + 1
    intervals, marked = np.diff(time_s[starts]), motion.is_ectopic[starts[:-1]]
    normal = np.median(intervals)
    assert np.allclose(intervals[~marked], normal, atol=0.02)
    early = intervals < 0.8 * normal
    late = intervals > 1.2 * normal
    assert 1 <= np.count_nonzero(early) <= 0.25 * len(intervals)
    assert np.array_equal(np.flatnonzero(late), np.flatnonzero(early) + 1)
    assert np.array_equal(marked, early | late)
    assert motion.contraction[~motion.is_ectopic].max() > 1.5 * motion.contraction[starts[:-1][late][0] :][:60].max()


def test_deep_breaths_and_stillness() -> None:
    quiet, deep = (motion_of(deep_breath_share=share, drift_mm=0.0)[1].displacement_mm for share in (0.0, 1.0))
    assert deep.max() == pytest.approx(1.5 * quiet.max())
    still = motion_of(heartbeat=0.0, breathing=0.0)[1]
    assert not still.contraction.any()
    assert not still.displacement_mm.any()
    assert np.array_equal(still.cardiac_phase, motion_of()[1].cardiac_phase)


def test_heart_keeps_its_muscle() -> None:
    """The wall thickens as the ventricle contracts: its area stays."""
    phantom = random_phantom(np.random.default_rng(1))
    axes = phantom.at(dataclasses.replace(rest(10), contraction=np.linspace(0, 1, 10))).axes_mm
    names = [shape.name for shape in phantom.shapes]
    outer, inner = (np.prod(axes[names.index(n)], axis=1) for n in ("left ventricle wall", "left ventricle"))
    assert np.allclose(outer - inner, (outer - inner)[0])
    assert inner.min() < 0.6 * inner.max()


def test_impossible_protocols_are_refused() -> None:
    with pytest.raises(DataError, match="holds 0 readouts"):
        dataclasses.replace(PRESETS["tiny"], duration_s=0.001)
    with pytest.raises(DataError, match="SNR above 0"):
        dataclasses.replace(PRESETS["tiny"], snr=0)
