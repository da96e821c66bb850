"""Simulated brains are brains, and scans of them have the faults that were asked for, and no others."""

import dataclasses
from functools import cache

import numpy as np
import pytest

from recon.simulation.perfusion import AslProtocol, Brain, Lesion, scan_brain, simulate_brain, true_cbf
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
