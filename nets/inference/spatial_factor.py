"""Applying trained networks: device, precision and memory are decided here, once."""

import itertools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from nets.architectures.registry import receptive_field
from nets.scaling import normalisation_of, to_channels, to_maps
from nets.weights import ModelCard, WeightsError, load_weights

log = logging.getLogger(__name__)

Precision = Literal["float32", "bfloat16"]
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class Runner:
    """A network on its device, ready to be applied again and again.

    Parameters
    ----------
    network : torch.nn.Module
        In evaluation mode.
    device : str
        ``cpu`` or ``cuda:N``.
    precision : {"float32", "bfloat16"}
        Of weights and activations; what goes in and comes out is float32.
    compiled : bool
        Use ``torch.compile``: the first run of each shape takes long.
    """

    def __init__(
        self, network: nn.Module, device: str = "cpu", precision: Precision = "float32", compiled: bool = False
    ) -> None:
        self.device, self.dtype = torch.device(device), _DTYPES[precision]
        is_planar = any(isinstance(module, nn.Conv2d) for module in network.modules())
        self.layout = torch.channels_last if is_planar else torch.channels_last_3d
        network = network.to(device=self.device, dtype=self.dtype).to(memory_format=self.layout)  # type: ignore[call-overload]
        self.network: Callable[[Tensor], Tensor] = torch.compile(network) if compiled else network

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Tensor:
        """(batch, channels, ...) float32 → network's output, float32, on the runner's device."""
        images = images.to(device=self.device, dtype=self.dtype).contiguous(memory_format=self.layout)
        return self.network(images).float()


class SpatialFactorNetwork:
    """A trained network from U₀ to U, on its device.

    Parameters
    ----------
    path : Path
        Weights.
    device : str
        ``cpu`` or ``cuda:N``. If its memory does not suffice, the CPU takes over.
    precision : {"float32", "bfloat16"}
    compiled : bool

    Attributes
    ----------
    card : ModelCard
    sha256 : str
        Of the weights.

    Raises
    ------
    WeightsError
        If the weights cannot be used, or are not of a network for spatial factors.
    """

    def __init__(
        self, path: Path, device: str = "cpu", precision: Precision = "float32", compiled: bool = False
    ) -> None:
        loaded = load_weights(path)
        self.card: ModelCard = loaded.card
        self.sha256 = loaded.sha256
        self.rank = _rank(loaded.card)
        self._options: dict[str, Any] = {"precision": precision, "compiled": compiled}
        self.module = loaded.network
        self._runner = self._on(device)

    def _on(self, device: str) -> Runner:
        try:
            return Runner(self.module, device, **self._options)
        except torch.cuda.OutOfMemoryError:
            return self._on_cpu()

    def _on_cpu(self) -> Runner:
        log.warning("the GPU's memory does not suffice for %s: it runs on the CPU", self.card.architecture)
        torch.cuda.empty_cache()
        return Runner(self.module, "cpu", **self._options)

    @property
    def device(self) -> str:
        """Where it runs."""
        return str(self._runner.device)

    def warm_up(self, matrix: int) -> None:
        """Run once on an empty slice, so that the first real one does not pay for it."""
        self(torch.zeros(self.rank, matrix, matrix, dtype=torch.complex64))

    def __call__(self, back_projection: Tensor) -> Tensor:
        """Estimate the spatial factor.

        Parameters
        ----------
        back_projection : (L, y, x) complex64 Tensor
            U₀ on any device; with fewer maps than the network knows, the others count as zero.

        Returns
        -------
        (L, y, x) complex64 Tensor
            On the device of the input, on its scale.

        Raises
        ------
        WeightsError
            If there are more maps than the network has channels for.
        """
        rank = len(back_projection)
        if rank > self.rank:
            raise WeightsError(
                f"the network takes {self.rank} basis maps, the scan has {rank}: set rank to {self.rank}, "
                "or train a network for that rank"
            )
        filled = nn.functional.pad(torch.view_as_real(back_projection), (0, 0, 0, 0, 0, 0, 0, self.rank - rank))
        channels = to_channels(torch.view_as_complex(filled))
        normalisation = normalisation_of(channels)
        batch = normalisation.apply(channels)[None]
        try:
            estimate = self._runner(batch)
        except torch.cuda.OutOfMemoryError:
            self._runner = self._on_cpu()
            estimate = self._runner(batch)
        return to_maps(normalisation.undo(estimate[0]))[:rank].to(back_projection.device)


def _rank(card: ModelCard) -> int:
    if card.architecture == "mdcn":
        return int(card.config["rank"])
    inputs, outputs = (int(card.config.get(name, 0)) for name in ("inputs", "outputs"))
    if card.architecture != "dense_unet" or inputs != outputs or inputs % 2:
        raise WeightsError(f"{card.architecture} is no network for spatial factors; give weights of mdcn or dense_unet")
    return inputs // 2


def apply_in_patches(
    network: Callable[[Tensor], Tensor],
    volume: Tensor,
    patch: tuple[int, ...],
    margin: int | tuple[int, ...] | None = None,
) -> Tensor:
    """Apply a network patch by patch; memory is bounded by the patch, not by the volume.

    Patches overlap by twice the margin, which is cut away from each result; at the volume's own borders nothing is
    cut. Where the margin covers half the receptive field, the result is that of the whole volume.

    Parameters
    ----------
    network : callable
        (1, channels, ...) → the same matrix.
    volume : (channels, ...) float32 Tensor
    patch : tuple of int
        What the network sees at once, margins included.
    margin : int or tuple of int, optional
        Along all axes, or each. Default: what the network's receptive field asks for.

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
    spans = [_spans(length, extent, cut) for length, extent, cut in zip(sizes, patch, margins, strict=True)]
    result: Tensor | None = None
    for place in itertools.product(*spans):
        seen = tuple(slice(span.start, span.stop) for span, _ in place)
        kept = tuple(slice(inner.start, inner.stop) for _, inner in place)
        part = network(volume[(slice(None), *seen)][None])[0].float().cpu()
        if result is None:
            result = torch.empty(len(part), *sizes)
        inside = tuple(slice(k.start - s.start, k.stop - s.start) for k, s in zip(kept, seen, strict=True))
        result[(slice(None), *kept)] = part[(slice(None), *inside)]
    if result is None:
        raise ValueError(f"the volume is empty: {tuple(volume.shape)}")
    return result


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
