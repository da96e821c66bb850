"""Two-stage super-resolution of a volume: intensities, patches and stages; memory is bounded by the patch."""

import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Literal, cast

import torch
from torch import Tensor, nn

from nets.architectures.blocks import MOST_PLACES, BatchStatistics, use_statistics_of_patch
from nets.architectures.registry import ARCHITECTURES
from nets.inference import ATTENTION_MARGIN, ATTENTION_PATCH, PATCH
from nets.inference.blending import blended
from nets.inference.patches import Merge, Precision, Runner, apply_in_patches
from nets.scaling import Factors, intensity_scale
from nets.weights import LoadedNetwork, ModelCard, WeightsError, load_weights

log = logging.getLogger(__name__)


class SuperResolution:
    """Networks applied one after the other, each patch by patch.

    Parameters
    ----------
    weights : sequence of Path
        Weights of the first stage (trained with L1) and, for the two-stage scheme, of the GAN-trained second one.
    device : str
        ``cpu`` or ``cuda:N``. If its memory does not suffice, the CPU takes over.
    precision : {"float32", "bfloat16"}
    patch : (3,) tuple of int, optional
        (z, y, x) voxels with margins. Default: :data:`nets.inference.PATCH`, or more where the margins ask for it; less
        for networks with self-attention.
    margin : int, optional
        What is cut from each side of a patch; by default what the network's sight along each axis asks for: then the
        result is that of the whole volume. Networks with self-attention see all of it; they have a margin of 8.
    merge : {"cut", "average"}
        What becomes of voxels that several patches see (:func:`nets.inference.patches.apply_in_patches`).
    batch_statistics : {"card", "stored", "patch"}
        Whose mean and deviation batch norm uses: as the model card says, those over the training data, or those of the
        patch at hand, as in chapter 4 of the dissertation.
    blending : float, optional
        Between 0 and 1: make one network of the two, whose weights are ``α θ_first + (1 − α) θ_second`` (Wang 2020,
        equation 3), and apply that alone. Default: one network after the other.

    Attributes
    ----------
    stages : list of LoadedNetwork
    factors : list of (3,) tuple of float
        How many times fewer lines (z, y, x) the networks were trained for; any of them will do.
    patches : list of (3,) tuple of int
        What each stage sees at once.
    batch_statistics : list of str
        Whose each stage has: ``stored`` or ``patch``.

    Raises
    ------
    WeightsError
        If weights cannot be used, are not of super-resolution networks, were trained for different factors, or cannot
        be blended, since they are not two of one architecture.
    """

    def __init__(
        self,
        weights: list[Path],
        device: str = "cpu",
        precision: Precision = "float32",
        patch: tuple[int, int, int] | None = None,
        margin: int | None = None,
        merge: Merge = "cut",
        batch_statistics: Literal["card"] | BatchStatistics = "card",
        blending: float | None = None,
    ) -> None:
        self.stages = [load_weights(path) for path in weights]
        self.factors = _common_factors(self.stages)
        if blending is not None:
            self.stages = [blended(self.stages, blending)]
        self.margins = [_margins(stage, margin) for stage in self.stages]
        self.patches = [patch or _patch(*each) for each in zip(self.stages, self.margins, strict=True)]
        for stage, seen in zip(self.stages, self.patches, strict=True):
            _check_places(stage, seen)
        told = ["patch" if has_patch_statistics(stage.card) else "stored" for stage in self.stages]
        self.batch_statistics = told if batch_statistics == "card" else [batch_statistics] * len(told)
        for stage, kind in zip(self.stages, self.batch_statistics, strict=True):
            if kind == "patch":
                use_statistics_of_patch(stage.network)
        self.merge: Merge = merge
        self._boxes = [_box(stage) for stage in self.stages]
        self.runners = [Runner(stage.network, device, precision, name=stage.card.architecture) for stage in self.stages]

    @property
    def device(self) -> str:
        """Where it runs."""
        return str(self.runners[0].device)

    def __call__(self, volume: Tensor, progress: Callable[[str], None] = lambda stage: None) -> list[Tensor]:
        """Restore a zero-filled volume.

        Parameters
        ----------
        volume : (z, y, x) float32 Tensor
            Magnitude, on the CPU.
        progress : callable
            Called with the name of each stage when it is done.

        Returns
        -------
        list of (z, y, x) float32 Tensor
            What each stage made of it, on the volume's own scale, not negative. A volume without any contrast comes
            back unchanged.
        """
        low, high = torch.aminmax(volume)
        if high - low <= 1e-6 * high.abs():
            log.warning("the volume is constant: there is nothing to restore")
            return [volume.clone() for _ in self.stages]
        scale = intensity_scale(volume)
        results, current = [], volume[None] / scale
        for number, stage in enumerate(self.stages):
            current = self._apply(number, current)
            results.append(current[0].clamp(min=0) * scale)
            progress(stage.card.architecture)
        return results

    def _apply(self, number: int, volume: Tensor) -> Tensor:
        """Patches, margins and volume are whole boxes of the network, so that each voxel keeps its place in its box."""
        box, sizes = self._boxes[number], volume.shape[1:]
        missing = [-size % step for size, step in zip(sizes, box, strict=True)]
        padded = nn.functional.pad(volume[None], [0, missing[2], 0, missing[1], 0, missing[0]], mode="replicate")[0]
        patch = tuple(max(step, extent - extent % step) for extent, step in zip(self.patches[number], box, strict=True))
        margins = tuple(cut + -cut % step for cut, step in zip(self.margins[number], box, strict=True))
        restored = apply_in_patches(self.runners[number], padded, patch, margins, self.merge, box)
        return restored[:, : sizes[0], : sizes[1], : sizes[2]]


