"""Training pairs of random maps."""

from pathlib import Path

import numpy as np

from nets.data.pair_files import Pair, write_pair


def random_pair(rank: int = 4, matrix: int = 12, seed: int = 0) -> Pair:
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((2, 2, rank, matrix, matrix)).astype(np.float32)
    maps = values[0] + 1j * values[1]
    return Pair(maps[0], maps[1], {"subject": "s", "label": "truth"})


def fill(folder: Path, train: int = 3, validation: int = 1, **options: int) -> Path:
    first = 0
    for split, count in (("train", train), ("validation", validation), ("test", 1)):
        (folder / split).mkdir(parents=True)
        first += 100
        for number in range(first, first + count):
            write_pair(folder / split / f"simulated-{number:06d}-0.h5", random_pair(seed=number, **options))
    return folder
