"""Slices of blood flow with what guides a network: control image and standard error; the truth is the label."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nets.data.augmentation import Augmentation, Flips
from nets.data.blood_flow.perfusion_slices import SCALE, read_maps, write_maps
from nets.data.formats.errors import VolumeError
from nets.data.training_samples import Sample, Samples

CHANNELS = ("blood flow", "control image", "standard error")
"""What is shown, in this order."""

SCALES = (SCALE, 1.0, SCALE)
"""What each channel is divided by."""

_REMEDY = "make slices with malibu prepare-perfusion --guided"

_PLACES = ("grey", "white", "lesion")
"""What is known of a simulated slice beside its blood flow."""

_MAPS = ("shown", "truth", *_PLACES)


@dataclass(frozen=True)
class GuidedSlice:
    """One slice of a simulated scan, as the gadget sees it, from parts of the scan.

    Attributes
    ----------
    shown : (n, 3, y, x) float32
        Blood flow in mL/100 g/min, control image, standard error in mL/100 g/min; of n parts of the scan.
    truth : (y, x) float32
        Blood flow without noise.
    grey, white, lesion : (y, x) float32
        Shares of the tissues; 1 where a lesion is.
    attributes : dict of str to str, int or float
    """

    shown: NDArray
    truth: NDArray
    grey: NDArray
    white: NDArray
    lesion: NDArray
    attributes: dict[str, str | int | float] = field(default_factory=dict)


def write_guided_slice(path: Path, one: GuidedSlice) -> None:
    """Write a slice."""
    write_maps(path, {name: getattr(one, name) for name in _MAPS}, one.attributes)


def read_guided_slice(path: Path) -> GuidedSlice:
    """Read a slice.

    Raises
    ------
    VolumeError
        If the file is none, its parts do not fit together, or hold NaN or Inf.
    """
    maps, attributes = read_maps(path, "guided slice of blood flow", _MAPS, _REMEDY)
    shown, truth, grey, white, lesion = maps
    sizes = {each.shape for each in (truth, grey, white, lesion)}
    if shown.ndim != 4 or shown.shape[1] != len(SCALES) or {shown.shape[2:]} != sizes:
        raise VolumeError(f"{path}: what is shown, the truth and the tissues are not of one size; {_REMEDY}")
    return GuidedSlice(shown, truth, grey, white, lesion, attributes)


class GuidedSlicesData(Samples):
    """The folder that ``malibu prepare-perfusion --guided`` fills.

    Batches are input (batch, 3, y, x), label (batch, 1, y, x), and where things are (batch, 3, y, x): grey matter,
    white matter, lesions.

    Parameters
    ----------
    folder : str
        Holds ``train``, ``validation`` and ``test``, or the slices of all subjects.
    size : int
        Side of the crops in pixels, at most; smaller images are taken whole.
    shading : float
        Largest change of the control image, over the span that it is given in, by a random slope and a random bow over
        the slice: coils shade images, which tells nothing of tissue.
    augmentations : list of Augmentation, optional
        Default: mirrors along both axes.
    crops_per_slice, batch_size, workers, seed : int
    limit : int, optional
        The rest is as in :class:`nets.data.training_samples.Samples`.
    """

    remedy = "slices; run malibu prepare-perfusion --guided with at least 10 subjects"

    def __init__(
        self,
        folder: str,
        size: int = 64,
        shading: float = 0.0,
        augmentations: list[Augmentation] | None = None,
        crops_per_slice: int = 4,
        batch_size: int = 16,
        workers: int = 0,
        seed: int = 0,
        limit: int | None = None,
    ) -> None:
        augmentations = [Flips(2)] if augmentations is None else augmentations
        if shading:
            augmentations = [*augmentations, ControlShading(shading)]
        patch = (size, size)
        super().__init__([folder], patch, crops_per_slice, batch_size, workers, augmentations, seed, limit=limit)

    def subject_of(self, path: Path) -> str:
        """Files are named SUBJECT-SLICE.h5."""
        return path.name.rsplit("-", 1)[0]

    def read(self, path: Path, number: int) -> Sample:
        """(2, 4, n, y, x), of n parts of the scan: the three channels and nothing; the truth and three places."""
        one = read_guided_slice(path)
        scales = torch.tensor(SCALES)[:, None, None, None]
        shown = torch.from_numpy(one.shown).transpose(0, 1) / scales
        truth = torch.from_numpy(one.truth) / SCALE
        places = torch.from_numpy(np.stack([one.grey, one.white, one.lesion]))
        parts = shown.shape[1]
        known = torch.cat([truth[None], places])[:, None].expand(-1, parts, -1, -1)
        return Sample(torch.stack([torch.cat([shown, torch.zeros_like(shown[:1])]), known]))

    def cut(self, sample: Sample, corner: Callable[[int], int]) -> Tensor:
        """Take one part of the scan, and cut it to a patch: (2, 4, y, x)."""
        part = sample.pair[:, :, corner(sample.pair.shape[2])]
        return super().cut(Sample(part), corner)

    def finish(self, pair: Tensor, known: Any) -> tuple[Tensor, ...]:
        """(3, y, x) input, (1, y, x) label and (3, y, x) places, all float32."""
        return pair[0, :3].float(), pair[1, :1].float(), pair[1, 1:].float()

    def preprocessing(self) -> dict[str, Any]:
        """Scales of the network's channels; its output has that of the first."""
        return {"normalisation": f"{', '.join(CHANNELS)} over scales", "scale": SCALE, "scales": list(SCALES)}

    def describe(self) -> str:
        """Say what is trained on, without naming anyone."""
        return (
            f"{super().describe()}; input: means of 10 to 40 pairs with {CHANNELS[1]} and {CHANNELS[2]}, label: truth"
        )


class ControlShading(Augmentation):
    """Shade the control image as coils do, by a random slope and a random bow across the slice.

    Parameters
    ----------
    largest : float
        Change at the rim of the slice, over the span that the control image is given in.
    """

    def __init__(self, largest: float) -> None:
        self.largest = largest

    def __call__(self, pair: Tensor, rng: np.random.Generator) -> Tensor:
        """Shade the second channel of (2, 4, y, x), where there is brain."""
        y, x = (torch.linspace(-1, 1, length) for length in pair.shape[-2:])
        slope_y, slope_x, bow = rng.uniform(-self.largest, self.largest, 3) / 2
        field = slope_y * y[:, None] + slope_x * x + bow * (y[:, None] ** 2 + x**2 - 2 / 3)
        shaded = pair.clone()
        shaded[0, 1] += field * (pair[0, 2] > 0)
        return shaded