def _margins(stage: LoadedNetwork, asked: int | None) -> tuple[int, ...]:
    if asked is not None:
        return (asked,) * 3
    exact = getattr(stage.network, "margins", None)
    field = cast("int | None", stage.network.receptive_field)
    return exact or (ATTENTION_MARGIN if field is None else field // 2,) * 3


def _patch(stage: LoadedNetwork, margins: tuple[int, ...]) -> tuple[int, int, int]:
    """The default patch: at least half of it is kept along each axis where margins are wide."""
    if stage.network.receptive_field is None:
        return ATTENTION_PATCH
    z, y, x = (max(extent, 4 * cut) for extent, cut in zip(PATCH, margins, strict=True))
    return z, y, x


def _check_places(stage: LoadedNetwork, patch: tuple[int, int, int]) -> None:
    """Refuse patches that self-attention would take hours for, before a scan comes."""
    places = math.prod(extent // (2 * step) for extent, step in zip(patch, _box(stage), strict=True))
    if stage.network.receptive_field is None and places > MOST_PLACES:
        raise WeightsError(
            f"{stage.card.architecture} compares all places of a patch with each other, {places} in one of "
            f"{'x'.join(map(str, patch))} voxels, at most {MOST_PLACES}; set patch to "
            f"{'x'.join(map(str, ATTENTION_PATCH))}, or leave it and margin out"
        )


def _box(stage: LoadedNetwork) -> tuple[int, ...]:
    """Voxels (z, y, x) that are one place inside the network."""
    return getattr(stage.network.config, "fold", (1, 1, 1))


def has_patch_statistics(card: ModelCard) -> bool:
    """Whether a network's batch norm is to use mean and deviation of the patch at hand."""
    return card.preprocessing.get("batch_statistics") == "patch"


def _common_factors(stages: list[LoadedNetwork]) -> list[Factors]:
    known = []
    for stage in stages:
        architecture, factors = stage.card.architecture, stage.card.preprocessing.get("factors")
        if not ARCHITECTURES[architecture].task.startswith("super-resolution") or not factors:
            raise WeightsError(f"{architecture} is no network for super-resolution; give weights of mdcsrn or the like")
        known.append([(float(z), float(y), float(x)) for z, y, x in factors])
    common = [factors for factors in known[0] if all(factors in others for others in known)]
    if not common:
        raise WeightsError(f"the stages were trained for different accelerations, {known}; give a pair")
    return common
