"""Excitations, periods and times of a slice from counters and clocks, and what contradicts them."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from gadgets.mrd.header import ScanHeader
from gadgets.mrd.headers.roles import HEAD_DTYPE
from gadgets.multitasking.parameters import parse_parameters
from gadgets.multitasking.timing import sequence_of, timing_of
from recon.errors import DataError

TR_MS, TI_MS = 4.4, 22.0


def header(**values: tuple[float, ...]) -> ScanHeader:
    sequence = {"tr_ms": (TR_MS,), "ti_ms": (TI_MS,), "flip_angle_deg": (6.0,)} | values
    return ScanHeader(
        80, 160, 80.0, (300.0, 300.0, 8.0), 0, relative_noise_bandwidth=1.0, trajectory="radial", **sequence
    )


def heads(periods: int = 5, length: int = 60, tick_ms: float = 2.5, pause_ms: float = 0.0) -> np.ndarray:
    """A slice as scanners write it; the first excitation follows the inversion by TI, after a pause."""
    made = np.zeros(periods * length, dtype=HEAD_DTYPE)
    index, number = np.arange(len(made)), np.repeat(np.arange(periods), length)
    made["scan_counter"] = 40 + index
    made["idx"]["repetition"] = number
    time_ms = index * TR_MS + (number + 1) * TI_MS + number * pause_ms
    made["acquisition_time_stamp"] = (3_600_000 + time_ms) / tick_ms
    return made


def given_parameters(**settings_: str):  # type: ignore[no-untyped-def]
    return parse_parameters(None, settings_)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from((2.5, 1.0, 0.1)),
    st.sampled_from(("counters", "stamps", "both")),
    st.integers(1, 4),
    st.integers(1, 40),
    st.integers(1, 15),
)
def test_lost_readouts_shift_no_time(tick_ms: float, told_by: str, period: int, first: int, lost: int) -> None:
    made = heads(tick_ms=tick_ms)
    if told_by == "stamps":
        made["scan_counter"] = 0
    if told_by == "counters":
        made["acquisition_time_stamp"] = 0
    whole = timing_of(made, header(), given_parameters())
    kept = np.ones(len(made), dtype=bool)
    kept[60 * period + first : 60 * period + first + lost] = False
    found = timing_of(made[kept], header(), given_parameters())
    assert np.array_equal(found.excitation, whole.excitation[kept])
    assert np.allclose(found.time_s, whole.time_s[kept])
    assert found.missing == lost
    assert found.placed_by == ("time stamps" if told_by == "stamps" else "scan counters")


def test_times_are_those_of_tr_and_ti_and_not_of_the_rounded_stamps() -> None:
    found = timing_of(heads(), header(), given_parameters())
    index, number = np.arange(300), np.repeat(np.arange(5), 60)
    assert np.allclose(found.time_s, (index * TR_MS + (number + 1) * TI_MS) / 1000, atol=1e-12)
    assert np.array_equal(found.excitation, index % 60)


@pytest.mark.parametrize("pause_ms", [35.0, 400.0])
def test_pauses_before_inversions_are_taken_from_the_stamps(pause_ms: float) -> None:
    plain = timing_of(heads(), header(), given_parameters())
    found = timing_of(heads(pause_ms=pause_ms), header(), given_parameters())
    assert np.allclose(1000 * (found.time_s - plain.time_s), pause_ms * np.repeat(np.arange(5), 60), atol=2.6)


@pytest.mark.parametrize("counter", ["set", "average", "phase", "segment", "contrast"])
def test_inversions_may_be_counted_elsewhere_and_the_error_says_where(counter: str) -> None:
    made = heads()
    made["idx"][counter], made["idx"]["repetition"] = made["idx"]["repetition"].copy(), 0
    if counter in ("set", "average", "phase"):
        with pytest.raises(DataError, match=f"idx.{counter} from 0 to 4.*inversion_counter={counter}"):
            timing_of(made, header(), given_parameters())
    for chosen in ({"inversion_counter": counter}, {"readouts_per_inversion": "60"}):
        found = timing_of(made, header(), given_parameters(**chosen))
        assert np.array_equal(found.period, np.repeat(np.arange(5), 60))


def test_a_counter_that_starts_anew_with_each_average_counts_on() -> None:
    made = heads(6)
    made["idx"]["average"], made["idx"]["repetition"] = np.repeat([0, 1], 180), np.tile(np.repeat([0, 1, 2], 60), 2)
    assert np.array_equal(timing_of(made, header(), given_parameters()).period, np.repeat(np.arange(6), 60))


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"tr_ms": (264.0,)}, "TR = 264 ms.*4.4 ms"),
        ({"tr_ms": (8.8,)}, "TR = 8.8 ms.*set the parameter tr_ms"),
        ({"ti_ms": (300.0,)}, "TI = 300 ms does not fit: 2[67].*ti_ms"),
        ({"ti_ms": (22.0, 40.0)}, "several TI, 22, 40.*ti_ms"),
        ({"flip_angle_deg": (180.0, 6.0, 8.0)}, "several flipAngle_deg"),
        ({"tr_ms": (300.0, 700.0)}, "several TR, 300, 700"),
    ],
)
def test_a_header_that_contradicts_the_stamps_or_itself_is_refused(values: dict, names: str) -> None:
    with pytest.raises(DataError, match=names):
        timing_of(heads(), header(**values), given_parameters())


@pytest.mark.parametrize(
    ("values", "chosen"),
    [
        ({"tr_ms": (264.0,)}, {"tr_ms": "4.4"}),
        ({"tr_ms": (264.0, 4.4)}, {}),
        ({"tr_ms": (4.4, 4.4)}, {}),
        ({"ti_ms": (300.0,)}, {"ti_ms": "22"}),
        ({"flip_angle_deg": (180.0, 6.0)}, {}),
        ({"flip_angle_deg": (90.0, 180.0, 6.0)}, {}),
        ({"flip_angle_deg": (12.0, 20.0)}, {"flip_angle_deg": "6"}),
    ],
)
def test_lists_are_understood_and_what_is_set_wins(values: dict, chosen: dict) -> None:
    found = timing_of(heads(), header(**values), given_parameters(**chosen)).sequence
    assert (found.tr_ms, found.ti_ms, found.flip_angle_deg) == (4.4, 22.0, 6.0)


def test_a_set_tr_wins_over_the_stamps_too(caplog: pytest.LogCaptureFixture) -> None:
    found = timing_of(heads(), header(), given_parameters(tr_ms="9.1"))
    assert found.sequence.tr_ms == 9.1
    assert "time stamps contradict TR = 9.1" in caplog.text


def test_interleaved_slices_and_two_echoes_leave_even_steps() -> None:
    made = heads()
    for factor in (2, 3):
        stepped = made.copy()
        stepped["scan_counter"] = 40 + factor * np.arange(300)
        assert np.array_equal(timing_of(stepped, header(), given_parameters()).excitation, np.arange(300) % 60)


def test_steps_of_the_counter_that_took_no_time_are_no_excitations() -> None:
    made = heads()
    made["scan_counter"][130:] += 4
    found = timing_of(made, header(), given_parameters())
    assert (found.missing, found.placed_by) == (0, "time stamps")


def test_a_scan_without_sequence_parameters_has_none() -> None:
    empty = sequence_of(header(tr_ms=(), ti_ms=(), flip_angle_deg=()), given_parameters())
    assert (empty.tr_ms, empty.ti_ms, empty.flip_angle_deg) == (None, None, None)


def test_counters_that_count_other_echoes_too_do_not_misplace_readouts_after_one_is_lost() -> None:
    """Imaging readouts are echoed twice and the second echo is dropped; navigators are read once."""
    made = heads()
    made["scan_counter"] = 40 + np.arange(300) + np.arange(300) // 2
    kept = np.arange(300) != 131
    found = timing_of(made[kept], header(), given_parameters())
    assert np.array_equal(found.excitation, (np.arange(300) % 60)[kept])
    assert (found.missing, found.placed_by) == (1, "time stamps")


def test_readouts_lost_at_the_end_of_a_period_are_missing_too() -> None:
    made = heads()
    made["acquisition_time_stamp"] = 0
    whole = timing_of(made, header(), given_parameters())
    kept = (np.arange(300) < 115) | (np.arange(300) >= 120)
    found = timing_of(made[kept], header(), given_parameters())
    assert (found.missing, found.placed.jumps) == (5, 5)
    assert np.allclose(found.time_s, whole.time_s[kept])


def test_pauses_within_a_period_are_taken_from_the_stamps() -> None:
    made = heads(periods=1, length=600)
    made["acquisition_time_stamp"] += (np.arange(600) // 200 * 200).astype(np.uint32)  # half a second each time
    found = timing_of(made, header(), given_parameters())
    assert found.time_s[-1] - found.time_s[0] == pytest.approx(599 * TR_MS / 1000 + 1.0, abs=0.01)
    assert found.missing == 0


def test_stamps_of_the_converters_own_clock_are_none() -> None:
    """As ge_to_ismrmrd writes them: seconds since 1970, which may step once while it converts."""
    made = heads()
    made["acquisition_time_stamp"] = 1_795_000_000 + (np.arange(300) > 140)
    found = timing_of(made, header(), given_parameters())
    assert (found.missing, found.placed_by, found.stamps) == (0, "scan counters", None)


@pytest.mark.parametrize("values", [{"ti_ms": (0.0, 22.0)}, {"ti_ms": (22.0, 40.0)}, {"flip_angle_deg": (5.0, 15.0)}])
def test_lists_that_the_model_does_not_need_are_no_obstacle(values: dict) -> None:
    found = timing_of(heads(), header(**values), given_parameters(temporal_model="realtime"))
    assert found.sequence.tr_ms == 4.4
    if values == {"ti_ms": (0.0, 22.0)}:
        assert found.sequence.ti_ms == 22.0
