"""Stacks of slices in three views, and the vote of the views (dissertation 7.2.5)."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

VIEWS = ("transversal", "coronal", "sagittal")
"""View by the axis (z, y, x) along which its slices are stacked."""


def stack_starts(length: int, slices: int) -> list[int]:
    """Where stacks begin that cover an axis; the last one is shifted inwards.

    Parameters
    ----------
    length : int
        Slices that there are, at least as many as a stack has.
    slices : int
        Of a stack.

    Returns
    -------
    list of int
    """
    return [*range(0, length - slices, slices), length - slices]


def probabilities_of_view(network: Callable[[Tensor], Tensor], volume: Tensor, axis: int, slices: int) -> Tensor:
    """Probability of each class in each voxel, seen by a network in stacks along one axis.

    A voxel that lies in two stacks gets the mean of both. A volume with fewer slices than a stack is seen with its
    last slice repeated.

    Parameters
    ----------
    network : callable
        (1, slices, rows, columns) → (1, slices · classes, rows, columns) scores.
    volume : (z, y, x) float32 Tensor
        Normalised.
    axis : int
        0 for the transversal view, 1 coronal, 2 sagittal.
    slices : int
        Of a stack.

    Returns
    -------
    (classes, z, y, x) float16 Tensor
        On the CPU.
    """
    stacks = volume.movedim(axis, 0)
    length = len(stacks)
    if length < slices:
        stacks = torch.cat([stacks, stacks[-1:].expand(slices - length, -1, -1)])
    counts = torch.zeros(len(stacks))
    total: Tensor | None = None
    for start in stack_starts(len(stacks), slices):
        scores = network(stacks[start : start + slices][None])[0].float().cpu()
        found = scores.unflatten(0, (slices, -1)).softmax(dim=1).half()  # (slices, classes, rows, columns)
        if total is None:
            total = torch.zeros(len(stacks), *found.shape[1:], dtype=torch.float16)
        total[start : start + slices] += found
        counts[start : start + slices] += 1
    if total is None:
        raise ValueError(f"the volume is empty: {tuple(volume.shape)}")
    total /= counts.half()[:, None, None, None]
    return total[:length].movedim(1, 0).movedim(1, axis + 1)


def vote(views: Sequence[Tensor]) -> Tensor:
    """Probabilities of the views that agree with their majority: the highest one is that of the class voted for.

    Each view votes for its most probable class. Where all three differ, the one of their classes that has the highest
    sum of probabilities wins; two views that differ decide likewise.

    Parameters
    ----------
    views : sequence of (classes, ...) Tensor
        Probabilities by one, two or three views.

    Returns
    -------
    (classes, ...) float32 Tensor
        Mean over the views that voted for the winner. Their highest is its own, so that it stays so in a mean.
    """
    ballots = torch.stack([view.argmax(dim=0) for view in views])
    winner = _winners(ballots, views)
    total, voters = torch.zeros(views[0].shape), torch.zeros(views[0].shape[1:])
    for ballot, view in zip(ballots, views, strict=True):
        agrees = (ballot == winner).float()
        total += view.float() * agrees
        voters += agrees
    return total.div_(voters)


def _winners(ballots: Tensor, views: Sequence[Tensor]) -> Tensor:
    """The class with the most votes, of those with equally many the one with the highest sum of probabilities."""
    # support of ballot v: n votes for its class + Σ p(class) / 4, which is less than one vote for three views
    support = []
    for ballot in ballots:
        votes = (ballots == ballot).sum(dim=0).float()
        summed = sum(view.gather(0, ballot[None])[0].float() for view in views)
        support.append(votes + summed / (len(views) + 1))
    best = torch.stack(support).argmax(dim=0)
    return ballots.gather(0, best[None])[0]


def disagreement(views: Sequence[Tensor]) -> Tensor:
    """Entropy of the mean probabilities over that of a guess: 0 where all views are sure of one class, 1 of none.

    Parameters
    ----------
    views : sequence of (classes, ...) Tensor

    Returns
    -------
    (...) float32 Tensor
    """
    mean = torch.zeros(views[0].shape)
    for view in views:
        mean += view.float() / len(views)
    return (-torch.special.xlogy(mean, mean).sum(dim=0) / math.log(len(mean))).clamp(0, 1)
