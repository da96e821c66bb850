"""Stacks of neighbouring slices in three views, with the organs in them (dissertation 7.2.2)."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nets.data.augmentation import Augmentation
from nets.data.formats.errors import VolumeError
from nets.data.organs.labelled_files import read_labelled
from nets.data.training_samples import Sample, Samples
from nets.scaling import normalisation_of

LEFT_RIGHT = 2
"""Axis of a volume that points to the patient's left."""

_OTHER_SIDE = {"left": "right", "right": "left"}


def stack_along(volume: Tensor, axis: int) -> Tensor:
    """Bring the axis along which slices are stacked to the front of the last three: (..., z, y, x).

    0 is the transversal view (planes y, x), 1 the coronal (z, x), 2 the sagittal one (z, y).
    """
    return volume.movedim(axis - 3, -3)


def swapped(labels: Tensor, organs: Sequence[str]) -> Tensor:
    """Give each organ of one side the label of its partner: what was a left kidney lies at the right in a mirror."""
    table = torch.arange(len(organs), dtype=labels.dtype)
    for number, organ in enumerate(organs):
        side, _, rest = organ.partition(" ")
        partner = f"{_OTHER_SIDE.get(side)} {rest}"
        if partner in organs:
            table[number] = organs.index(partner)
    return table[labels.long()]


class StacksData(Samples):
    """Folders of labelled volumes; batches are images (batch, slices, y, x) float32 and labels (…) int64.

    A volume has its mean taken off, and is divided by its deviation. Validation sees the middle stack,
    transversal where half of the stacks are.

    Parameters
    ----------
    folders : list of str
        Of files of :mod:`nets.data.organs.labelled_files`.
    slices : int
        Of a stack.
    patch : (2,) tuple of int
        Pixels along the axes of the plane; shorter where a plane is.
    views : (3,) tuple of int
        How often stacks are transversal, coronal and sagittal.
    mirrors : bool
        Mirror each axis of a plane in half of the stacks. Left and right change their names with their places.
    augmentations : list of Augmentation, optional
    patches_per_volume, batch_size, workers, seed : int
    limit : int, optional
        The rest is as in :class:`nets.data.training_samples.Samples`.
    """

    remedy = "labelled volumes; run malibu prepare-abdomens"

    def __init__(
        self,
        folders: list[str],
        slices: int = 20,
        patch: tuple[int, int] = (160, 256),
        views: tuple[int, int, int] = (4, 1, 1),
        mirrors: bool = False,
        augmentations: list[Augmentation] | None = None,
        patches_per_volume: int = 1,
        batch_size: int = 1,
        workers: int = 0,
        seed: int = 0,
        limit: int | None = None,
    ) -> None:
        super().__init__(
            folders, patch, patches_per_volume, batch_size, workers, augmentations or [], seed, limit=limit
        )
        self.slices, self.views, self.mirrors = slices, tuple(views), mirrors
        self._grid: tuple[tuple[str, ...], tuple[float, ...]] | None = None

    def read(self, path: Path, number: int) -> Sample:
        """Normalised volume and labels in half precision, (2, z, y, x), and the names of the labels.

        Raises
        ------
        VolumeError
            If spacing or names differ from those of other files, or the volume has too few slices.
        """
        volume = read_labelled(path)
        seen = (volume.organs, volume.spacing_mm)
        self._grid = self._grid or seen
        if seen != self._grid:
            raise VolumeError(
                f"{path.name} has voxels of {volume.spacing_mm} mm and {len(volume.organs)} classes, another file "
                f"{self._grid[1]} and {len(self._grid[0])}; train on volumes of one grid and one list of organs"
            )
        if min(volume.voxels.shape) < self.slices:
            raise VolumeError(f"{path.name} has {tuple(volume.voxels.shape)} voxels, a stack {self.slices} slices")
        return Sample(torch.stack([self.scaled(volume.voxels), volume.labels]).half(), volume.organs)

    def scaled(self, voxels: Tensor) -> Tensor:
        """Bring a volume to the network's scale."""
        return normalisation_of(voxels).apply(voxels)

    def cut(self, sample: Sample, corner: Callable[[int], int]) -> Tensor:
        """Cut a stack out of a volume, in one of the views, mirrored or not: (2, slices, y, x)."""
        axis = self._view(corner(sum(self.views)))
        stack = self.window(stack_along(sample.pair, axis), corner)
        if not self.mirrors:
            return stack
        image, labels = stack
        plane = [other for other in range(3) if other != axis]
        for place, other in enumerate(plane, start=1):
            if corner(2):
                image, labels = image.flip(place), labels.flip(place)
                labels = swapped(labels, sample.known) if other == LEFT_RIGHT else labels
        return torch.stack([image, labels])

    def _view(self, turn: int) -> int:
        """Axis of the stack; transversal turns lie around the middle one, which validation has."""
        transversal, coronal, sagittal = self.views
        before = (coronal + sagittal) // 2
        if before <= turn < before + transversal:
            return 0
        return 1 if turn - (transversal if turn > before else 0) < coronal else 2

    def window(self, stack: Tensor, corner: Callable[[int], int]) -> Tensor:
        """Cut (2, slices, y, x) to as many slices, rows and columns as a sample has."""
        for axis, length in enumerate((self.slices, *(self.patch or ())), start=1):
            size = stack.shape[axis]
            stack = stack.narrow(axis, corner(max(1, size - length + 1)), min(length, size))
        return stack

    def finish(self, pair: Tensor, known: Any) -> tuple[Tensor, ...]:
        """(slices, y, x) float32 image and int64 labels."""
        return pair[0].float(), pair[1].long()

    def preprocessing(self) -> dict[str, Any]:
        """Grid, scale and names, for the model card."""
        organs, spacing = self._grid or self._first_grid()
        return {
            "normalisation": "mean and deviation of the volume",
            "spacing_mm": list(spacing),
            "axes": "to the head, the back and the patient's left",
            "slices": self.slices,
            "organs": list(organs),
        }

    def _first_grid(self) -> tuple[tuple[str, ...], tuple[float, ...]]:
        volume = read_labelled(self.files(self.folders[0], "train")[0])
        return volume.organs, volume.spacing_mm

    def describe(self) -> str:
        """Say what is trained on, without naming anyone."""
        spacing = "x".join(f"{step:g}" for step in self.preprocessing()["spacing_mm"])
        return f"{super().describe()}; voxels of {spacing} mm; transversal:coronal:sagittal {self.views}"
