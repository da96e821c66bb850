"""Learning rates over the steps, and the turns of generator and discriminator, step by step."""

import math

import pytest
import torch
from hypothesis import given, strategies as st
from pydantic import ValidationError

from nets.training.schedules import SCHEDULES, Turns, cosine, linear, scheduled


def test_turns_of_wgan_gp_step_by_step() -> None:
    turns = Turns(warm_up=3, per_generator=5, extra_every=2, extra=4)
    cycle = [False] * 4 + [True]
    assert [turns.trains_generator(step) for step in range(3 + 2 * 14)] == [False] * 3 + (cycle * 2 + [False] * 4) * 2


def test_default_turns_are_those_of_dragan() -> None:
    turns = Turns()
    assert (turns.warm_up, turns.per_generator, turns.extra_every, turns.extra) == (10_000, 1, 0, 0)
    assert turns.generator_steps is None
    assert not turns.are_over(10**9)
    assert not turns.trains_generator(9_999)
    assert turns.trains_generator(10_000)
    assert turns.trains_generator(10_001)


def test_domain_strength_rises_linearly_over_the_warm_up() -> None:
    turns = Turns(warm_up=10_000)
    assert [turns.domain_strength(step) for step in (0, 1, 2500, 5000, 10_000, 300_000)] == [0, 1e-4, 0.25, 0.5, 1, 1]
    assert Turns(warm_up=0).domain_strength(0) == 1


TURNS = st.builds(Turns, st.integers(0, 50), st.integers(1, 6), st.integers(0, 20), st.integers(0, 30))


@given(TURNS, st.integers(0, 900))
def test_steps_of_the_generator_are_counted_as_they_are_taken(turns: Turns, step: int) -> None:
    assert turns.generator_steps_before(step) == sum(turns.trains_generator(each) for each in range(step))


@given(TURNS, st.integers(1, 40))
def test_training_is_over_with_the_last_step_of_the_generator(turns: Turns, count: int) -> None:
    limited = Turns(turns.warm_up, turns.per_generator, turns.extra_every, turns.extra, count)
    last = next(step for step in range(10_000) if turns.generator_steps_before(step) == count)
    assert not limited.are_over(last - 1)
    assert limited.are_over(last)
    assert limited.trains_generator(last - 1)


def test_wgan_of_the_paper_takes_as_many_critic_steps_as_its_text_gives() -> None:
    """200,000 steps of G: 10,000 + 400 · (500 · 5 + 200) steps of D, less the last 200 (dissertation 4.4.1)."""
    turns = Turns(10_000, 5, 500, 200, 200_000)
    assert turns.are_over(1_089_800)
    assert not turns.are_over(1_089_799)


@pytest.mark.parametrize("wrong", [{"warm_up": -1}, {"per_generator": 0}, {"extra": -1}, {"generator_steps": 0}])
def test_impossible_turns_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        Turns(**wrong)


@pytest.mark.parametrize("total", [1, 10, 1000])
def test_cosine_rises_over_two_percent_and_falls_to_zero(total: int) -> None:
    factor, warm = cosine(total), max(1, total // 50)
    for step in range(total + 5):
        rise = min(1, (step + 1) / warm)
        assert factor(step) == pytest.approx(rise * math.cos(math.pi / 2 * min(1, step / total)) ** 2, abs=1e-12)


def test_schedules_act_on_the_rate_of_each_step() -> None:
    known = {"constant": [0.5] * 4, "cosine": [0.5 * cosine(4)(step) for step in range(4)]}
    known["linear"] = [0.5, 0.375, 0.25, 0.125]
    for name, expected in known.items():
        weight = torch.nn.Parameter(torch.zeros(1))
        made = scheduled(torch.optim.Adam([weight], lr=0.5), name, 4)
        assert made["lr_scheduler"]["interval"] == "step"
        rates = []
        for _ in range(4):
            rates.append(made["optimizer"].param_groups[0]["lr"])
            made["optimizer"].step()
            made["lr_scheduler"]["scheduler"].step()
        assert rates == pytest.approx(expected)
    assert set(SCHEDULES) == {"constant", "cosine", "linear", "tenths"}


def test_linear_rate_is_that_of_jung_2019() -> None:
    """1e-4 less 2e-7 in each of 70 epochs, 3,600 steps of which each has."""
    factor = linear(70 * 3600, last=0.86)
    for epoch in range(71):
        assert 1e-4 * factor(epoch * 3600) == pytest.approx(1e-4 - epoch * 2e-7, abs=1e-12)
    assert factor(10**9) == pytest.approx(0.86)
    assert linear(10)(10) == 0
