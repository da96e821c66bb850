"""Applying trained networks: device, precision and memory are decided here, once; volumes go through patch by patch."""

import contextlib
import itertools
import logging
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from nets.architectures.registry import receptive_field

log = logging.getLogger(__name__)

Precision = Literal["float32", "bfloat16"]
Merge = Literal["cut", "average"]
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class Runner:
    """A network on its device, ready to be applied again and again.

    If the memory of a GPU does not suffice, when the network is put there or when it runs, the CPU takes over.

    Parameters
    ----------
    network : torch.nn.Module
        In evaluation mode.
    device : str
        ``cpu`` or ``cuda:N``.
    precision : {"float32", "bfloat16"}
        Type of weights and activations; what goes in and comes out is float32.
    compiled : bool
        Use ``torch.compile``: the first run of each shape takes long.
    name : str
        What the log calls it.
    """

    def __init__(
        self,
        network: nn.Module,
        device: str = "cpu",
        precision: Precision = "float32",
        compiled: bool = False,
        name: str = "the network",
    ) -> None:
        self.module, self.dtype, self.compiled, self.name = network, _DTYPES[precision], compiled, name
        is_planar = any(isinstance(module, nn.Conv2d) for module in network.modules())
        self.layout = torch.channels_last if is_planar else torch.channels_last_3d
        try:
            self._move(device)
        except torch.cuda.OutOfMemoryError:
            self._move_to_cpu()

    def _move(self, device: str) -> None:
        self.device = torch.device(device)
        placed = self.module.to(device=self.device, dtype=self.dtype).to(memory_format=self.layout)  # type: ignore[call-overload]
        self.network: Callable[[Tensor], Tensor] = torch.compile(placed) if self.compiled else placed

    def _move_to_cpu(self) -> None:
        log.warning("the GPU's memory does not suffice for %s: it runs on the CPU", self.name)
        torch.cuda.empty_cache()
        self._move("cpu")

    def __call__(self, images: Tensor) -> Tensor:
        """(batch, channels, ...) float32 → network's output, float32, on the runner's device."""
        return self.attempt(lambda: self._run(images))

    def attempt(self, work: Callable[[], Tensor]) -> Tensor:
        """Do what runs the module on the runner's device; on the CPU, if the GPU's memory does not suffice."""
        with contextlib.suppress(torch.cuda.OutOfMemoryError):
            return work()
        self._move_to_cpu()  # here the exception, whose frames hold tensors on the GPU, is gone
        return work()

    @torch.inference_mode()
    def _run(self, images: Tensor) -> Tensor:
        images = images.to(device=self.device, dtype=self.dtype).contiguous(memory_format=self.layout)
        return self.network(images).float()


def apply_in_patches(
    network: Callable[[Tensor], Tensor],
    volume: Tensor,
    patch: tuple[int, ...],
    margin: int | tuple[int, ...] | None = None,
    merge: Merge = "cut",
    box: tuple[int, ...] | None = None,
) -> Tensor:
    """Apply a network patch by patch; memory is bounded by the patch, not by the volume.

    Merged by cutting, patches overlap by twice the margin, which is cut away from each result; at the volume's own
    borders nothing is cut. Where the margin covers half the receptive field, the result is that of the whole volume.
    Merged by averaging, patches are shifted by half of what the margin leaves of them, and their results averaged, as
    in chapter 3 of the dissertation (there, without a margin).

    Parameters
    ----------
    network : callable
        (1, channels, ...) → the same matrix.
    volume : (channels, ...) float32 Tensor
    patch : tuple of int
        What the network sees at once, margins included.
    margin : int or tuple of int, optional
        Along all axes, or each. Default: what the network's receptive field asks for.
    merge : {"cut", "average"}
    box : tuple of int, optional
        Patches start at multiples of it, so that each voxel keeps its place in a network's box. Default: anywhere. When
        cutting, patch and margin have to be multiples of it.

    Returns
    -------
    (outputs, ...) float32 Tensor
        On the CPU.

    Raises
    ------
    ValueError
        If the margins leave nothing of a patch.
    """
    if margin is None:
        field = receptive_field(network) if isinstance(network, nn.Module) else None
        if field is None:
            raise ValueError("the network sees the whole volume: give a margin")
        margin = field // 2
    sizes = volume.shape[1:]
    margins = (margin,) * len(sizes) if isinstance(margin, int) else margin
    if any(length > extent and extent <= 2 * cut for length, extent, cut in zip(sizes, patch, margins, strict=True)):
        raise ValueError(f"patches of {patch} voxels leave nothing inside margins of {margin}; take larger patches")
    if merge == "cut":
        spans = [_spans(*axis) for axis in zip(sizes, patch, margins, strict=True)]
    else:
        steps = box or (1,) * len(sizes)
        spans = [_overlapping(*axis) for axis in zip(sizes, patch, margins, steps, strict=True)]
    total: Tensor | None = None
    counts = torch.zeros(sizes)
    for place in itertools.product(*spans):
        seen = tuple(slice(span.start, span.stop) for span, _ in place)
        target = tuple(slice(inner.start, inner.stop) for _, inner in place)
        part = network(volume[(slice(None), *seen)][None])[0].float().cpu()
        if total is None:
            total = torch.zeros(len(part), *sizes)
        inside = tuple(slice(k.start - s.start, k.stop - s.start) for k, s in zip(target, seen, strict=True))
        total[(slice(None), *target)] += part[(slice(None), *inside)]
        counts[target] += 1
    if total is None:
        raise ValueError(f"the volume is empty: {tuple(volume.shape)}")
    return total if merge == "cut" else total / counts


def _spans(length: int, extent: int, margin: int) -> list[tuple[range, range]]:
    """What each patch sees along an axis, and what of it is kept."""
    if length <= extent:
        return [(range(length), range(length))]
    starts = [*range(0, length - extent, extent - 2 * margin), length - extent]
    spans, done = [], 0
    for start in starts:
        stop = length if start + extent == length else start + extent - margin
        if stop > done:
            spans.append((range(start, start + extent), range(done, stop)))
            done = stop
    return spans


def _overlapping(length: int, extent: int, margin: int, multiple: int) -> list[tuple[range, range]]:
    """As :func:`_spans`, with patches shifted by half of what is kept of one; the last is shifted inwards."""
    if length <= extent:
        return [(range(length), range(length))]
    half = (extent - 2 * margin) // 2
    step = max(multiple, half - half % multiple)
    starts = [*range(0, length - extent, step), length - extent]
    kept = [(0 if start == 0 else start + margin, start + extent - margin) for start in starts]
    kept[-1] = (kept[-1][0], length)
    return [(range(start, start + extent), range(*inner)) for start, inner in zip(starts, kept, strict=True)]
