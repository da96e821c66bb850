"""Navigators by every rule, and the angle that they must share."""

import ismrmrd
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from gadgets.mrd.intake.store import ReadoutStore
from gadgets.multitasking.navigators import find_navigators
from gadgets.multitasking.parameters import parse_parameters
from recon.errors import DataError

RADIUS = np.linspace(-0.5, 0.47, 12, dtype=np.float32)


def spoke(angle_deg: float | None, is_navigator: bool = False) -> ismrmrd.Acquisition:
    """A readout with a straight trajectory; None: with one of zeros, as some sequences write for navigators."""
    angle = np.deg2rad(angle_deg or 0.0)
    trajectory = RADIUS[:, None] * np.array([np.cos(angle), np.sin(angle)], np.float32)
    data = np.zeros((1, len(RADIUS)), np.complex64)
    readout = ismrmrd.Acquisition.from_array(data, trajectory * np.float32(angle_deg is not None))
    if is_navigator:
        readout.set_flag(ismrmrd.ACQ_IS_NAVIGATION_DATA)
    return readout


def found(readouts: list[ismrmrd.Acquisition], **rule: str) -> list[int]:
    return np.flatnonzero(find_navigators(ReadoutStore.of(readouts).all(), parse_parameters(None, rule))).tolist()


@settings(max_examples=40, deadline=None)
@given(st.floats(-360, 360), st.integers(2, 5), st.integers(0, 4), st.sampled_from(("flag", "every_nth")))
def test_navigators_at_any_one_angle_are_found(angle_deg: float, every: int, offset: int, rule: str) -> None:
    rows = list(range(offset, 30, every))
    readouts = [spoke(angle_deg if row in rows else 7.0 + 111.25 * row, row in rows) for row in range(30)]
    options = {"navigator_every": str(every), "navigator_offset": str(offset)} if rule == "every_nth" else {}
    assert found(readouts, navigator=rule, **options) == rows


@pytest.mark.parametrize("rule", ["flag", "every_nth"])
@pytest.mark.parametrize("other_deg", [30.7, 180.0, 359.0])
def test_navigators_that_do_not_share_an_angle_are_refused_whatever_the_rule(rule: str, other_deg: float) -> None:
    readouts = [spoke(0.0 if row < 20 else other_deg, row % 2 == 0) for row in range(30)]
    with pytest.raises(DataError, match=rf"5 of 15 navigators lie at another angle.*navigator={rule}"):
        found(readouts, navigator=rule)


@pytest.mark.parametrize("angle_deg", [0.0, 180.0])
def test_zero_angle_takes_either_direction(angle_deg: float) -> None:
    readouts = [spoke(angle_deg if row % 3 == 0 else 20.3 + 111.25 * row) for row in range(30)]
    readouts.append(spoke(180.0 - angle_deg))  # one that came near in the other direction is none
    assert found(readouts, navigator="zero_angle") == list(range(0, 30, 3))


def test_trajectories_of_zeros_tell_no_angle() -> None:
    assert found([spoke(None, True), spoke(50.0), spoke(None, True), spoke(161.0)]) == [0, 2]


def test_without_trajectory_the_angle_cannot_be_checked_and_zero_angle_is_refused() -> None:
    readouts = [ismrmrd.Acquisition.from_array(np.zeros((1, 4), np.complex64)) for _ in range(6)]
    assert found(readouts, navigator="every_nth") == [0, 2, 4]
    with pytest.raises(DataError, match="zero_angle needs a trajectory"):
        found(readouts, navigator="zero_angle")


def test_none_finds_none() -> None:
    assert found([spoke(0.0, True), spoke(10.0)], navigator="none") == []


def test_every_nth_counts_excitations_and_not_arrivals() -> None:
    readouts = [spoke(0.0 if row % 2 == 0 else 20.3 + 111.25 * row) for row in range(20)]
    for row, readout in enumerate(readouts):
        readout.scan_counter = 70 + row
    assert found(readouts[:5] + readouts[6:], navigator="every_nth") == [0, 2, 4, 5, 7, 9, 11, 13, 15, 17]
