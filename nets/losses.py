"""Losses that are more than one call of torch."""

import torch
from torch import Tensor, nn


def weight_penalty(network: nn.Module, l1_scale: float, l2_scale: float) -> Tensor:
    """L1 and L2 regularisation of the convolutions' weights, each as a mean over all of them.

    The dissertation gives a scale (1e-2 was best) but not whether it multiplies a sum or a mean; with a sum over 23 M
    weights, the penalty would be all there is.

    Parameters
    ----------
    network : torch.nn.Module
    l1_scale, l2_scale : float

    Returns
    -------
    () Tensor
    """
    weights = torch.cat([weight.flatten() for weight in network.parameters() if weight.ndim > 1])
    return l1_scale * weights.abs().mean() + l2_scale * weights.square().mean()


def relative_error(maps: Tensor, truth: Tensor) -> Tensor:
    """NRMSE: norm of the difference over the norm of the truth."""
    return torch.linalg.vector_norm(maps - truth) / torch.linalg.vector_norm(truth)
