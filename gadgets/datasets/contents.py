"""Bodies as contents of pairs, drawn in processes of their own while a network learns."""

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import IterableDataset, get_worker_info

from recon.simulation.anatomy.kinds import KINDS, random_body
from recon.simulation.pairs.content import CONTRACTION_NODES, DISPLACEMENT_NODES, Content

HELD_OUT = ("long_axis", "legs", "photograph")
"""Kinds that no shipped weights are trained on: figures on them say what to expect of what was never seen."""

TRAINED_ON = tuple(kind for kind in KINDS if kind not in HELD_OUT)

# Ranges of the nodes: a normal ejection and more, a deep breath and some drift.
_CONTRACTION, _DISPLACEMENT_MM = (0.0, 1.05), (0.0, 16.0)


def content_of(kind: str, seed: int, pixels: int) -> Content:
    """Draw a body and keep what pairs are made of.

    Parameters
    ----------
    kind : str
        Of :data:`recon.simulation.anatomy.kinds.KINDS`.
    seed : int
    pixels : int
        Side of the maps; a multiple of the image matrix.

    Returns
    -------
    Content
    """
    body = random_body(kind, seed, pixels)
    contraction = np.linspace(*_CONTRACTION, CONTRACTION_NODES)
    displacement_mm = np.linspace(*_DISPLACEMENT_MM, DISPLACEMENT_NODES)
    own = np.stack(np.meshgrid(*2 * [np.arange(pixels, dtype=np.float32)], indexing="ij"))
    shifts = np.empty((len(contraction), len(displacement_mm), 2, pixels // 2, pixels // 2), dtype=np.float16)
    for row, column in np.ndindex(*shifts.shape[:2]):
        shift = body.backward_map(float(contraction[row]), float(displacement_mm[column])) - own
        shifts[row, column] = shift.reshape(2, pixels // 2, 2, pixels // 2, 2).mean(axis=(2, 4))
    appearance = np.stack([body.through_plane(float(value)) for value in contraction])
    return Content(
        kind,
        body.density.astype(np.complex64),
        body.t1_ms,
        body.b1,
        body.inflow,
        contraction.astype(np.float32),
        displacement_mm.astype(np.float32),
        shifts,
        appearance.astype(np.float16),
    )


class Contents(IterableDataset):
    """Endless contents of random kinds, each drawn once and shown a few times; workers draw different ones.

    Parameters
    ----------
    kinds : sequence of str
    pixels : sequence of int
        Sides of the maps, drawn at random.
    seed : int
    """

    def __init__(self, kinds: Sequence[str], pixels: Sequence[int], seed: int) -> None:
        self.kinds, self.pixels, self.seed = tuple(kinds), tuple(pixels), seed

    def __iter__(self) -> Iterator[Content]:
        """Draw without end."""
        worker = get_worker_info()
        rng = np.random.default_rng([self.seed, 0 if worker is None else worker.id])
        while True:
            kind, pixels = str(rng.choice(self.kinds)), int(rng.choice(self.pixels))
            yield content_of(kind, int(rng.integers(2**31)), pixels)
