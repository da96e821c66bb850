"""What the data of all tasks have in common: files of subjects become cut, changed and shuffled samples."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from nets.data import SPLITS
from nets.data.augmentation import Augmentation
from nets.data.formats.errors import VolumeError
from nets.data.formats.hdf5_files import is_synthetic
from nets.data.shuffled_epochs import ShuffledEpochs
from nets.data.subjects_apart import check_apart
from nets.data.training_data import TrainingData

SYNTHETIC_NAME = "synthetic-"
"""What the name of a synthetic volume has before that of the volume whose labels it was made of."""

# Of the subjects of a folder that nobody split: for validation, and as many for the test.
_HELD_OUT = 0.1
# Batches that each worker has ready: one that takes four times as long as the others holds nobody up.
_AHEAD = 4


@dataclass(frozen=True)
class Sample:
    """What a file becomes.

    Attributes
    ----------
    pair : (2, ..., pixels) Tensor
        Input and label.
    known : object
        What the task must know to finish it: scales, factors and the like.
    """

    pair: Tensor
    known: Any = None


class Samples(TrainingData):
    """Samples of files, for all tasks; a task says how a file is read, and may say how a sample is finished.

    A subject lies in one split alone, in all folders. Each training sample depends on seed, epoch and number alone, so
    that a resumed training goes on alike. What was read stays in memory: that of each worker, if there are some.

    Parameters
    ----------
    folders : list of str
        Each is a domain: it holds ``train``, ``validation`` and ``test``; or files, whose subjects are then split.
    patch : tuple of int, optional
        Pixels along the last axes that a sample is cut to; shorter where an image is. None: whole images.
    patches_per_file, batch_size, workers : int
    augmentations : list of Augmentation
        Applied in their order.
    seed : int
    separate : bool
        Give each domain its own batches; else they are mixed.
    limit : int, optional
        Use only the first files of each folder's split.

    Attributes
    ----------
    judged_whole : bool
        Whether validation sees whole images; else the patch in their middle.
    remedy : str
        What an empty split has none of, and where it comes from.
    """

    judged_whole = False
    remedy = "samples; put files of some subjects there"

    def __init__(
        self,
        folders: Sequence[str],
        patch: Sequence[int] | None = None,
        patches_per_file: int = 1,
        batch_size: int = 1,
        workers: int = 0,
        augmentations: Sequence[Augmentation] = (),
        seed: int = 0,
        separate: bool = False,
        limit: int | None = None,
    ) -> None:
        super().__init__(seed)
        self.folders, self.patch = [Path(folder) for folder in folders], patch
        self.patches_per_file, self.batch_size, self.workers = patches_per_file, batch_size, workers
        self.augmentations, self.separate, self.limit = list(augmentations), separate, limit
        self._cache: dict[Path, Sample] = {}
        self._are_apart = False

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "trainer": None}  # what goes to the workers

    @abstractmethod
    def read(self, path: Path, number: int) -> Sample:
        """Make a sample of a file, the ``number``-th of its list."""

    def finish(self, pair: Tensor, known: Any) -> tuple[Tensor, ...]:
        """Make what a batch holds of a cut and changed sample: input, label, and what the training takes beside."""
        return pair[0], pair[1]

    def found(self, folder: Path) -> list[Path]:
        """List the files of a folder that are samples, in the order of their names."""
        return sorted(folder.glob("[!.]*.h5"))

    def subject_of(self, path: Path) -> str:
        """Name the subject that a file is of: of a synthetic one, that of the labels that it was made of."""
        return path.name.split(".")[0].removeprefix(SYNTHETIC_NAME)

    def describe(self) -> str:
        """Say what is trained on, without naming anyone."""
        train, validation = self._counted("train", self.folders), self._counted("validation", self.folders[:1])
        return f"{train} of {len(self.folders)} domains, validation {validation}"

    def _counted(self, split: str, folders: Sequence[Path]) -> str:
        files = [path for folder in folders for path in self.files(folder, split)]
        simulated = sum(path.name.startswith("simulated-") for path in files)
        subjects = len({self.subject_of(path) for path in files})
        synthetic = sum(map(is_synthetic, files))
        share = f", {synthetic} synthetic: {synthetic / len(files):.0%}" if synthetic else ""
        return f"{len(files)} files of {subjects} subjects ({simulated} simulated{share})"

    def files(self, folder: Path, split: str) -> list[Path]:
        """List the files of a folder's split.

        Raises
        ------
        VolumeError
            If there are none, or a subject lies in two splits, be it in two folders.
        """
        self._check_apart()
        files = self._split(folder)[split][: self.limit]
        if not files:
            raise VolumeError(f"{folder / split} holds no {self.remedy}")
        return files

    def _split(self, folder: Path) -> dict[str, list[Path]]:
        if not any((folder / split).is_dir() for split in SPLITS):
            return self._by_subject(self.found(folder))
        files = {split: self.found(folder / split) if (folder / split).is_dir() else [] for split in SPLITS}
        subjects = [{self.subject_of(path) for path in paths} for paths in files.values()]
        repeated = sum(map(len, subjects)) - len(set().union(*subjects))
        if repeated:
            raise VolumeError(
                f"{repeated} subjects of {folder} lie in more than one of {', '.join(SPLITS)}; move all files of a "
                "subject to one of them: else figures are of what was trained on"
            )
        return files

    def _check_apart(self) -> None:
        """Look once whether folders agree about the split of each subject."""
        if self._are_apart or len(self.folders) < 2:
            return
        check_apart(
            (folder, split, {self.subject_of(path) for path in paths})
            for folder in self.folders
            for split, paths in self._split(folder).items()
        )
        self._are_apart = True

    def _by_subject(self, files: Sequence[Path]) -> dict[str, list[Path]]:
        """Split subjects at random, by the seed: at least one of three for validation, and one for the test."""
        subjects = sorted({self.subject_of(path) for path in files})
        shuffled = [subjects[number] for number in np.random.default_rng(self.seed).permutation(len(subjects))]
        held = max(1, round(_HELD_OUT * len(subjects)))
        parts = {"validation": shuffled[:held], "test": shuffled[held : 2 * held], "train": shuffled[2 * held :]}
        return {split: [path for path in files if self.subject_of(path) in parts[split]] for split in SPLITS}

    def sample(self, path: Path, number: int) -> Sample:
        """Read a file, once."""
        if path not in self._cache:
            self._cache[path] = self.read(path, number)
        return self._cache[path]

    def cut(self, sample: Sample, corner: Callable[[int], int]) -> Tensor:
        """Cut a sample to a patch.

        Parameters
        ----------
        sample : Sample
        corner : callable
            Places that there are for the patch along an axis → the one it has.

        Returns
        -------
        (2, ..., pixels) Tensor
        """
        pair = sample.pair
        for axis, length in enumerate(self.patch or (), start=pair.ndim - len(self.patch or ())):
            size = pair.shape[axis]
            pair = pair.narrow(axis, corner(max(1, size - length + 1)), min(length, size))
        return pair

    def train_dataloader(self) -> Any:
        """Mixed samples, or one loader for each domain, in step; each epoch in another order."""
        per_domain = [self.files(folder, "train") for folder in self.folders]
        if self.separate:
            return tuple(self._shuffled(files) for files in per_domain)
        return self._shuffled([path for files in per_domain for path in files])

    def _shuffled(self, files: list[Path]) -> DataLoader:
        patches = Patches(self, files)
        rank, ranks = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        full = len(patches) >= self.batch_size * ranks
        order = ShuffledEpochs(
            len(patches), self.seed, lambda: self.trainer.current_epoch if self.trainer else 0, rank, ranks
        )
        return self._loader(patches, self.batch_size, sampler=order, drop_last=full, collate_fn=_together)

    def _loader(self, samples: Dataset, batch_size: int, **options: Any) -> DataLoader:
        """Load ahead of the training; into memory from which a GPU copies while it computes."""
        working: dict[str, Any] = {"persistent_workers": True, "prefetch_factor": _AHEAD} if self.workers else {}
        return DataLoader(
            samples,
            batch_size,
            num_workers=self.workers,
            pin_memory=torch.cuda.is_available(),
            **working,
            **options,
        )

    def val_dataloader(self) -> DataLoader:
        """Validation samples of the first domain, one at a time."""
        return self._judged("validation")

    def test_dataloader(self) -> DataLoader:
        """Test samples of the first domain, one at a time."""
        return self._judged("test")

    def _judged(self, split: str) -> DataLoader:
        middles = Middles(self, self.files(self.folders[0], split))
        return self._loader(middles, 1)


def _together(samples: list[tuple[Tensor, ...]]) -> list[Tensor]:
    """Make a batch.

    Raises
    ------
    VolumeError
        If the samples are of different sizes.
    """
    if len({sample[0].shape for sample in samples}) > 1:
        sizes = " and ".join(sorted({"x".join(map(str, sample[0].shape[1:])) for sample in samples}))
        raise VolumeError(
            f"samples of {sizes} pixels do not go into one batch: some images are smaller than the patch; take a "
            "smaller patch, or batch_size 1"
        )
    return default_collate(samples)


class Patches(Dataset):
    """Patches at random places, changed at random; each depends on seed, epoch and number alone."""

    def __init__(self, samples: Samples, files: list[Path]) -> None:
        self.samples, self.files = samples, files

    def __len__(self) -> int:
        """Count the patches of an epoch."""
        return len(self.files) * self.samples.patches_per_file

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, ...]:
        """What the batch holds of a patch, by epoch and number."""
        number, rng = key[1] % len(self.files), np.random.default_rng((self.samples.seed, *key))
        sample = self.samples.sample(self.files[number], number)
        pair = self.samples.cut(sample, lambda places: int(rng.integers(0, places)))
        for augmentation in self.samples.augmentations:
            pair = augmentation(pair, rng)
        return self.samples.finish(pair, sample.known)


class Middles(Dataset):
    """Each image whole, or its middle, always the same: for validation and test."""

    def __init__(self, samples: Samples, files: list[Path]) -> None:
        self.samples, self.files = samples, files

    def __len__(self) -> int:
        """Count the files."""
        return len(self.files)

    def __getitem__(self, number: int) -> tuple[Tensor, ...]:
        """What the batch holds of a file."""
        sample = self.samples.sample(self.files[number], number)
        whole = self.samples.judged_whole
        pair = sample.pair if whole else self.samples.cut(sample, lambda places: (places - 1) // 2)
        return self.samples.finish(pair, sample.known)
