"""Transversal slices with their organs, one-hot: what a network that makes images of labels learns from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nets.data.augmentation import Augmentation
from nets.data.formats.errors import VolumeError
from nets.data.organs.organ_stacks import StacksData
from nets.data.training_samples import Sample
from nets.scaling import intensity_scale

_GREYS = 255
"""Steps of an image in 8 bits."""

_FEW = 0.05
"""Share of the training's slices that have fewer labels than the share of the card."""


class SlicesData(StacksData):
    """Folders of labelled volumes; batches are one-hot maps (batch, classes, y, x) and images (batch, 1, y, x).

    Slices without any organ are left out, as in the dissertation (8.3.1).

    Parameters
    ----------
    folders : list of str
        Of files of :mod:`nets.data.organs.labelled_files`.
    patch : (2,) tuple of int
        Pixels (y, x); shorter where a slice is.
    ceiling : float, optional
        Intensity that becomes 1; 0 becomes −1, and what is brighter is clipped. The dissertation's is 510. Default: the
        99.9th percentile of each volume.
    eight_bits : bool
        Round intensities to 256 steps, as the dissertation stores them.
    augmentations : list of Augmentation, optional
    patches_per_volume, batch_size, workers, seed : int
    limit : int, optional
        The rest is as in :class:`nets.data.training_samples.Samples`.
    """

    def __init__(
        self,
        folders: list[str],
        patch: tuple[int, int] = (256, 256),
        ceiling: float | None = None,
        eight_bits: bool = False,
        augmentations: list[Augmentation] | None = None,
        patches_per_volume: int = 1,
        batch_size: int = 1,
        workers: int = 0,
        seed: int = 0,
        limit: int | None = None,
    ) -> None:
        super().__init__(
            folders,
            1,
            patch,
            (1, 0, 0),
            augmentations=augmentations,
            patches_per_volume=patches_per_volume,
            batch_size=batch_size,
            workers=workers,
            seed=seed,
            limit=limit,
        )
        self.ceiling, self.eight_bits = ceiling, eight_bits

    def read(self, path: Path, number: int) -> Sample:
        """As of stacks; a volume without any organ is refused.

        Raises
        ------
        VolumeError
        """
        sample = super().read(path, number)
        if not sample.pair[1].any():
            raise VolumeError(f"{path.name} has no organ in any slice; leave it out")
        return sample

    def scaled(self, voxels: Tensor) -> Tensor:
        """Intensities from −1 to 1."""
        share = (voxels / (self.ceiling or intensity_scale(voxels))).clamp(0, 1)
        return 2 * (torch.round(share * _GREYS) / _GREYS if self.eight_bits else share) - 1

    def cut(self, sample: Sample, corner: Callable[[int], int]) -> Tensor:
        """Take a slice that has an organ: (2, 1, y, x)."""
        labelled = sample.pair[1].flatten(1).any(dim=1).nonzero()[:, 0]
        return self.window(sample.pair.narrow(1, int(labelled[corner(len(labelled))]), 1), corner)

    def finish(self, pair: Tensor, known: Any) -> tuple[Tensor, ...]:
        """(classes, y, x) one-hot map and (1, y, x) image."""
        maps = nn.functional.one_hot(pair[1, 0].long(), len(known)).movedim(-1, 0)
        return maps.float(), pair[0].float()

    def preprocessing(self) -> dict[str, Any]:
        """Grid, scale and names; and how much of a slice had a label in all but a twentieth of the slices."""
        known = super().preprocessing()
        files = [path for folder in self.folders for path in self.files(folder, "train")]
        shares = [self.sample(path, number).pair[1].ne(0).float().mean(dim=(1, 2)) for number, path in enumerate(files)]
        seen = torch.cat(shares)
        return known | {
            "normalisation": "-1 to 1, from 0 to the ceiling",
            "ceiling": self.ceiling or "99.9th percentile",
            "least_labelled_share": round(float(torch.quantile(seen[seen > 0], _FEW)), 4),
        }
