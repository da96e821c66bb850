"""What goes between a site and the coordinator: a network's tensors as safetensors bytes, checked before use."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

Tensors = Mapping[str, Tensor]

_LARGEST_HEADER = 2**20
"""Bytes of a header at most: about 100 for each tensor."""

LARGEST_COUNT = 2**29
"""Samples of a round at most: a float32 times such a count is exact in double precision, which has 53 bits."""


class UpdateError(ValueError):
    """Weights that were received and are not used; the text says why."""


@dataclass(frozen=True)
class Update:
    """What a site learned in a round.

    Attributes
    ----------
    tensors : dict of str to Tensor
        The whole state of the training's module, as the site has it now.
    samples : int
        That it learned from in this round.
    """

    tensors: dict[str, Tensor]
    samples: int


def state_of(module: nn.Module) -> dict[str, Tensor]:
    """Copy all tensors of a module to the CPU."""
    return {name: value.detach().cpu().clone().contiguous() for name, value in module.state_dict().items()}


def packed(tensors: Tensors) -> bytes:
    """Tensors as safetensors bytes, in their precision; nothing else is in them."""
    return save(dict(tensors))


def packed_difference(tensors: Tensors, reference: Tensors) -> bytes:
    """What changed since a reference, in half precision, as safetensors bytes.

    A difference loses 2⁻¹¹ of itself; weights would lose as much of themselves: more than what a round changes.
    Tensors of integers, and those that half precision cannot hold, are sent in full.
    """
    return save({name: _halved(value, reference[name]) for name, value in tensors.items()})


def _halved(value: Tensor, reference: Tensor) -> Tensor:
    if not value.is_floating_point():
        return value.contiguous()
    difference = (value - reference).contiguous()
    half = difference.half()
    return half if bool(torch.isfinite(half).all()) else difference


def unpacked(data: bytes, reference: Tensors, is_difference: bool = False) -> dict[str, Tensor]:
    """Read what :func:`packed` or :func:`packed_difference` wrote.

    Parameters
    ----------
    data : bytes
    reference : mapping of str to Tensor
        Names, shapes and precisions that are expected.
    is_difference : bool
        Whether floating-point tensors are what changed since the reference.

    Returns
    -------
    dict of str to Tensor
        In the precisions of the reference.

    Raises
    ------
    UpdateError
        If it is no safetensors file of just these tensors, or a value is not finite.
    """
    if len(data) > _LARGEST_HEADER + sum(8 + value.nbytes for value in reference.values()):
        raise UpdateError(f"{len(data)} bytes are more than the network has")
    try:
        tensors = load(data)
    except (SafetensorError, ValueError, TypeError, KeyError) as error:
        raise UpdateError(f"no safetensors ({error})") from error
    _check(tensors, reference, is_difference)
    found = {name: _added(value, reference[name]) if is_difference else value for name, value in tensors.items()}
    infinite = [name for name, value in found.items() if not bool(torch.isfinite(value).all())]
    if infinite:
        raise UpdateError(f"{infinite[0]} is not finite")
    return found


def _added(value: Tensor, reference: Tensor) -> Tensor:
    return (reference + value.to(reference.dtype)) if value.is_floating_point() else value


def _check(tensors: Tensors, reference: Tensors, halves: bool) -> None:
    """Compare names, shapes and precisions."""
    if tensors.keys() != reference.keys():
        odd = sorted(tensors.keys() ^ reference.keys())[0]
        raise UpdateError(f"{odd} is {'missing' if odd in reference else 'not known'}")
    for name, value in tensors.items():
        if value.shape != reference[name].shape:
            raise UpdateError(f"{name} has shape {tuple(value.shape)}, not {tuple(reference[name].shape)}")
        halved = halves and reference[name].is_floating_point() and value.dtype == torch.float16
        if value.dtype != reference[name].dtype and not halved:
            raise UpdateError(f"{name} has precision {value.dtype}, not {reference[name].dtype}")


def distance_squared(tensors: Tensors, reference: Tensors, names: frozenset[str]) -> float:
    """‖w − w_ref‖² over the tensors of some names, in double precision."""
    return sum(float((tensors[name].double() - reference[name].double()).square().sum()) for name in names)


def averaged(updates: list[Update]) -> dict[str, Tensor]:
    """Σ nᵢ wᵢ / Σ nᵢ, in double precision: weights and batch statistics alike, each site by its samples (FedAvg).

    One site, or several with equal weights, give these weights to the last bit. Whole numbers are rounded.

    Parameters
    ----------
    updates : list of Update
        At least one; together with a sample at least.
    """
    total = sum(update.samples for update in updates)
    found = {}
    for name, first in updates[0].tensors.items():
        summed = torch.zeros(first.shape, dtype=torch.float64)
        for update in updates:
            summed += update.samples * update.tensors[name].double()
        mean = summed / total
        found[name] = (mean if first.is_floating_point() else mean.round()).to(first.dtype)
    return found
