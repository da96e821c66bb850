"""Slices that differ are found, others are not, and the mean is of those that are kept."""

import numpy as np

from recon.perfusion.outliers import mean_of_kept, slices_to_keep

RNG = np.random.default_rng(6)
BRAIN = np.ones((4, 10, 10), dtype=bool)
FLOW = RNG.uniform(10, 70, (4, 10, 10))


def pairs(count: int = 30, noise: float = 30.0) -> np.ndarray:
    return (FLOW + noise * RNG.standard_normal((count, 4, 10, 10))).astype(np.float32)


def test_each_way_of_being_an_outlier_is_found_in_its_slice_alone() -> None:
    found = pairs()
    found[3, 0] += 60
    found[9, 1] -= 60
    found[12, 2] *= 4
    found[20, 3] = FLOW[3].T + 90 * (RNG.random((10, 10)) < 0.5)
    keep = slices_to_keep(found, BRAIN)
    assert not keep[[3, 9, 12, 20], [0, 1, 2, 3]].any()
    assert (~keep).sum() <= 4 + 6  # three limits of 3 σ each, 120 times


def test_pairs_without_noise_are_all_kept() -> None:
    assert slices_to_keep(pairs(noise=1e-3), BRAIN).all()


def test_at_least_half_is_kept_and_few_pairs_are_not_judged() -> None:
    wild = pairs(9)
    wild[:4] *= np.array([20, 40, 60, 80])[:, None, None, None]
    assert (slices_to_keep(wild, BRAIN).sum(axis=0) >= 5).all()
    assert slices_to_keep(wild[:3], BRAIN).all()


def test_what_was_left_out_before_stays_so() -> None:
    before = np.ones((30, 4), dtype=bool)
    before[5, 2] = False
    keep = slices_to_keep(pairs(), BRAIN, before)
    assert not keep[5, 2]


def test_the_mean_is_of_the_kept_slices() -> None:
    values, keep = pairs(5), np.ones((5, 4), dtype=bool)
    keep[1:3, 2] = False
    mean = mean_of_kept(values, keep)
    np.testing.assert_allclose(mean[2], values[[0, 3, 4], 2].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(mean[0], values[:, 0].mean(axis=0), rtol=1e-5)
