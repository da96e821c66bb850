"""Cubic patches of labelled volumes, for networks that see all three axes."""

from typing import Any

from torch import Tensor

from nets.data.augmentation import Augmentation
from nets.data.organs.organ_stacks import StacksData


class LabelledPatchesData(StacksData):
    """Folders of labelled volumes; batches are images (batch, 1, z, y, x) float32 and labels (batch, z, y, x) int64.

    Volumes are normalised as in :class:`~nets.data.organs.organ_stacks.StacksData`.

    Parameters
    ----------
    folders : list of str
        Of files of :mod:`nets.data.organs.labelled_files`.
    patch : (3,) tuple of int
        (z, y, x) voxels.
    augmentations, patches_per_volume, batch_size, workers, seed, limit :
        As in :class:`~nets.data.organs.organ_stacks.StacksData`.
    """

    remedy = "labelled volumes; run malibu prepare-brains"

    def __init__(
        self,
        folders: list[str],
        patch: tuple[int, int, int] = (40, 40, 40),
        augmentations: list[Augmentation] | None = None,
        patches_per_volume: int = 1,
        batch_size: int = 1,
        workers: int = 0,
        seed: int = 0,
        limit: int | None = None,
    ) -> None:
        slices, *plane = patch
        super().__init__(
            folders,
            slices,
            (plane[0], plane[1]),
            (1, 0, 0),
            False,
            augmentations,
            patches_per_volume,
            batch_size,
            workers,
            seed,
            limit,
        )

    def finish(self, pair: Tensor, known: Any) -> tuple[Tensor, ...]:
        """(1, z, y, x) float32 image and (z, y, x) int64 labels."""
        image, labels = super().finish(pair, known)
        return image[None], labels

    def preprocessing(self) -> dict[str, Any]:
        """Scale, grid and names, for the model card."""
        found = super().preprocessing()
        return {"normalisation": found["normalisation"], "spacing_mm": found["spacing_mm"], "parts": found["organs"]}

    def describe(self) -> str:
        """Say what is trained on, without naming anyone."""
        return super().describe().partition("; transversal")[0]
