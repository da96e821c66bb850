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
