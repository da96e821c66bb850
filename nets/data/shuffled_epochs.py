"""The order of an epoch's samples: fixed by seed and epoch, and shared out among processes."""

from collections.abc import Callable, Iterator

import numpy as np
from torch.utils.data import DistributedSampler


class ShuffledEpochs(DistributedSampler):
    """(epoch, number) of each patch in an order that seed and epoch fix, so that a resumed training goes on alike.

    Within an epoch, a loader that is shorter than another one starts again; its numbers then go on, for other patches.
    Of several processes, each takes every ``ranks``-th patch: their batches together are those of one process with a
    batch so much larger. Lightning, which shuffles other samplers once more, leaves this kind as it is.

    Parameters
    ----------
    length, seed : int
    epoch : callable
        Asked when an epoch starts.
    rank, ranks : int
        Of this process, and how many there are.
    """

    def __init__(self, length: int, seed: int, epoch: Callable[[], int], rank: int = 0, ranks: int = 1) -> None:
        super().__init__(range(length), ranks, rank, shuffle=False)  # type: ignore[arg-type]  # only its length counts
        self.length, self.seed, self.epoch_now = length, seed, epoch
        self._started: tuple[int, int] = (-1, 0)

    def __len__(self) -> int:
        """Count the patches of an epoch in this process; all have as many."""
        return max(1, self.length // self.num_replicas)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Shuffle."""
        epoch = self.epoch_now()
        rounds = self._started[1] + 1 if self._started[0] == epoch else 0
        self._started = (epoch, rounds)
        shuffled = np.random.default_rng((self.seed, epoch)).permutation(self.length)
        for place in range(len(self)):
            number = shuffled[(place * self.num_replicas + self.rank) % self.length]
            yield epoch, int(number) + rounds * self.length
