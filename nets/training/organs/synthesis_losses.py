"""What SPADE's generator and critic minimise (Park 2019, Wang 2018)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

Features = Sequence[Sequence[Tensor]]
"""By scale and layer; the last layer is the verdict."""


def critic_hinge(real: Features, generated: Features) -> Tensor:
    """What the critic minimises: real places are to get at least 1, generated ones at most −1; the mean over scales.

    Parameters
    ----------
    real, generated : list of list of (batch, channels, y, x) Tensor

    Returns
    -------
    () Tensor
    """
    losses = [(1 - a[-1]).relu().mean() + (1 + b[-1]).relu().mean() for a, b in zip(real, generated, strict=True)]
    return torch.stack(losses).mean()


def generator_hinge(generated: Features) -> Tensor:
    """What the generator minimises: minus the verdict on what it made; the mean over scales."""
    return -torch.stack([made[-1].mean() for made in generated]).mean()


def feature_distance(real: Features, generated: Features) -> Tensor:
    """Feature matching: L1 between the critic's layers, verdicts left out, added over layers; the mean over scales.

    Parameters
    ----------
    real, generated :
        As :func:`critic_hinge` takes them. No gradient goes to the real ones.

    Returns
    -------
    () Tensor
    """
    l1 = nn.functional.l1_loss
    scales = [
        sum((l1(b, a.detach()) for a, b in zip(one[:-1], other[:-1], strict=True)), one[-1].new_zeros(()))
        for one, other in zip(real, generated, strict=True)
    ]
    return torch.stack(scales).mean()


def level_distance(real: Sequence[Tensor], generated: Sequence[Tensor]) -> Tensor:
    """Perceptual loss: L1 between a network's features, each level over the mean magnitude of the real ones.

    Parameters
    ----------
    real, generated : list of (batch, features, y, x) Tensor
        Of each level. No gradient goes to the real ones.

    Returns
    -------
    () Tensor
        0 for equal images; about 1 where features are as wrong as they are large.
    """
    parts = []
    for one, other in zip(real, generated, strict=True):
        known = one.detach()
        parts.append((other - known).abs().mean() / known.abs().mean().clamp(min=torch.finfo(known.dtype).tiny))
    return torch.stack(parts).mean()


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence of a normal distribution from the standard one, added over z; mean over the batch.

    Parameters
    ----------
    mean, log_variance : (batch, latent) Tensor

    Returns
    -------
    () Tensor
        In nats.
    """
    # ½ Σ (μ² + σ² − 1 − ln σ²)
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1).mean()
