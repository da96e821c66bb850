"""Equation 1 of Alsop 2015, worked out by hand, with a delay of each slice; impossible times are refused."""

import numpy as np
import pytest

from recon.errors import DataError
from recon.perfusion import Labelling, cbf_of


def test_the_worked_example() -> None:
    # 6000·0.9·0.01·e^(1.8/1.65) / (2·0.85·1.65·(1 - e^(-1.8/1.65))) = 86.39…
    by_hand = 6000 * 0.9 * 0.01 * 2.976930 / (2 * 0.85 * 1.65 * (1 - 0.335917))
    found = cbf_of(np.full((1, 1, 1), 5.0), np.full((1, 1, 1), 500.0), Labelling(1.8, 1.8, 5.0))
    assert found.dtype == np.float32
    assert found.item() == pytest.approx(by_hand, rel=1e-5)
    assert by_hand == pytest.approx(86.3, abs=0.1)


def test_later_slices_have_decayed_longer() -> None:
    labelling = Labelling(1.5, 1.5, 4.0, slice_time_s=0.05)
    found = cbf_of(np.ones((2, 3, 1, 1)), np.full((3, 1, 1), 100.0), labelling)
    assert found.shape == (2, 3, 1, 1)
    assert found[1, 2, 0, 0] / found[1, 0, 0, 0] == pytest.approx(np.exp(0.1 / 1.65), rel=1e-6)
    downwards = Labelling(1.5, 1.5, 4.0, slice_time_s=-0.05)
    np.testing.assert_allclose(downwards.delays_s(3), [1.6, 1.55, 1.5])


def test_air_has_no_blood_flow_and_a_short_tr_is_scaled_up() -> None:
    assert not cbf_of(np.ones((1, 1, 1)), np.zeros((1, 1, 1)), Labelling(1.5, 1.5, 4.0)).any()
    assert Labelling(1.5, 1.5, 4.0).saturation == pytest.approx(1 - np.exp(-4 / 1.33))
    assert Labelling(1.5, 1.5, 5.0).saturation == 1


@pytest.mark.parametrize(
    ("times", "problem"),
    [
        ((0.0, 1.5, 4.0), "post-labelling delay is 0 s"),
        ((1.5, 1500.0, 4.0), "labelling duration is 1500 s"),
        ((1.5, 1.5, float("nan")), "TR is nan s"),
        ((1.5, 1.5, 2.0), "TR of 2 s is shorter than labelling"),
    ],
)
def test_impossible_times_are_refused(times: tuple[float, float, float], problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        Labelling(*times)
