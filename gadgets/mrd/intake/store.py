"""Readouts as arrays from the moment they arrive: blocks of memory, one kind after the other."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import ismrmrd
import numpy as np
from numpy.typing import NDArray

from gadgets.mrd.headers.roles import HEAD_DTYPE, head_bytes
from recon.errors import DataError

BLOCK = 256
"""Readouts that share a block of memory: 5 MB at 8 coils × 320 samples, and 0.9 s of a scan."""


@dataclass
class Block:
    """Some readouts of one size, in the order in which they came.

    Attributes
    ----------
    samples : (BLOCK, coils, samples) complex64
    trajectory : (BLOCK, samples, dimensions) float32
    count : int
        Rows that are filled.
    """

    samples: NDArray[np.complex64]
    trajectory: NDArray[np.float32]
    count: int = 0

    @classmethod
    def like(cls, readout: ismrmrd.Acquisition) -> "Block":
        """Take memory for readouts of the same size."""
        return cls(
            np.empty((BLOCK, *readout.data.shape), np.complex64), np.empty((BLOCK, *readout.traj.shape), np.float32)
        )


@dataclass
class _Places:
    """Head of each readout, and the block and the row in it where its samples lie; room for more than came."""

    heads: NDArray
    block: NDArray[np.int32]
    row: NDArray[np.int32]

    @classmethod
    def room(cls, count: int) -> "_Places":
        return cls(np.zeros(count, HEAD_DTYPE), np.zeros(count, np.int32), np.zeros(count, np.int32))

    @cached_property
    def head_bytes(self) -> NDArray[np.uint8]:
        """The heads' memory: ``(readouts, bytes)``."""
        return self.heads.view(np.uint8).reshape(len(self.heads), -1)

    def doubled(self) -> "_Places":
        more = _Places.room(2 * len(self.row))
        for name in ("heads", "block", "row"):
            getattr(more, name)[: len(self.row)] = getattr(self, name)
        return more


@dataclass
class ReadoutStore:
    """Keeps readouts as they come; nothing that was kept is ever moved.

    Attributes
    ----------
    limit_bytes : int or None
        Samples and trajectories that are kept at most.
    blocks : list of Block
    taken_bytes : int
        Memory of the blocks.
    """

    limit_bytes: int | None = None
    blocks: list[Block] = field(default_factory=list)
    taken_bytes: int = 0
    _open: dict[tuple[Any, ...], int] = field(default_factory=dict)
    _places: _Places = field(default_factory=lambda: _Places.room(BLOCK))
    _count: int = 0

    @classmethod
    def of(cls, readouts: Iterable[ismrmrd.Acquisition]) -> "ReadoutStore":
        """Keep readouts that are there already."""
        store = cls()
        for readout in readouts:
            store.append(readout)
        return store

    def append(self, readout: ismrmrd.Acquisition, kind: Any = None) -> None:
        """Keep a readout.

        Parameters
        ----------
        readout : ismrmrd.Acquisition
        kind : hashable, optional
            Readouts of one kind and size share their blocks.

        Raises
        ------
        DataError
            If more came than may be kept.
        """
        key = (kind, readout.data.shape, readout.traj.shape)
        number = self._open.get(key)
        if number is None or self.blocks[number].count == BLOCK:
            number = self._open[key] = self._new_block(readout)
        block = self.blocks[number]
        block.samples[block.count], block.trajectory[block.count] = readout.data, readout.traj
        if self._count == len(self._places.row):
            self._places = self._places.doubled()
        self._places.head_bytes[self._count] = np.frombuffer(head_bytes(readout), np.uint8)
        self._places.block[self._count], self._places.row[self._count] = number, block.count
        block.count += 1
        self._count += 1

    def _new_block(self, readout: ismrmrd.Acquisition) -> int:
        taken = self.taken_bytes + BLOCK * (readout.data.nbytes + readout.traj.nbytes)
        if self.limit_bytes is not None and taken > self.limit_bytes:
            raise DataError(
                f"the scan is larger than the memory that it may take: {self._count} readouts fill "
                f"{self.taken_bytes / 2**30:.2f} of {self.limit_bytes / 2**30:.2f} GiB; raise receive_gb, or send "
                "fewer coils"
            )
        self.blocks.append(Block.like(readout))
        self.taken_bytes = taken
        return len(self.blocks) - 1

    def __len__(self) -> int:
        return self._count

    def all(self) -> "StoredReadouts":
        """All readouts that came so far, in the order in which they came."""
        return self.at(np.arange(self._count))

    def at(self, rows: NDArray) -> "StoredReadouts":
        """Some of them, by their places in the order of arrival."""
        return StoredReadouts(self, rows)


@dataclass(frozen=True)
class StoredReadouts:
    """Some readouts of a store, in an order of their own; an item is an ``ismrmrd.Acquisition`` over its memory.

    Attributes
    ----------
    store : ReadoutStore
    rows : (readouts,) int
        Their places in the order of arrival.
    """

    store: ReadoutStore
    rows: NDArray[np.int_]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> ismrmrd.Acquisition:
        places, row = self.store._places, self.rows[index]
        block, at = self.store.blocks[places.block[row]], places.row[row]
        return ismrmrd.Acquisition(places.heads[row].tobytes(), block.samples[at], block.trajectory[at])

    def __iter__(self) -> Iterator[ismrmrd.Acquisition]:
        return (self[index] for index in range(len(self)))

    def at(self, index: NDArray) -> "StoredReadouts":
        """Some of these, by their places here."""
        return StoredReadouts(self.store, self.rows[index])

    @property
    def heads(self) -> NDArray:
        """(readouts,) structured array: their heads, by the names of ISMRMRD's fields."""
        return self.store._places.heads[self.rows]

    def samples(self, kept: slice = slice(None)) -> NDArray[np.complex64]:
        """Copy the samples, or some of each, into one array: ``(readouts, coils, samples)``.

        All must have one size.
        """
        return self._gathered([block.samples[:, :, kept] for block in self.store.blocks])

    def trajectory(self, dimensions: slice = slice(None), samples: slice = slice(None)) -> NDArray[np.float32]:
        """Copy trajectories, or a part of each, into one array: ``(readouts, samples, dimensions)``."""
        return self._gathered([block.trajectory[:, samples, dimensions] for block in self.store.blocks])

    def _gathered(self, parts: list[NDArray]) -> NDArray:
        number, row = self.store._places.block[self.rows], self.store._places.row[self.rows]
        gathered = np.empty((len(self), *parts[number[0]].shape[1:]), parts[number[0]].dtype)
        # readouts of one kind follow each other in their blocks: whole pieces are copied at once
        breaks = np.flatnonzero((np.diff(number) != 0) | (np.diff(row) != 1)) + 1
        for start, stop in pairwise([0, *breaks.tolist(), len(self)]):
            first = int(row[start])
            gathered[start:stop] = parts[number[start]][first : first + stop - start]
        return gathered
