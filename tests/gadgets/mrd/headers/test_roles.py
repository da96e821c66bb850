"""One rule decides what each readout is for: flags of several converters, encodings, echoes, and what is dropped."""

import ismrmrd
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from gadgets.errors import ParameterError
from gadgets.mrd.headers.roles import HEAD_DTYPE, NOT_IMAGING, DefaultRules, heads_of, is_flagged, roles_of
from gadgets.multitasking.parameters import parse_parameters
from recon.errors import DataError


def heads(count: int, **columns: object) -> np.ndarray:
    made = np.zeros(count, dtype=HEAD_DTYPE)
    for name, values in columns.items():
        (made["idx"] if name in HEAD_DTYPE["idx"].names else made)[name] = values
    return made


def bit(*names: str) -> np.uint64:
    return np.uint64(sum(1 << (getattr(ismrmrd, name) - 1) for name in names))


def test_heads_are_those_of_the_readouts() -> None:
    readout = ismrmrd.Acquisition.from_array(np.zeros((3, 20), np.complex64))
    readout.scan_counter, readout.idx.repetition, readout.position[:] = 71, 5, (1, -2, 3)
    readout.set_flag(ismrmrd.ACQ_IS_REVERSE)
    (head,) = heads_of([readout])
    assert (head["scan_counter"], head["idx"]["repetition"], head["number_of_samples"]) == (71, 5, 20)
    assert head["position"].tolist() == [1, -2, 3]
    assert is_flagged(heads_of([readout]), "ACQ_IS_REVERSE").tolist() == [True]
    assert not is_flagged(heads_of([readout]), "ACQ_IS_NAVIGATION_DATA").any()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(("", *NOT_IMAGING, "ACQ_IS_NOISE_MEASUREMENT")), min_size=1, max_size=30), st.data())
def test_every_readout_has_one_role(flags: list[str], data: st.DataObject) -> None:
    ignored = tuple(data.draw(st.sets(st.sampled_from(sorted(NOT_IMAGING)))))
    made = heads(len(flags) + 1, flags=[bit(flag) if flag else 0 for flag in flags] + [0])
    roles = roles_of(made, DefaultRules(ignore_flags=ignored))
    count = roles.noise.sum() + roles.navigator.sum() + roles.imaging.sum() + sum(roles.dropped.values())
    assert count == len(made)
    assert roles.noise.sum() == flags.count("ACQ_IS_NOISE_MEASUREMENT")
    assert roles.imaging.sum() == 1 + sum(not flag or flag in ignored for flag in flags)
    for flag, name in NOT_IMAGING.items():
        assert roles.dropped.get(name, 0) == (0 if flag in ignored else flags.count(flag))


@pytest.mark.parametrize(
    ("also", "is_navigator"),
    [("ACQ_IS_RTFEEDBACK_DATA", True), ("ACQ_IS_DUMMYSCAN_DATA", False), ("ACQ_IS_PHASECORR_DATA", False)],
)
def test_a_navigator_may_be_flagged_as_feedback_too(also: str, is_navigator: bool) -> None:
    roles = roles_of(heads(4, flags=[0, bit("ACQ_IS_NAVIGATION_DATA", also)] * 2), DefaultRules())
    assert roles.navigator.tolist() == [False, is_navigator] * 2
    assert roles.imaging.tolist() == [True, False] * 2


def test_a_flag_on_every_line_tells_nothing_apart_and_one_on_some_does() -> None:
    surface = bit("ACQ_IS_SURFACECOILCORRECTIONSCAN_DATA")
    every = roles_of(heads(3, flags=[surface, surface, surface | bit("ACQ_IS_NAVIGATION_DATA")]), DefaultRules())
    assert every.imaging.tolist() == [True, True, False]
    assert "SURFACECOILCORRECTION" in every.notes[0]
    some = roles_of(heads(3, flags=[surface, 0, 0]), DefaultRules())
    assert some.imaging.tolist() == [False, True, True]
    assert some.dropped == {"surface coil correction": 1}


def test_calibration_lines_that_are_imaging_lines_too_are_kept() -> None:
    both = bit("ACQ_IS_PARALLEL_CALIBRATION", "ACQ_IS_PARALLEL_CALIBRATION_AND_IMAGING")
    roles = roles_of(heads(3, flags=[bit("ACQ_IS_PARALLEL_CALIBRATION"), both, 0]), DefaultRules())
    assert roles.imaging.tolist() == [False, True, True]


def test_nothing_left_names_the_flags_and_the_remedy() -> None:
    with pytest.raises(DataError, match=r"5 dummy.*ignore_flags=ACQ_IS_DUMMYSCAN_DATA"):
        roles_of(heads(5, flags=bit("ACQ_IS_DUMMYSCAN_DATA")), DefaultRules())


def test_one_echo_is_kept_and_navigators_of_another_stay() -> None:
    contrast, navigator = [0, 1, 2, 0, 1, 1], bit("ACQ_IS_NAVIGATION_DATA")
    made = heads(6, contrast=contrast, flags=[0, 0, 0, 0, 0, navigator])
    roles = roles_of(made, parse_parameters(None))
    assert roles.imaging.tolist() == [True, False, False, True, False, False]
    assert roles.navigator.tolist() == [False] * 5 + [True]
    assert roles.dropped == {"contrast other than 0": 3}
    assert (
        roles_of(made, parse_parameters(None, {"contrast": "2"})).imaging.tolist() == [False] * 2 + [True] + [False] * 3
    )
    with pytest.raises(DataError, match="no imaging readout has contrast 7; it counts 0, 1, 2"):
        roles_of(made, parse_parameters(None, {"contrast": "7"}))
    single = roles_of(heads(3, contrast=4), parse_parameters(None))
    assert single.imaging.all()


def test_one_encoding_space_is_kept() -> None:
    made = heads(5, encoding_space_ref=[1, 0, 0, 1, 0])
    assert roles_of(made, DefaultRules()).dropped == {"encoding_space other than 0": 2}
    chosen = roles_of(made, DefaultRules(encoding_space=1))
    assert (chosen.encoding_space, chosen.imaging.tolist()) == (1, [True, False, False, True, False])
    assert roles_of(heads(2, encoding_space_ref=3), DefaultRules()).encoding_space == 3


@pytest.mark.parametrize("name", ["ACQ_IS_DUMMYSCAN_DATA", "dummyscan_data", "acq_is_dummyscan_data"])
def test_flags_are_named_as_ismrmrd_does_in_any_case(name: str) -> None:
    assert parse_parameters(None, {"ignore_flags": name}).ignore_flags == ("ACQ_IS_DUMMYSCAN_DATA",)


def test_a_flag_that_means_something_else_cannot_be_ignored() -> None:
    with pytest.raises(ParameterError, match="ACQ_IS_NOISE_MEASUREMENT"):
        parse_parameters(None, {"ignore_flags": "ACQ_IS_NOISE_MEASUREMENT"})
