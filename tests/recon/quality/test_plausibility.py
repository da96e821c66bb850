"""What no scan of a living heart can show, with numbers on either side of each limit."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from recon.quality import plausibility


def disc(matrix: int = 48, radius: float = 15) -> np.ndarray:
    y, x = np.mgrid[:matrix, :matrix] - matrix / 2
    return (x**2 + y**2 < radius**2).astype(np.float32)


@pytest.mark.parametrize(("rate", "is_plausible"), [(19, False), (21, True), (72, True), (249, True), (251, False)])
def test_heart_rate(rate: float, is_plausible: bool) -> None:
    found = plausibility.heart_rate(rate)
    assert (found == []) == is_plausible
    assert not any(finding.certain for finding in found)


@pytest.mark.parametrize("rate", [-60.0, 0.0, float("nan")])
def test_a_heart_rate_that_is_no_rate_is_certainly_wrong(rate: float) -> None:
    (finding,) = plausibility.heart_rate(rate)
    assert finding.certain
    assert "heart rate" in finding.text


@given(st.floats(4, 57), st.floats(0, 6.28), st.floats(0.01, 1e4), st.floats(-100, 100))
@settings(max_examples=25, deadline=None)
def test_breaths_are_counted_whatever_unit_and_offset(rate: float, start: float, scale: float, offset: float) -> None:
    time_s = np.arange(0, 90, 0.05)
    signal = offset + scale * np.sin(2 * np.pi * rate / 60 * time_s + start)
    assert plausibility.respiratory_rate(signal, time_s) == []
    assert plausibility.respiratory_rate(np.sin(2 * np.pi * 1.5 * time_s + start), time_s)  # 90 a minute


def test_ripples_on_a_breath_are_not_breaths() -> None:
    time_s = np.arange(0, 60, 0.02)
    slow = np.sin(2 * np.pi * 0.2 * time_s)
    assert plausibility.respiratory_rate(slow + 0.1 * np.sin(2 * np.pi * 2 * time_s), time_s) == []


def test_a_signal_that_never_breathes_or_is_no_number() -> None:
    time_s = np.arange(0, 60, 0.1)
    assert plausibility.respiratory_rate(np.exp(-time_s / 20), time_s)[0].certain  # drift: no breath at all
    assert plausibility.respiratory_rate(np.where(time_s > 30, np.nan, 1.0), time_s)[0].certain
    assert plausibility.respiratory_rate(np.exp(-time_s[:250]), time_s[:250])  # 25 s hold one of 3 a minute
    short_s = time_s[:100]
    assert plausibility.respiratory_rate(np.exp(-short_s), short_s) == []  # 10 s may hold half a slow breath


def test_inversion_time() -> None:
    assert plausibility.inversion_time(0.0) == plausibility.inversion_time(11.7) == []
    (finding,) = plausibility.inversion_time(-3.5)
    assert finding.certain
    assert "-3.5 ms" in finding.text


@pytest.mark.parametrize("bound_ms", [60.0, 3990.0])
def test_t1_at_a_limit_of_the_search(bound_ms: float) -> None:
    body = disc() > 0
    t1_ms = np.where(body, 1130.0, 0.0)
    assert plausibility.t1(t1_ms, body, (60, 4000)) == []
    for inside_ms in (62.0, 110.0, 3900.0):  # short or long, and of the tissue
        assert plausibility.t1(np.where(body, inside_ms, 0.0), body, (60, 4000)) == []
    rows = np.flatnonzero(body)
    t1_ms.flat[rows[: int(0.19 * len(rows))]] = bound_ms
    assert plausibility.t1(t1_ms, body, (60, 4000)) == []
    t1_ms.flat[rows[: int(0.21 * len(rows)) + 1]] = bound_ms
    (finding,) = plausibility.t1(t1_ms, body, (60, 4000))
    assert "21 %" in finding.text


def test_a_t1_map_that_is_none() -> None:
    body = disc() > 0
    t1_ms = np.where(body, 900.0, 0.0)
    assert plausibility.t1(t1_ms, body & False, (50, 5000))[0].text.startswith("the T1 map is empty")
    assert plausibility.t1(-t1_ms, body, (50, 5000))[0].certain
    t1_ms[24, 24] = np.inf
    assert plausibility.t1(t1_ms, body, (50, 5000))[0].certain


def test_images_without_an_object() -> None:
    rng = np.random.default_rng(8)
    noise = np.abs(rng.standard_normal((3, 48, 48)) + 1j * rng.standard_normal((3, 48, 48)))
    assert plausibility.images("cine", 12 * disc() + noise) == []
    assert plausibility.images("cine", 3 + disc()[None]) == []  # a body that fills the field of view
    (finding,) = plausibility.images("cine", noise)
    assert not finding.certain
    assert "noise" in finding.text
    assert plausibility.images("cine", np.ones((48, 48))) != []
    series = 12 * disc() + noise
    series[1] = 0
    assert plausibility.images("cine", series)[0] == plausibility.Finding("1 of 3 images of the cine are blank", True)
    series[1, 7, 7] = np.nan
    assert plausibility.images("cine", series)[0].text == "1 pixels of the cine are not numbers"


@pytest.mark.parametrize(("change", "certain"), [(0.05, None), (0.45, None), (0.6, False), (1.5, True)])
def test_frames_that_come_and_go(change: float, certain: bool | None) -> None:
    factors = 1 + change / 2 * np.cos(2 * np.pi * np.arange(20) / 20)
    found = plausibility.cycle(factors[:, None, None] * disc(), disc() > 0)
    assert [finding.certain for finding in found] == ([] if certain is None else [certain])


def test_a_beating_heart_in_a_still_body_is_no_finding() -> None:
    heart = np.stack([disc(radius=radius) for radius in (4, 5, 6, 5)])
    assert plausibility.cycle(disc() + heart, disc() > 0) == []
    assert plausibility.cycle(disc()[None], disc() > 0) == []


@pytest.mark.parametrize(("bottom", "top", "count"), [(-1, 0.4, 200), (-1, 0.6, 210), (0.1, 1, 200), (-0.1, 1, 210)])
def test_a_breath_rises_half_a_deviation_above_the_mean_and_falls_below_it(
    bottom: float, top: float, count: int
) -> None:
    """200 deep breaths in a minute, whose standard deviation is 10, and 10 shallow ones among them."""
    deep, shallow = np.tile(np.repeat([-1.0, 1.0], 5), 100), np.tile(np.repeat([bottom, top], 5), 10)
    signal = 3 + 10 * np.concatenate([deep, shallow, deep])
    (finding,) = plausibility.respiratory_rate(signal, np.linspace(7, 67, len(signal)))
    assert finding.text.startswith(f"a respiratory rate of {count} breaths per minute")


def test_limits_themselves_are_plausible_and_what_lies_just_beyond_is_not() -> None:
    assert plausibility.heart_rate(20) == plausibility.heart_rate(250) == []
    assert plausibility.heart_rate(0.5)[0].certain is False
    assert plausibility.inversion_time(-0.5)[0].certain
    time_s = np.linspace(0, 20, 101)  # one breath at three a minute
    assert plausibility.respiratory_rate(np.exp(-time_s), time_s)[0].certain
    assert plausibility.respiratory_rate(np.exp(-time_s), 0.99 * time_s) == []
    body = disc() > 0
    t1_ms = np.where(body, 900.0, 0.0)
    t1_ms[24, 24] = 0.5
    assert plausibility.t1(t1_ms, body, (50, 5000)) == []
    t1_ms[24, 24] = -0.5
    assert plausibility.t1(t1_ms, body, (50, 5000))[0].text == "T1 is negative in 1 pixels"


def test_coherence_by_hand() -> None:
    """Mean over both axes of the products of neighbours, over the mean square: here of the mean of two frames."""
    rows, columns = np.array([2.0, 5, 3, 3, 4, 1]), np.array([1.0, -1, -1, 1, 1])
    image = 20 + rows[:, None] + columns
    other = image - image.mean()
    along = np.mean([other[y, x] * other[y + 1, x] for y in range(5) for x in range(5)])
    across = np.mean([other[y, x] * other[y, x + 1] for y in range(6) for x in range(4)])
    coherence = (along + across) / 2 / np.mean(other**2)
    assert -0.2 < coherence < 0.4
    assert along != pytest.approx(across, abs=0.3)
    (finding,) = plausibility.images("cine", np.stack([2 * image, 0 * image + 1]))
    assert finding.text.endswith(f"correlate by {coherence:.2f}")
    assert plausibility.images("cine", np.ones((4, 4)))[0].text.endswith("correlate by 0.00")
    assert plausibility.images("cine", disc()) == []  # air may be exactly zero


def test_two_faint_frames_are_a_cycle_too() -> None:
    body = disc() > 0
    (finding,) = plausibility.cycle(1e-6 * np.array([0.7, 1.3])[:, None, None] * disc(), body)
    assert "by 60 % over" in finding.text
    assert plausibility.cycle(np.zeros((2, 48, 48)), body) == []
