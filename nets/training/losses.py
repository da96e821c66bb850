"""Losses that are more than one call of torch."""

import torch
from torch import Tensor, nn

from nets.data.degradation import measured_part


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


def measured_error(difference: Tensor, factors: Tensor) -> Tensor:
    """Mean magnitude of the part of an error that lies among the measured lines: a restored volume shall keep them.

    It is exact for patches that are whole planes; for smaller ones it lacks what crosses their borders.

    Parameters
    ----------
    difference : (batch, 1, z, y, x) Tensor
        Restored minus original volume.
    factors : (batch, 3) Tensor
        How many times fewer lines along z, y, x.

    Returns
    -------
    () Tensor
    """
    known = [measured_part(each, (z, y, x)) for each, (z, y, x) in zip(difference, factors.tolist(), strict=True)]
    return torch.stack(known).real.abs().mean()
