"""Pairs of spatial factors for Lightning: crops, and augmentations that respect the physics."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import lightning
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from nets.data.pair_files import Pair, pair_files, read_pair
from nets.scaling import Normalisation, normalisation_of, to_channels


@dataclass(frozen=True)
class Augmentation:
    """What is changed at random, in the same way in input and label unless said otherwise.

    Attributes
    ----------
    flips, rotations : bool
        Mirror either axis; turn by multiples of 90°.
    phase : {"none", "common", "each"}
        Random phase of all maps together (coil maps have an arbitrary one) or of each map (so has a complex Φ).
    sign : bool
        Random sign of each map: that of a basis function is arbitrary.
    order : int
        Maps move by at most about this many places: singular values that lie close change places.
    fewer_maps : float
        Share of the crops in which the last maps, up to half, are zero: scans with a lower rank.
    coil_noise : float
        Largest standard deviation of noise added to the input, over that of the input. Radial scans see it coloured:
        its power grows with |k|. It is equal in all maps, because the rows of Φ are orthonormal.
    """

    flips: bool = True
    rotations: bool = True
    phase: Literal["none", "common", "each"] = "common"
    sign: bool = True
    order: int = 0
    fewer_maps: float = 0.1
    coil_noise: float = 0.0

    def __call__(self, pair: Tensor, rng: np.random.Generator) -> Tensor:
        """Change input and label.

        Parameters
        ----------
        pair : (2, L, y, x) complex64 Tensor
            Input and label.
        rng : numpy.random.Generator

        Returns
        -------
        (2, L, y, x) complex64 Tensor
        """
        pair = self._turned(pair, rng)
        rank = pair.shape[1]
        if self.order:
            order = np.argsort(np.arange(rank) + rng.uniform(0, self.order + 1e-6, rank), kind="stable")
            pair = pair[:, torch.from_numpy(order)]
        factor = np.ones(rank, dtype=np.complex64)
        if self.phase != "none":
            factor *= np.exp(2j * np.pi * rng.random(rank if self.phase == "each" else 1)).astype(np.complex64)
        if self.sign:
            factor *= rng.choice(np.array([-1, 1], dtype=np.complex64), rank)
        pair = pair * torch.from_numpy(factor)[:, None, None]
        if self.coil_noise:
            noise = self._noise(pair.shape[1:], rng) * pair[0].abs().square().mean().sqrt()
            pair = torch.stack([pair[0] + noise, pair[1]])
        if rng.random() < self.fewer_maps:
            pair[:, rank - int(rng.integers(0, rank // 2 + 1)) :] = 0
        return pair

    def _turned(self, pair: Tensor, rng: np.random.Generator) -> Tensor:
        if self.rotations:
            pair = torch.rot90(pair, int(rng.integers(4)), dims=(2, 3))
        if self.flips:
            pair = pair.flip([axis for axis in (2, 3) if rng.random() < 0.5])
        return pair

    def _noise(self, shape: Sequence[int], rng: np.random.Generator) -> Tensor:
        frequencies = [np.fft.fftfreq(size) for size in shape[1:]]
        radius = np.hypot(*np.meshgrid(*frequencies, indexing="ij"))
        colour = np.sqrt(radius) * (radius <= 0.5)
        colour /= np.sqrt(np.mean(colour**2))
        white = rng.standard_normal((2, *shape), dtype=np.float32)
        noise = np.fft.ifft2(np.fft.fft2(white[0] + 1j * white[1]) * colour) / np.sqrt(2)
        return torch.from_numpy((noise * rng.uniform(0, self.coil_noise)).astype(np.complex64))


Cached = tuple[Tensor, list[Normalisation]]
"""Complex input and label, and the normalisation of each."""


class Crops(Dataset):
    """Normalised, augmented crops of the pairs; each depends on seed, epoch and number alone.

    Parameters
    ----------
    pairs : sequence of Path
    size : int
        Side of a crop, at most; smaller images are taken whole.
    crops_per_pair : int
    augmentation : Augmentation
    seed : int
    cache : dict
        Pairs that are in memory.
    own_label_statistics : bool
        Normalise the label by its own mean and deviation, as in the paper, instead of the input's.
    rank : int, optional
        Maps that the network takes; scans with fewer are filled with zeros.
    """

    def __init__(
        self,
        pairs: Sequence[Path],
        size: int,
        crops_per_pair: int,
        augmentation: Augmentation,
        seed: int,
        cache: dict[Path, Cached],
        own_label_statistics: bool,
        rank: int | None = None,
    ) -> None:
        self.pairs, self.size, self.crops_per_pair = pairs, size, crops_per_pair
        self.augmentation, self.seed, self.cache = augmentation, seed, cache
        self.own_label_statistics, self.rank = own_label_statistics, rank

    def __len__(self) -> int:
        """Count the crops of an epoch."""
        return len(self.pairs) * self.crops_per_pair

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """(2L, y, x) float32 input and label of a crop, by epoch and number."""
        number = key[1]
        path = self.pairs[number % len(self.pairs)]
        if path not in self.cache:
            maps = stacked(read_pair(path), self.rank)
            self.cache[path] = maps, [normalisation_of(to_channels(each)) for each in maps]
        (pair, whole), rng = self.cache[path], np.random.default_rng((self.seed, *key))
        corner = [int(rng.integers(0, max(1, length - self.size + 1))) for length in pair.shape[2:]]
        crop = pair[:, :, corner[0] : corner[0] + self.size, corner[1] : corner[1] + self.size]
        back_projection, label = to_channels(self.augmentation(crop, rng))
        return whole[0].apply(back_projection), whole[1 if self.own_label_statistics else 0].apply(label)


class ShuffledEpochs(Sampler):
    """(epoch, number) of each crop in an order that seed and epoch fix, so that a resumed training goes on alike.

    Parameters
    ----------
    length, seed : int
    epoch : callable
        Asked when an epoch starts.
    """

    def __init__(self, length: int, seed: int, epoch: Callable[[], int]) -> None:
        self.length, self.seed, self.epoch = length, seed, epoch

    def __len__(self) -> int:
        """Count the crops of an epoch."""
        return self.length

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Shuffle."""
        epoch = self.epoch()
        for number in np.random.default_rng((self.seed, epoch)).permutation(self.length):
            yield epoch, int(number)


