"""Losses and metrics by the names that recipes give them, and penalties that are more than one call of torch."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn
from torchmetrics.functional.image import peak_signal_noise_ratio

from nets.data.degradation import measured_part
from nets.training.organs.label_losses import class_error, mean_dice

Entry = TypeVar("Entry")
Measure = Callable[[Tensor, Tensor], Tensor]
"""Estimate and label → one number."""

LOSSES: Mapping[str, Measure] = {
    "l1": nn.functional.l1_loss,
    "l2": nn.functional.mse_loss,
    "cross_entropy": class_error,
}
"""What training may minimise."""


def relative_error(estimate: Tensor, label: Tensor) -> Tensor:
    """NRMSE: norm of the difference over the norm of the label."""
    return torch.linalg.vector_norm(estimate - label) / torch.linalg.vector_norm(label)


def curve_error(estimate: Tensor, label: Tensor, cells: Tensor) -> Tensor:
    """NRMSE of recovery curves at some states of motion, in their coordinates.

    It is least for the mean of what a curve may be, not for its median, so that T1 is not biased; L1 of basis maps is.

    Parameters
    ----------
    estimate, label : (L, y, x) complex64 Tensor
        Spatial factors.
    cells : (cells, L, R) float32 Tensor
        What takes them to curves.

    Returns
    -------
    () Tensor
    """
    # C[c,r] = Σ_l M[c,l,r] U_l
    curves, true = (torch.einsum("clr,lyx->cryx", cells.to(maps.dtype), maps) for maps in (estimate, label))
    return relative_error(curves, true)


def curve_error_of_some(estimate: Tensor, label: Tensor, cells: Tensor, count: int = 4) -> Tensor:
    """:func:`curve_error` at some states of motion drawn at random: all of them would cost more than a step."""
    return curve_error(estimate, label, cells[torch.randint(len(cells), (count,), device=cells.device)])


def peak_ratio(estimate: Tensor, label: Tensor) -> Tensor:
    """PSNR in dB; the peak is the label's."""
    return peak_signal_noise_ratio(estimate, label, data_range=float(label.max()))


METRICS: Mapping[str, Measure] = {**LOSSES, "nrmse": relative_error, "psnr": peak_ratio, "dice": mean_dice}
"""What validation may measure."""


def named(table: Mapping[str, Entry], kind: str, name: str) -> Entry:
    """Look up what a recipe names: a loss, a metric, a schedule.

    Raises
    ------
    ValueError
        If there is none of that name; the text lists those that there are.
    """
    if name not in table:
        raise ValueError(f"{kind} {name!r} is not known; known are {', '.join(table)}")
    return table[name]


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


_THINNEST_BODY = 5
"""Voxels across (z, y, x) of a box that fits into organs, and not into coronaries of up to 4 mm at 1 mm."""


def thin_and_bright(label: Tensor) -> Tensor:
    """How far each voxel stands out of what is left when all that a box of 5³ voxels does not fit into is cut away.

    This is the white top-hat of morphology, the label less its opening: vessels keep their contrast, large bodies and
    their edges are zero.

    Parameters
    ----------
    label : (batch, 1, z, y, x) Tensor

    Returns
    -------
    (batch, 1, z, y, x) Tensor
        Not negative, on the label's scale.
    """
    eroded = -_greatest_in_box(-label)
    return label - _greatest_in_box(eroded)


def _greatest_in_box(values: Tensor) -> Tensor:
    for axis in range(3):  # the greatest of a box is that of its rows' greatest: 15 comparisons a voxel, not 125
        size = [_THINNEST_BODY if other == axis else 1 for other in range(3)]
        values = nn.functional.max_pool3d(values, size, stride=1, padding=[length // 2 for length in size])
    return values


def vessel_error(estimate: Tensor, label: Tensor) -> Tensor:
    """Mean magnitude of the error, each voxel weighted by how :func:`thin_and_bright` the label is there.

    An L1 loss alone lets vessels of a voxel or two fade: they are a thousandth of a volume.

    Parameters
    ----------
    estimate, label : (batch, 1, z, y, x) Tensor

    Returns
    -------
    () Tensor
    """
    return ((estimate - label).abs() * thin_and_bright(label)).mean()
