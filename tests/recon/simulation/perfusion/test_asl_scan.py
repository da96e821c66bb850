"""Simulated brains are brains, and scans of them have the faults that were asked for, and no others."""

import dataclasses
from functools import cache

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from recon.simulation.perfusion import AslProtocol, Brain, Lesion, drawn_lesions, scan_brain, simulate_brain, true_cbf
from recon.simulation.perfusion.asl_scan import labelled_share

STILL = AslProtocol(pairs=5, tsnr=0, drift=0, physiology=0, jitter_mm=0, outliers=0, blur_voxels=0)


@cache
def brain() -> Brain:
    return simulate_brain((6, 48, 48), 3)


def test_a_brain_has_three_tissues_with_the_blood_flow_of_healthy_people() -> None:
    shares = brain().grey + brain().white + brain().fluid
    assert shares.min() >= 0
    assert shares.max() <= 1 + 1e-5
    grey, white = brain().grey > 0.9, brain().white > 0.95
    assert grey.sum() > 100
    assert white.sum() > 100
    assert 40 < brain().cbf[grey].mean() < 90
    assert 10 < brain().cbf[white].mean() < 30
    assert not brain().cbf[shares == 0].any()
    assert 0.3 <= brain().arrival_s.min() < brain().arrival_s.max() < 2


def test_equal_seeds_give_equal_subjects() -> None:
    np.testing.assert_array_equal(simulate_brain((6, 48, 48), 3).cbf, brain().cbf)
    assert not np.array_equal(simulate_brain((6, 48, 48), 4).cbf, brain().cbf)


def test_lesions_lie_where_they_are_said_to_and_change_nothing_else() -> None:
    found = simulate_brain((6, 48, 48), 3, lesions=2)
    assert [lesion.factor for lesion in found.lesions] == [0.3, 1.8]
    factor = np.divide(found.cbf, brain().cbf, out=np.ones_like(found.cbf), where=brain().cbf > 0)
    for lesion in found.lesions:
        assert factor[lesion.place].shape == (1, 2, 2)
        np.testing.assert_allclose(factor[lesion.place], lesion.factor, rtol=1e-5)
        factor[lesion.place] = 1
        assert brain().grey[lesion.place].min() > 0.5
    np.testing.assert_allclose(factor, 1, rtol=1e-5)
    own = simulate_brain((6, 48, 48), 3, lesions=[Lesion((2, 20, 21), (1, 1, 3), 0.5)])
    assert own.cbf[2, 20, 23] == pytest.approx(0.5 * brain().cbf[2, 20, 23])


def test_the_label_is_the_integral_of_blood_that_has_arrived() -> None:
    """Buxton's model as a sum over the bolus: blood that left the neck s before the read-out decayed by e^(-s/T1)."""
    share, place = labelled_share(brain(), STILL), (1, 24, 20)
    left_s = np.arange(1.5 + 0.035, 3.0 + 0.035, 1e-4) + 5e-5
    arrived = left_s >= brain().arrival_s[place]
    by_sum = 2 * 0.85 * brain().cbf[place] / 6000 / 0.9 * np.sum(np.exp(-left_s[arrived] / 1.65)) * 1e-4
    assert share[place] == pytest.approx(by_sum, rel=1e-3)


def test_a_still_scan_has_equal_pairs_and_labels_below_their_controls() -> None:
    scan = scan_brain(brain(), STILL, 1)
    assert scan.frames.shape == (10, 6, 48, 48)
    assert scan.is_control.tolist() == [True, False] * 5
    np.testing.assert_array_equal(scan.frames[2:4], scan.frames[:2])
    assert (scan.frames[0] >= scan.frames[1]).all()
    swapped = scan_brain(brain(), dataclasses.replace(STILL, control_first=False), 1)
    np.testing.assert_array_equal(swapped.frames[:2], scan.frames[1::-1])


