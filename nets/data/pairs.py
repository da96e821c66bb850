"""Pairs of back-projection and spatial factor: complex maps, normalised, as the channels of a network."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nets.data.augmentation import Augmentation, FewerMaps, Flips, MapPhase, MapSigns, QuarterTurns
from nets.data.formats.errors import VolumeError
from nets.data.pair_files import Pair, read_pair
from nets.data.training_samples import Sample, Samples
from nets.scaling import LabelStatistics, Normalisation, normalisation_of, to_channels

_AUGMENTATIONS: tuple[Augmentation, ...] = (QuarterTurns(), Flips(2), MapPhase("all"), MapSigns(), FewerMaps(0.1))


def stacked(pair: Pair, rank: int | None = None) -> Tensor:
    """Input and label as one (2, rank, y, x) complex64 tensor; maps that a scan lacks are zero, as in inference.

    Raises
    ------
    VolumeError
        If the scan has more maps.
    """
    maps = torch.from_numpy(np.stack([pair.back_projection, pair.label]))
    return maps if rank is None else filled_up(maps, rank)


def filled_up(maps: Tensor, rank: int) -> Tensor:
    """Maps (2, L, y, x) with zeros for those that a scan lacks: (2, rank, y, x).

    Raises
    ------
    VolumeError
        If the scan has more maps.
    """
    missing = rank - maps.shape[1]
    if missing < 0:
        raise VolumeError(f"a pair has {maps.shape[1]} basis maps, the network takes {rank}; prepare with rank={rank}")
    return torch.cat([maps, maps.new_zeros(2, missing, *maps.shape[2:])], dim=1)


def normalised(pair: Tensor, scales: Sequence[Normalisation]) -> tuple[Tensor, Tensor, Tensor]:
    """(2L, y, x) float32 input and label, each by its scale, and the (2, 2) mean and deviation of both."""
    shown, label = (scale.apply(to_channels(each)) for each, scale in zip(pair, scales, strict=True))
    return shown, label, torch.tensor([[scale.mean, scale.deviation] for scale in scales], device=pair.device)


def preprocessing_of(label: str, statistics: LabelStatistics) -> dict[str, Any]:
    """How pairs are normalised, the label as a text says, and how inference undoes it."""
    text = f"instance: mean and deviation over all channels and pixels of the input; the label {label}"
    return {"normalisation": text, "label_statistics": statistics.as_dict()}


class PairsData(Samples):
    """The folder that ``malibu prepare-pairs`` fills; batches are input and label (batch, 2L, y, x), and their scales.

    Input and label are normalised by statistics of the whole slice. The scales (batch, 2, 2) are mean and deviation of
    input and label as they were used. Validation sees whole slices.

    Parameters
    ----------
    folder : str
        Holds ``train``, ``validation`` and ``test``, or the pairs of all subjects.
    size : int
        Side of the crops in pixels, at most; smaller images are taken whole.
    augmentations : list of Augmentation, optional
        Default: quarter turns, mirrors, one random phase, random signs, and lower ranks in a tenth of the crops.
    own_label_statistics : bool
        Normalise the label by its own mean and deviation, as the paper does, instead of the input's. At the scanner
        there is no label: how its statistics differ from the input's on average over the training pairs goes into the
        model card, and inference undoes the normalisation by that.
    rank : int, optional
        Maps that the network takes; scans with fewer are filled with zeros.
    crops_per_pair, batch_size, workers, seed : int
    limit : int, optional
        The rest is as in :class:`nets.data.training_samples.Samples`.
    """

    judged_whole = True
    remedy = "pairs; run malibu prepare-pairs with at least 5 subjects (or move a subject's files there)"

    def __init__(
        self,
        folder: str,
        size: int = 160,
        augmentations: list[Augmentation] | None = None,
        own_label_statistics: bool = False,
        rank: int | None = None,
        crops_per_pair: int = 1,
        batch_size: int = 1,
        workers: int = 0,
        seed: int = 0,
        limit: int | None = None,
    ) -> None:
        augmentations = list(_AUGMENTATIONS) if augmentations is None else augmentations
        super().__init__([folder], (size, size), crops_per_pair, batch_size, workers, augmentations, seed, limit=limit)
        self.own_label_statistics, self.rank = own_label_statistics, rank

    def subject_of(self, path: Path) -> str:
        """Files are named SUBJECT-SLICE.h5."""
        return path.name.rsplit("-", 1)[0]

    def read(self, path: Path, number: int) -> Sample:
        """Complex maps (2, L, y, x), and the normalisation of each half."""
        maps = stacked(read_pair(path), self.rank)
        shown, label = (normalisation_of(to_channels(each)) for each in maps)
        return Sample(maps, (shown, label if self.own_label_statistics else shown))

    def finish(self, pair: Tensor, known: Any) -> tuple[Tensor, ...]:
        """(2L, y, x) float32 input and label, and the (2, 2) mean and deviation of both."""
        return normalised(pair, known)

    def label_statistics(self) -> LabelStatistics:
        """How the label's scale differs from the input's, where it has its own: on average over the training pairs."""
        if not self.own_label_statistics:
            return LabelStatistics()
        files = self.files(self.folders[0], "train")
        known = [self.sample(path, number).known for number, path in enumerate(files)]
        return LabelStatistics.mean_of(known)

    def preprocessing(self) -> dict[str, Any]:
        """How to normalise, and how to undo it."""
        by_its_own = "by its own, which inference replaces by label_statistics times the input's"
        label = by_its_own if self.own_label_statistics else "by the input's"
        return preprocessing_of(label, self.label_statistics())

    def describe(self) -> str:
        """Say what is trained on, without naming anyone."""
        first = [self.files(self.folders[0], split)[0] for split in ("train", "validation")]
        labels = sorted({str(read_pair(path).attributes.get("label", "unknown")) for path in first})
        train, validation = (self._counted(split, self.folders) for split in ("train", "validation"))
        return f"{train}, validation {validation}; label: {' and '.join(labels)}"