def stacked(pair: Pair, rank: int | None = None) -> Tensor:
    """Input and label as one (2, rank, y, x) complex64 tensor; maps that a scan lacks are zero, as in inference.

    Raises
    ------
    ValueError
        If the scan has more maps.
    """
    maps = np.stack([pair.back_projection, pair.label])
    missing = 0 if rank is None else rank - maps.shape[1]
    if missing < 0:
        raise ValueError(f"a pair has {maps.shape[1]} basis maps, the network takes {rank}; prepare with rank={rank}")
    return torch.from_numpy(np.pad(maps, ((0, 0), (0, missing), (0, 0), (0, 0))))


class Wholes(Dataset):
    """Whole pairs for validation and test: complex maps, neither normalised nor augmented."""

    def __init__(self, pairs: Sequence[Path], rank: int | None = None) -> None:
        self.pairs, self.rank = pairs, rank

    def __len__(self) -> int:
        """Count the pairs."""
        return len(self.pairs)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        """(L, y, x) complex64 input and label."""
        back_projection, label = stacked(read_pair(self.pairs[number]), self.rank)
        return back_projection, label


class PairsData(lightning.LightningDataModule):
    """The folder that ``malibu prepare`` fills.

    Parameters
    ----------
    folder : str
        Holds ``train``, ``validation`` and ``test``.
    size : int
        Side of the crops in pixels.
    batch_size, crops_per_pair, workers : int
    augmentation : Augmentation
    seed : int
    own_label_statistics : bool
        As in :class:`Crops`.
    rank : int, optional
        As in :class:`Crops`.
    limit : int or None
        Use only the first pairs of each split.
    """

    def __init__(
        self,
        folder: str,
        size: int = 160,
        batch_size: int = 1,
        crops_per_pair: int = 1,
        workers: int = 0,
        augmentation: Augmentation = Augmentation(),
        seed: int = 0,
        own_label_statistics: bool = False,
        rank: int | None = None,
        limit: int | None = None,
    ) -> None:
        super().__init__()
        self.folder, self.size, self.batch_size = Path(folder), size, batch_size
        self.crops_per_pair, self.workers, self.augmentation = crops_per_pair, workers, augmentation
        self.seed, self.own_label_statistics, self.limit = seed, own_label_statistics, limit
        self.rank = rank
        self._cache: dict[Path, Cached] = {}

    def files(self, split: str) -> list[Path]:
        """List the pairs of a split.

        Raises
        ------
        ValueError
            If there are none.
        """
        paths = pair_files(self.folder, split)[: self.limit]
        if not paths:
            raise ValueError(
                f"{self.folder / split} holds no pairs; run malibu prepare {self.folder} with at least 5 subjects "
                "(or move a subject's files there)"
            )
        return paths

    def describe(self) -> str:
        """Say what is trained on, without naming anyone."""
        files = {split: self.files(split) for split in ("train", "validation")}
        subjects = {split: {path.name.rsplit("-", 1)[0] for path in paths} for split, paths in files.items()}
        labels = sorted({str(read_pair(paths[0]).attributes.get("label", "unknown")) for paths in files.values()})
        simulated = sum(path.name.startswith("simulated-") for path in files["train"])
        return (
            f"{len(files['train'])} slices of {len(subjects['train'])} subjects ({simulated} simulated), validation "
            f"{len(files['validation'])} of {len(subjects['validation'])}; label: {' and '.join(labels)}"
        )

    def train_dataloader(self) -> DataLoader:
        """Crops, in another order and with other augmentations in each epoch."""
        crops = Crops(
            self.files("train"),
            self.size,
            self.crops_per_pair,
            self.augmentation,
            self.seed,
            self._cache,
            self.own_label_statistics,
            self.rank,
        )
        order = ShuffledEpochs(len(crops), self.seed, lambda: self.trainer.current_epoch if self.trainer else 0)
        return DataLoader(crops, self.batch_size, sampler=order, num_workers=self.workers)

    def val_dataloader(self) -> DataLoader:
        """Whole validation pairs, one at a time."""
        return DataLoader(Wholes(self.files("validation"), self.rank), 1, num_workers=self.workers)

    def test_dataloader(self) -> DataLoader:
        """Whole test pairs, one at a time."""
        return DataLoader(Wholes(self.files("test"), self.rank), 1, num_workers=self.workers)
