"""Where a voxel looks: the self-attention of a super-resolution network in the patch around it (dissertation 8.3.2)."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nets.architectures.mdcsrn import Mdcsrn
from nets.inference.patches import Runner
from nets.inference.super_resolution import SuperResolution
from nets.scaling import intensity_scale
from nets.weights import WeightsError

log = logging.getLogger(__name__)

Voxel = tuple[int, int, int]


@dataclass(frozen=True)
class AttentionMap:
    """Where one voxel looks.

    Attributes
    ----------
    inside : (z, y, x) float32 Tensor
        Attention within the patch, not negative. It was computed on a grid of half size, on which it adds to one, so
        that all voxels together add to 8 (in a network that folds boxes, 8 boxes).
    patch : (3,) tuple of range
        What of the volume the network saw, along z, y and x.
    shape : (3,) tuple of int
        Matrix of the volume.
    """

    inside: Tensor
    patch: tuple[range, range, range]
    shape: Voxel

    @property
    def voxels(self) -> Tensor:
        """The whole volume, zero outside of the patch: (z, y, x) float32."""
        z, y, x = (slice(span.start, span.stop) for span in self.patch)
        volume = torch.zeros(self.shape)
        volume[z, y, x] = self.inside
        return volume


def check_attention(restorer: SuperResolution) -> Mdcsrn:
    """Find the network with self-attention.

    Parameters
    ----------
    restorer : SuperResolution

    Returns
    -------
    Mdcsrn
        That of the first stage: a second one does not see the volume, but what the first made of it.

    Raises
    ------
    WeightsError
        If it has no self-attention.
    """
    network = restorer.stages[0].network
    if not isinstance(network, Mdcsrn) or network.config.attention == "none":
        raise WeightsError(
            f"{restorer.stages[0].card.architecture} of the first stage has no self-attention, so that there is no "
            "map to show; give first_stage weights of mdcsrn_attention, or leave attention_at out"
        )
    return network


def attention_maps(restorer: SuperResolution, volume: Tensor, queries: Sequence[Voxel]) -> list[AttentionMap]:
    """Show where voxels look, each in a patch of its own that lies around it.

    Parameters
    ----------
    restorer : SuperResolution
        Its patch, statistics, device and precision hold.
    volume : (z, y, x) float32 Tensor
        Zero-filled magnitude, on the CPU.
    queries : sequence of (3,) tuple of int
        Voxels (z, y, x) of the volume.

    Returns
    -------
    list of AttentionMap
        None if the volume has no contrast: then no network sees it.

    Raises
    ------
    WeightsError
        If the network has no self-attention.
    """
    network, runner = check_attention(restorer), restorer.runners[0]
    low, high = torch.aminmax(volume)
    if high - low <= 1e-6 * high.abs():  # as in SuperResolution
        log.warning("the volume is constant: nothing is restored, and no attention is shown")
        return []
    shown = volume / intensity_scale(volume)
    return [_around(network, runner, shown, query, restorer.patches[0]) for query in queries]


def _around(network: Mdcsrn, runner: Runner, volume: Tensor, query: Voxel, patch: Voxel) -> AttentionMap:
    axes = zip(query, volume.shape, patch, network.config.fold, strict=True)
    z, y, x = (_span(*axis) for axis in axes)
    seen = volume[z.start : z.stop, y.start : y.stop, x.start : x.stop]
    place = (query[0] - z.start, query[1] - y.start, query[2] - x.start)

    @torch.inference_mode()
    def look() -> Tensor:
        given = seen[None, None].to(device=runner.device, dtype=runner.dtype)
        return network.attention_rows(given, [place]).float().cpu()

    row = runner.attempt(look)
    inside = torch.zeros(seen.shape)
    # Voxels 2i and 2i + 1 are place i; the last one of an odd matrix is of none: nobody looks there.
    full = nn.functional.interpolate(
        row[None], scale_factor=[2.0 * step for step in network.config.fold], mode="trilinear"
    )
    near = tuple(slice(min(*sizes)) for sizes in zip(full.shape[2:], inside.shape, strict=True))
    inside[near] = full[0, 0][near]
    return AttentionMap(inside, (z, y, x), (volume.shape[0], volume.shape[1], volume.shape[2]))


def _span(index: int, size: int, extent: int, box: int) -> range:
    """The patch along an axis: around the voxel, inside of the volume, from the start of a box on."""
    extent = min(size, max(2 * box, extent - extent % box))
    start = min(max(0, index - extent // 2), size - extent)
    start -= start % box
    if index >= start + extent:  # of a size that is no multiple of boxes, the last ones
        start += box
    return range(start, min(size, start + extent))
