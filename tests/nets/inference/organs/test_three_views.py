"""Stacks cover a volume, views see it along their axes, and three views vote."""

import itertools
import math
from collections import Counter

import pytest
import torch

from nets.inference.organs.three_views import disagreement, probabilities_of_view, stack_starts, vote


@pytest.mark.parametrize(
    ("length", "expected"), [(20, [0]), (40, [0, 20]), (41, [0, 20, 21]), (50, [0, 20, 30]), (59, [0, 20, 39])]
)
def test_the_last_stack_is_shifted_inwards(length: int, expected: list[int]) -> None:
    assert stack_starts(length, 20) == expected


class Marker:
    """Scores of two classes: class 1 has the pixel's value, plus the number of the call."""

    def __init__(self, rise: float = 0.0) -> None:
        self.rise, self.calls = rise, 0

    def __call__(self, stack: torch.Tensor) -> torch.Tensor:
        scores = torch.stack([torch.zeros_like(stack), stack + self.rise * self.calls], dim=2)
        self.calls += 1
        return scores.flatten(1, 2)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("shape", [(9, 10, 11), (3, 8, 7)])
def test_each_voxel_keeps_its_place_in_every_view(axis: int, shape: tuple[int, int, int]) -> None:
    volume = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    found = probabilities_of_view(Marker(), volume, axis, 4)
    assert found.shape == (2, *shape)
    torch.testing.assert_close(found[1].float(), volume.sigmoid(), atol=1e-3, rtol=0)
    torch.testing.assert_close(found.float().sum(dim=0), torch.ones(shape), atol=1e-3, rtol=0)


def test_overlaps_are_averaged() -> None:
    """Ten slices in stacks of four: the last stack begins at six, and slices 6 and 7 lie in two."""
    found = probabilities_of_view(Marker(1.0), torch.zeros(10, 2, 2), 0, 4)[1, :, 0, 0].float()
    first, second, last = (1 / (1 + math.exp(-call)) for call in range(3))
    expected = [first] * 4 + [second] * 2 + [(second + last) / 2] * 2 + [last] * 2
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-3, rtol=0)


def probabilities(label: int, generator: torch.Generator) -> torch.Tensor:
    """Random ones of three classes, highest for a label."""
    values = torch.rand(3, generator=generator)
    values[label] = values.max() + 0.05 + torch.rand((), generator=generator)
    return values / values.sum()


@pytest.mark.parametrize("ballots", list(itertools.product(range(3), repeat=3)))
def test_the_majority_wins_and_ties_go_by_summed_probability(ballots: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(7)
    for _ in range(20):
        views = [probabilities(label, generator) for label in ballots]
        (winner, votes), *_ = Counter(ballots).most_common()
        if votes == 1:
            winner = int(torch.stack(views).sum(dim=0).argmax())
        found = vote([view[:, None, None, None] for view in views])[:, 0, 0, 0]
        assert int(found.argmax()) == winner
        agreeing = [view for view, label in zip(views, ballots, strict=True) if label == winner]
        torch.testing.assert_close(found, torch.stack(agreeing).mean(dim=0))


def test_a_tie_is_decided_among_the_classes_that_were_voted_for() -> None:
    """Class 3 is everybody's second choice, and has the highest sum; but nobody voted for it."""
    views = [torch.tensor([0.5, 0, 0, 0.46]), torch.tensor([0, 0.52, 0, 0.46]), torch.tensor([0, 0, 0.5, 0.46])]
    assert int(torch.stack(views).sum(dim=0).argmax()) == 3
    assert int(vote([view[:, None, None, None] for view in views]).flatten().argmax()) == 1


def test_one_view_is_itself() -> None:
    view = torch.rand(3, 2, 2, 2)
    torch.testing.assert_close(vote([view]), view)


def test_disagreement_is_the_entropy_over_that_of_a_guess() -> None:
    sure = torch.tensor([1.0, 0, 0])[:, None, None, None]
    other = torch.tensor([0.0, 1, 0])[:, None, None, None]
    guess = torch.full((3, 1, 1, 1), 1 / 3)
    assert float(disagreement([sure, sure, sure])) == 0
    assert float(disagreement([guess])) == pytest.approx(1)
    assert float(disagreement([sure, other])) == pytest.approx(math.log(2) / math.log(3))