def test_noise_drift_and_outliers_are_as_large_as_they_are_said_to_be() -> None:
    noisy = scan_brain(brain(), dataclasses.replace(STILL, pairs=30, tsnr=50.0), 1).frames[::2]
    grey = brain().grey > 0.9
    assert (noisy.mean(axis=0) / noisy.std(axis=0, ddof=1))[grey].mean() == pytest.approx(50, rel=0.1)
    drifting = scan_brain(brain(), dataclasses.replace(STILL, drift=0.1), 1).frames[:, grey].mean(axis=1)
    assert abs(drifting[8] / drifting[0] - 1) == pytest.approx(0.1 * 8 / 9, abs=0.03)
    spoiled = scan_brain(brain(), dataclasses.replace(STILL, pairs=20, jitter_mm=0.1, outliers=4), 1)
    quiet = scan_brain(brain(), dataclasses.replace(STILL, pairs=20, jitter_mm=0.1), 1)
    changed = np.abs(spoiled.frames - quiet.frames).max(axis=(1, 2, 3)) > 10
    assert {int(frame) // 2 for frame in np.flatnonzero(changed)} == set(spoiled.spoiled_pairs.tolist())
    assert not quiet.spoiled_pairs.size


def test_truth_is_the_flow_itself_where_nothing_blurs_or_comes_late() -> None:
    arrived = (brain().m0 > 10) & (brain().arrival_s < STILL.pld_s)
    np.testing.assert_allclose(true_cbf(brain(), STILL)[arrived], brain().cbf[arrived], rtol=1e-4, atol=1e-3)


def tissue(grey: np.ndarray, white: float = 0.0, fluid: float = 0.0, arrival_s: float = 1.0) -> Brain:
    """A map of grey matter, with the other tissues and the arrival time alike everywhere; 60 mL/100 g/min."""
    parts = (grey, np.full_like(grey, white), np.full_like(grey, fluid), np.full_like(grey, 60))
    return Brain(*parts, np.full_like(grey, arrival_s))


def test_blood_that_has_not_arrived_is_missed() -> None:
    """Of a bolus of 1.5 s after a delay of 1.5 s, what takes 2 s has its first second there; what takes 4 s, none."""
    protocol = dataclasses.replace(STILL, slice_time_s=0.0)
    per_flow = 2 * 0.85 * 1.65 * 60 / 6000 / 0.9
    for arrival_s, latest_s in ((1.0, 1.5), (2.0, 2.0), (4.0, 3.0)):
        share = labelled_share(tissue(np.ones((2, 3, 3), np.float32), arrival_s=arrival_s), protocol)
        np.testing.assert_allclose(share, per_flow * (np.exp(-latest_s / 1.65) - np.exp(-3 / 1.65)), atol=1e-9)


def test_tissues_have_their_water_and_recover_with_their_t1() -> None:
    found = tissue(np.full((2, 4, 4), 0.2, np.float32), white=0.5, fluid=0.3)
    np.testing.assert_allclose(found.m0, 0.2 * 850 + 0.5 * 700 + 0.3 * 1000, rtol=1e-6)
    control = scan_brain(found, STILL, 0).frames[0]
    recovered = ((850 * 0.2, 1.33), (700 * 0.5, 0.83), (1000 * 0.3, 4.0))
    np.testing.assert_allclose(control, sum(m0 * (1 - np.exp(-4 / t1_s)) for m0, t1_s in recovered), rtol=1e-5)


def test_echo_trains_blur_along_y_alone() -> None:
    grey = np.zeros((3, 9, 9), np.float32)
    grey[1, 4, 4] = 1
    scan = scan_brain(tissue(grey), dataclasses.replace(STILL, blur_voxels=0.8), 0)
    for image in (scan.frames[0], scan.m0):
        assert image[1, 3, 4] == pytest.approx(image[1, 4, 4] * np.exp(-1 / (2 * 0.8**2)), rel=1e-3)
        assert not image[1, :, [3, 5]].any()
        assert not image[[0, 2]].any()


def test_air_has_the_noise_of_magnitudes() -> None:
    """Rayleigh's: mean √(π/2) and standard deviation √(2 - π/2) of the noise of each part."""
    empty = tissue(np.zeros((4, 32, 32), np.float32))
    frames = scan_brain(empty, dataclasses.replace(STILL, tsnr=50.0), 0).frames
    deviation = 850 * (1 - np.exp(-4 / 1.33)) / 50
    assert frames.mean() == pytest.approx(deviation * np.sqrt(np.pi / 2), rel=0.01)
    assert frames.std() == pytest.approx(deviation * np.sqrt(2 - np.pi / 2), rel=0.02)


def test_what_lay_at_x_lies_where_the_movement_says() -> None:
    """R x + t in mm about the middle of the volume, of a soft ball that lies off it along each axis."""
    voxel_mm, shape, ball_mm = np.array([6.0, 3.4375, 3.4375]), (20, 40, 40), np.array([18.0, -22.0, 26.0])
    places_mm = (np.moveaxis(np.indices(shape), 0, -1) - (np.array(shape) - 1) / 2) * voxel_mm
    grey = np.exp(-np.sum((places_mm - ball_mm) ** 2, axis=-1) / (2 * 9.0**2)).astype(np.float32)
    scan = scan_brain(tissue(grey), dataclasses.replace(STILL, jitter_mm=4.0), 2)
    assert np.abs(scan.movement[:, 3:]).max() > np.deg2rad(5)
    for frame, movement in zip(scan.frames, scan.movement, strict=True):
        found_mm = (frame[..., None] * places_mm).sum(axis=(0, 1, 2)) / frame.sum()
        np.testing.assert_allclose(found_mm, Rotation.from_rotvec(movement[3:]).apply(ball_mm) + movement[:3], atol=0.4)


def test_drawn_lesions_lie_in_tissue_with_both_signs_and_many_sizes() -> None:
    healthy = simulate_brain((6, 48, 48), 4)
    lesions = drawn_lesions(healthy, 40, np.random.default_rng(3))
    assert len(lesions) == 40
    assert all((healthy.grey + healthy.white)[lesion.centre] > 0.5 for lesion in lesions)
    factors, areas = np.array([lesion.factor for lesion in lesions]), {lesion.size[1:] for lesion in lesions}
    assert ((factors < 0.6) | (factors > 1.4)).all()
    assert (factors < 1).sum() == 20
    assert {(2, 2)} < areas
    assert len(areas) > 8
    ill = simulate_brain((6, 48, 48), 4, lesions[:1])
    place = lesions[0].place
    np.testing.assert_allclose(ill.cbf[place], healthy.cbf[place] * np.float32(factors[0]), rtol=1e-5)
