"""Pairs that are made while a network learns: contents from processes, operators on the device of the training."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sigpy
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset

from gadgets.datasets.contents import HELD_OUT, TRAINED_ON, Contents, content_of
from gadgets.datasets.courses import read_course, single_image_course
from gadgets.multitasking.network import data_term, tensor_of
from nets.data.augmentation import Flips, QuarterTurns
from nets.data.formats.errors import VolumeError
from nets.data.pairs import filled_up, normalised, preprocessing_of
from nets.data.training_data import TrainingData
from nets.scaling import LabelStatistics, normalisation_of, to_channels
from recon.simulation.pairs.content import Content
from recon.simulation.pairs.maker import PairMaker

log = logging.getLogger(__name__)

_CHANGES = (QuarterTurns(), Flips(2))
"""Of pairs for a network that sees no data; operators would have to turn with them."""

_VALIDATION_SEED = 900_000


class StreamedPairs(TrainingData):
    """Pairs without end, each of a random course and a random content (:mod:`recon.simulation.pairs`).

    Batches are U₀ and U (L, y, x), the data term, and what takes U to recovery curves (cells, L, R), or None.

    Parameters
    ----------
    courses : str
        Folder of courses that ``malibu prepare-courses`` filled; the last one is for validation.
    single_images : int
        How many scans of one image from few spokes there are beside them; the last one is for validation, too.
    single_share : float
        How often one of these is taken.
    kinds : sequence of str, optional
        Kinds of contents; default: all but those that are held out.
    workers, seed : int
    device : str
        ``cpu`` or ``cuda:0``: where pairs are made.
    limit : int, optional
        Use only the first courses.
    samples_per_epoch : int
        Pairs between validations.
    kept, shown : int
        Pairs that stay in memory, and how often each is shown.
    snr : (float, float)
        Range of the time-averaged body over the noise; logarithmically even.
    """

    def __init__(
        self,
        courses: str,
        single_images: int = 24,
        single_share: float = 0.4,
        kinds: Sequence[str] | None = None,
        workers: int = 0,
        seed: int = 0,
        device: str = "cpu",
        limit: int | None = None,
        samples_per_epoch: int = 500,
        kept: int = 100,
        shown: int = 2,
        snr: tuple[float, float] = (6.0, 60.0),
    ) -> None:
        super().__init__(seed)
        self.kinds, self.workers, self.samples_per_epoch = tuple(kinds or TRAINED_ON), workers, samples_per_epoch
        self.folder, self.single_images, self.single_share = Path(courses), single_images, single_share
        self.device, self.limit = sigpy.Device(-1 if device == "cpu" else int(device.split(":")[1])), limit
        self.kept, self.shown, self.snr = kept, shown, snr
        self._makers: list[PairMaker] = []
        self._singles: list[PairMaker] = []

    @property
    def accelerator(self) -> str:
        """Where pairs are made, as Lightning calls it."""
        return "cpu" if self.device.id < 0 else "gpu"

    def describe(self) -> str:
        """Say what is trained on."""
        return (
            f"pairs made of {len(self._paths()) - 1} courses of simulated gated scans and {self._singles_taught} of "
            f"one image from 20 to 120 spokes, with contents of the kinds {', '.join(self.kinds)}; no patient, and "
            f"never the kinds {', '.join(kind for kind in HELD_OUT if kind not in self.kinds)}"
        )

    def _paths(self) -> list[Path]:
        paths = sorted(self.folder.glob("gated-*.h5"))[: self.limit]
        if len(paths) < 2:
            raise VolumeError(
                f"{self.folder} holds {len(paths)} courses, at least 2 are needed; run malibu prepare-courses"
            )
        return paths

    def setup(self, stage: str) -> None:
        """Make the operators of all courses, once."""
        if self._makers:
            return
        rng = np.random.default_rng([self.seed, 31])
        with self.device:
            self._makers = [PairMaker(read_course(path).on(self.device), rng) for path in self._paths()]
            self._singles = [
                PairMaker(single_image_course(self.seed + number).on(self.device), rng)
                for number in range(self.single_images)
            ]
        if self.device.id >= 0:
            sigpy.get_array_module(self._makers[0].normal.kernel).get_default_memory_pool().free_all_blocks()
        log.info("operators of %d and %d courses are made", len(self._makers), len(self._singles))

    @property
    def _taught(self) -> list[PairMaker]:
        """What is learned from: all but the last course, and the last of single images."""
        return [*self._makers[:-1], *self._singles[: self._singles_taught]]

    @property
    def _singles_taught(self) -> int:
        return max(0, self.single_images - 1)

    def train_dataloader(self) -> DataLoader:
        """Endless pairs."""
        return DataLoader(_Shown(self), batch_size=None)

    def val_dataloader(self) -> DataLoader:
        """A few pairs of the last course, and of one image: kinds that are held out, and one that is not."""
        return DataLoader(_Judged(self), batch_size=None)

    test_dataloader = val_dataloader

    def contents(self) -> Iterator[Content]:
        """Contents from the workers."""
        sides = sorted({2 * maker.course.matrix for maker in self._taught})
        drawn = Contents(self.kinds, sides, self.seed)
        return iter(
            DataLoader(
                drawn,
                batch_size=None,
                num_workers=self.workers,
                collate_fn=_as_it_is,
                multiprocessing_context="spawn" if self.workers else None,
            )
        )

    def drawn(self, content: Content, rng: np.random.Generator) -> tuple[Any, ...]:
        """Show a content by a random course whose pixels fit."""
        fits = [maker for maker in self._taught if 2 * maker.course.matrix == content.pixels]
        fitting = [maker for maker in fits if maker.course.sequence is not None]
        singles = [maker for maker in fits if maker.course.sequence is None]
        among = singles if singles and (not fitting or rng.random() < self.single_share) else fitting
        maker = among[int(rng.integers(len(among)))]
        return self.made(maker, content, float(np.exp(rng.uniform(*np.log(self.snr)))), rng)

    def made(self, maker: PairMaker, content: Content, snr: float, rng: np.random.Generator) -> tuple[Any, ...]:
        """Make a pair, and hand it to torch without a copy."""
        with self.device:
            pair = maker.pair(content.on(self.device), snr, rng)
            phase = np.exp(2j * np.pi * rng.random()).astype(np.complex64)
            shown, label = tensor_of(phase * pair.back_projection), tensor_of(phase * pair.label)
            cells = None if maker.course.cells is None else torch.from_numpy(maker.course.cells).to(shown.device)
            data = data_term(maker.normal, phase * pair.adjoint, pair.noise_variance)
        return shown, label, data, cells

    def changed(self, made: tuple[Any, ...], rng: np.random.Generator | None) -> tuple[Any, ...]:
        """What the training takes of a pair that is shown, perhaps again."""
        return made

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Leave the pair where it was made."""
        return batch


