"""Bins by hand: the cardiac axis closes to a circle, the respiratory one has two ends."""

import numpy as np
import pytest

from recon.temporal.bins import (
    Beats,
    DisplacementScale,
    cardiac_weights,
    displacement_scale,
    mark_ectopic,
    nearest_bin,
)


def test_respiration_has_two_ends() -> None:
    """Beyond the deepest breath lies no expiration."""
    weights = DisplacementScale(10.0, 30.0, 3).weights(np.array([-90.0, 10.0, 15.0, 20.0, 25.0, 29.0, 30.0, 99.0]))
    expected = [[1, 0, 0], [1, 0, 0], [0.5, 0.5, 0], [0, 1, 0], [0, 0.5, 0.5], [0, 0.1, 0.9], [0, 0, 1], [0, 0, 1]]
    assert np.allclose(weights, expected)


def test_the_heart_comes_round() -> None:
    weights = cardiac_weights(np.array([0.0, 0.125, 0.75, 0.875, 0.95, 1.0, 1.25]), 4)
    expected = [[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0, 0, 0, 1], [0.5, 0, 0, 0.5], [0.8, 0, 0, 0.2], [1, 0, 0, 0]]
    assert np.allclose(weights, [*expected, [0, 1, 0, 0]])


def test_bins_follow_the_displacement_and_not_its_few_outliers() -> None:
    signal = np.r_[np.linspace(0, 100, 2001), -500.0, 700.0]
    scale = displacement_scale(signal, 6)
    assert (scale.low, scale.high) == (pytest.approx(0.5, abs=0.1), pytest.approx(99.5, abs=0.1))
    assert scale.bins == 6
    bins = nearest_bin(scale.weights(np.array([0.0, 9.0, 11.0, 50.5, 89.0, 91.0, 100.0])))
    assert bins.tolist() == [0, 0, 1, 3, 4, 5, 5]


def test_beats_go_on_at_the_median_rate_beyond_the_first_and_the_last() -> None:
    beats = Beats(np.array([10.0, 11.0, 12.5, 13.5]), np.zeros(4, bool))
    assert beats.rate_per_minute == pytest.approx(60)
    time_s = np.array([5.25, 7.9, 9.5, 10.25, 11.75, 13.25, 13.75, 16.6, 19.1])
    expected = [0.25, 0.9, 0.5, 0.25, 0.5, 0.75, 0.25, 0.1, 0.6]
    assert beats.phase(time_s) == pytest.approx(expected)
    assert beats.phase(time_s, 0.3) == pytest.approx(np.mod(np.array(expected) - 0.3, 1))
    fast = Beats(np.array([0.0, 0.5, 1.0]), np.zeros(3, bool))
    assert fast.rate_per_minute == pytest.approx(120)
    assert fast.phase(np.array([-1.9, 2.6])) == pytest.approx([0.2, 0.2])


def test_a_beat_is_early_by_the_beats_around_it() -> None:
    """The rate may double over the scan; a beat of 0.77 of its neighbours' intervals is early, one of 0.84 is not."""
    intervals = np.geomspace(1.2, 0.6, 40)
    assert not mark_ectopic(np.cumsum(np.r_[0, intervals])).is_ectopic.any()
    intervals[20] *= 0.77
    intervals[30] *= 0.84
    assert np.flatnonzero(mark_ectopic(np.cumsum(np.r_[0, intervals])).is_ectopic).tolist() == [21]
    # a beat is held against the median of eleven intervals: of six short ones with itself, or of six long ones
    for interval, short, is_early in ((0.68, [16, 17, 18, 22, 23], False), (0.7, [16, 17, 22, 23], True)):
        mixed = np.r_[np.ones(20), interval, np.ones(20)]
        mixed[short] = 0.72
        assert mark_ectopic(np.cumsum(np.r_[0, mixed])).is_ectopic[21] == is_early
    first = np.r_[0.7, np.ones(9)]
    assert np.flatnonzero(mark_ectopic(np.cumsum(np.r_[0, first])).is_ectopic).tolist() == [1]
    # the median at the start is that of the intervals there are: of 0.7, 0.7, 0.7, 1, 1, 1 it is 0.85
    few = np.r_[0.7, 0.7, 0.7, 1, 1, np.ones(9)]
    assert not mark_ectopic(np.cumsum(np.r_[0, few])).is_ectopic[1]


@pytest.mark.parametrize(
    ("origin", "start_s", "end_s"),
    [(0.0, 14.0, 16.2), (0.3, 13.3, 14.6 + 0.3 * 1.6), (0.9, 13.9, 14.6 + 0.9 * 1.6)],
)
def test_the_cycle_that_an_early_beat_cuts_short_and_its_own_are_disturbed(
    origin: float, start_s: float, end_s: float
) -> None:
    """The fifth interval is 0.6 s, the pause after it 1.6 s; cycles start some phase after their trigger."""
    triggers_s = np.r_[10.0, 11, 12, 13, 14, 14.6, 16.2, 17.2, 18.2]
    beats = Beats(triggers_s, np.arange(9) == 5)
    time_s = np.linspace(9, 19.5, 2101) + 1e-4
    assert np.array_equal(mark_ectopic(triggers_s).is_ectopic, beats.is_ectopic)
    assert np.array_equal(beats.disturbed(time_s, origin), (time_s > start_s) & (time_s < end_s))
    last = Beats(triggers_s[:6], np.arange(6) == 5)  # the next would come a median interval later
    assert np.array_equal(last.disturbed(time_s), (time_s > 14.0) & (time_s < 15.6))
