"""What networks that outline organs minimise, and are judged by.

Their channels go slice by slice: slice ``s`` has class ``c`` in channel ``s · classes + c``.
"""

import torch
from torch import Tensor, nn


def by_class(scores: Tensor, slices: int) -> Tensor:
    """(batch, slices · classes, y, x) scores → (batch, classes, slices, y, x)."""
    return scores.unflatten(1, (slices, -1)).transpose(1, 2)


def class_error(scores: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy per voxel, in nats.

    Parameters
    ----------
    scores : (batch, slices · classes, y, x) Tensor
        Before the softmax over the classes.
    labels : (batch, slices, y, x) int64 Tensor

    Returns
    -------
    () Tensor
    """
    return nn.functional.cross_entropy(by_class(scores, labels.shape[1]), labels)


def pooled_class_error(scores: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of a coarser level: against the share that each class has of the pixels that were pooled.

    Parameters
    ----------
    scores : (batch, slices · classes, y / 2ⁿ, x / 2ⁿ) Tensor
        Sizes are rounded down at each of the n levels.
    labels : (batch, slices, y, x) int64 Tensor

    Returns
    -------
    () Tensor
    """
    slices = labels.shape[1]
    classes = scores.shape[1] // slices
    shares = nn.functional.one_hot(labels, classes).movedim(-1, 2).flatten(1, 2).to(scores.dtype)
    while shares.shape[-1] > scores.shape[-1]:
        shares = nn.functional.avg_pool2d(shares, 2)
    return nn.functional.cross_entropy(by_class(scores, slices), by_class(shares, slices))


def overlap_error(scores: Tensor, labels: Tensor) -> Tensor:
    """One minus the soft Dice of the batch, averaged over the organs that are in it.

    Parameters
    ----------
    scores, labels :
        As :func:`class_error` takes them.

    Returns
    -------
    () Tensor
    """
    shares = by_class(scores, labels.shape[1]).softmax(dim=1)
    true = nn.functional.one_hot(labels, shares.shape[1]).movedim(-1, 1).to(shares.dtype)
    axes = (0, 2, 3, 4)
    common, both = (shares * true).sum(axes)[1:], (shares + true).sum(axes)[1:]
    known = true.sum(axes)[1:] > 0
    if not known.any():
        return shares[:, 1:].mean()  # all that is not background is wrong
    return 1 - (2 * common / both)[known].mean()


@torch.no_grad()
def mean_dice(scores: Tensor, labels: Tensor) -> Tensor:
    """Dice of the classes with the highest scores, averaged over the organs that either has; 1 if none has any.

    Parameters
    ----------
    scores, labels :
        As :func:`class_error` takes them.

    Returns
    -------
    () Tensor
    """
    found = by_class(scores, labels.shape[1]).argmax(dim=1)
    classes = scores.shape[1] // labels.shape[1]
    values = []
    for organ in range(1, classes):
        one, other = found == organ, labels == organ
        both = one.sum() + other.sum()
        if both:
            values.append(2 * (one & other).sum() / both)
    return torch.stack(values).mean() if values else torch.ones(())
