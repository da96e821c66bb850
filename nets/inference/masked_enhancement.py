"""A network applied to one tissue of a volume: patch by patch within a mask, everything else bit for bit as it was."""

from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from nets.inference.patches import Precision, Runner, apply_in_patches
from nets.scaling import scale_inside
from nets.weights import WeightsError, load_weights

TASKS = ("dcdensenet", "srcnn", "vdsr")
"""Architectures that are trained on masked pairs."""

PATCH = (96, 96, 96)
"""Voxels that a network sees at once, margins included: 0.4 GB of features for three blocks of four layers."""


class MaskedEnhancement:
    """Enhances white matter.

    Parameters
    ----------
    weights : Path
    device : str
        ``cpu`` or ``cuda:N``. If its memory does not suffice, the CPU takes over.
    precision : {"float32", "bfloat16"}
    patch : (3,) tuple of int, optional
        Default: :data:`PATCH`, or more where the margin asks for it.
    margin : int, optional
        What is cut from each side of a patch. Default: half the receptive field, so that patches leave no seams.

    Attributes
    ----------
    card : ModelCard
    sha256 : str
    voxel_mm : (float, float) or None
        Range of the voxels' edges in the training.

    Raises
    ------
    WeightsError
        If the weights cannot be used, or are not of a network that was trained on masked pairs.
    """

    def __init__(
        self,
        weights: Path,
        device: str = "cpu",
        precision: Precision = "float32",
        patch: tuple[int, int, int] | None = None,
        margin: int | None = None,
    ) -> None:
        loaded = load_weights(weights)
        self.card, self.sha256 = loaded.card, loaded.sha256
        if self.card.architecture not in TASKS or "label" not in self.card.preprocessing:
            raise WeightsError(
                f"{weights.name} holds {self.card.architecture}, trained for another task; give weights that "
                "configs/train/pvs_dcdensenet.yaml or the like made"
            )
        edges = self.card.preprocessing.get("voxel_mm")
        self.voxel_mm = (float(edges[0]), float(edges[1])) if edges else None
        field = cast("int", loaded.network.receptive_field)
        self.margin = field // 2 if margin is None else margin
        least = 4 * self.margin  # at least half of a patch is kept along each axis
        self.patch = patch or (max(PATCH[0], least), max(PATCH[1], least), max(PATCH[2], least))
        self.runner = Runner(loaded.network, device, precision, name=self.card.architecture)

    def __call__(self, volume: Tensor, mask: Tensor) -> Tensor:
        """Enhance what lies within a mask.

        Parameters
        ----------
        volume : (z, y, x) float32 Tensor
            Magnitude, on the CPU.
        mask : (z, y, x) bool Tensor
            Not empty.

        Returns
        -------
        (z, y, x) float32 Tensor
            On the volume's own scale, not negative; outside the mask equal to the volume, bit for bit.

        Raises
        ------
        ValueError
            If the shapes differ, or the mask is empty.
        """
        if volume.shape != mask.shape or not mask.any():
            raise ValueError(f"volume {tuple(volume.shape)} and mask {tuple(mask.shape)}: equal shapes, and not empty")
        scale = scale_inside(volume, mask)
        places = mask.nonzero()
        low = (places.amin(0) - self.margin).clamp(min=0).tolist()
        high = (places.amax(0) + 1 + self.margin).tolist()
        box = tuple(slice(start, stop) for start, stop in zip(low, high, strict=True))
        seen = torch.stack([volume[box] / scale, mask[box].float()])
        restored = apply_in_patches(self._masked, seen, self.patch, self.margin)[0].clamp(min=0) * scale
        enhanced = volume.clone()
        enhanced[box] = torch.where(mask[box], restored, volume[box])
        return enhanced

    def _masked(self, patch: Tensor) -> Tensor:
        """Network's output of (1, 2, z, y, x) volume and mask; patches without any mask are not worth its time."""
        shown = patch[:, :1]
        return self.runner(shown) if patch[:, 1].any() else shown