class StreamedChannels(StreamedPairs):
    """The same pairs for a network that sees no data: channels as :class:`nets.data.pairs.PairsData` gives them.

    Parameters
    ----------
    rank : int
        Maps that the network takes; scans with fewer are filled with zeros.
    **others
        As of :class:`StreamedPairs`.
    """

    def __init__(self, courses: str, rank: int = 32, **others: Any) -> None:
        super().__init__(courses, **others)
        self.rank = rank

    def changed(self, made: tuple[Any, ...], rng: np.random.Generator | None) -> tuple[Any, ...]:
        """Turn and mirror a pair, fill it up, and normalise it by its input."""
        shown, label, _, cells = made
        pair = torch.stack([shown, label])
        if rng is not None:
            for change in _CHANGES:
                pair = change(pair, rng)
        missing = self.rank - pair.shape[1]
        pair = filled_up(pair, self.rank)
        scale = normalisation_of(to_channels(pair[0]))
        filled = None if cells is None else nn.functional.pad(cells, (0, 0, 0, missing))
        shown, label, scales = (each[None] for each in normalised(pair, (scale, scale)))
        return shown, label, scales, filled

    def label_statistics(self) -> LabelStatistics:
        """Labels are scaled as their inputs."""
        return LabelStatistics()

    def preprocessing(self) -> dict[str, Any]:
        """How to normalise."""
        return preprocessing_of("by the input's", self.label_statistics())


class _Shown(IterableDataset):
    """Pairs of an epoch; each comes back a few times, among others."""

    def __init__(self, data: StreamedPairs) -> None:
        self.data = data
        self._fresh: Iterator[Content] | None = None
        self._kept: list[list[Any]] = []
        self._rng = np.random.default_rng([data.seed, 37])

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        if self._fresh is None:
            self._fresh = self.data.contents()
        for _ in range(self.data.samples_per_epoch):
            yield self.data.changed(self._next(self._fresh), self._rng)

    def _next(self, fresh: Iterator[Content]) -> tuple[Any, ...]:
        if len(self._kept) < self.data.kept and (not self._kept or self._rng.random() * self.data.shown < 1.5):
            self._kept.append([self.data.drawn(next(fresh), self._rng), self.data.shown])
        place = int(self._rng.integers(len(self._kept)))
        entry = self._kept[place]
        entry[1] -= 1
        if not entry[1]:
            del self._kept[place]
        return entry[0]


class _Judged(Dataset):
    """The same few pairs every time."""

    def __init__(self, data: StreamedPairs) -> None:
        self.data = data
        kinds = [kind for kind in HELD_OUT if kind not in data.kinds] + ["short_axis"]
        self._contents: dict[tuple[str, int], Content] = {}
        self.asked = [(maker, kind) for maker in (data._makers[-1], *data._singles[-1:]) for kind in kinds]

    def __len__(self) -> int:
        return len(self.asked)

    def __getitem__(self, number: int) -> tuple[Any, ...]:
        maker, kind = self.asked[number]
        key = kind, 2 * maker.course.matrix
        if key not in self._contents:
            self._contents[key] = content_of(kind, _VALIDATION_SEED, key[1])
        made = self.data.made(maker, self._contents[key], 20.0, np.random.default_rng(number))
        return self.data.changed(made, None)


def _as_it_is(content: Any) -> Any:
    return content
