"""Degraded and full-resolution patches of volumes, of one domain or of two side by side."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nets.data.augmentation import Augmentation, Flips
from nets.data.degradation import Degradation, MeasuredTexture, RandomPhase, degraded
from nets.data.formats.errors import VolumeError
from nets.data.formats.nifti_files import NIFTI_SUFFIXES
from nets.data.training_samples import Sample, Samples
from nets.data.volume_files import read_magnitude, volumes_in
from nets.scaling import Factors, intensity_scale

_SIMULATED = re.compile(r"simulated-(\w+)-\d+\.h5$")
_DEGRADATIONS: tuple[Degradation, ...] = (RandomPhase(), MeasuredTexture(0.1))
_AUGMENTATIONS: tuple[Augmentation, ...] = (Flips(3),)


def degraded_pair(
    path: Path, factors: Factors, degradations: Sequence[Degradation], seed: int
) -> tuple[Tensor, Tensor]:
    """A volume as a shorter scan shows it, and as it is, both on the former's scale.

    Parameters
    ----------
    path : Path
    factors : (3,) tuple of float
        Along z, y, x.
    degradations : sequence of Degradation
        Before the lines are cut.
    seed : int

    Returns
    -------
    (z, y, x) float32 Tensor, (z, y, x) float32 Tensor

    Raises
    ------
    VolumeError
        If it is no magnitude, or empty.
    """
    full = read_magnitude(path).voxels
    if not full.any():
        raise VolumeError(f"{path.name} is empty: all voxels are zero; leave it out")
    full = full / intensity_scale(full)
    low, label = degraded(full, factors, degradations, torch.Generator().manual_seed(seed))
    scale = intensity_scale(low)
    return low / scale, label / scale


class VolumesData(Samples):
    """Folders of volumes, one for each domain; batches are input, label (batch, 1, z, y, x) and factors (batch, 3).

    Parameters
    ----------
    folders : list of str
        The first is the domain to restore (coronary), a second one helps (brain).
    patch : (3,) tuple of int
        (z, y, x) voxels.
    factors : tuple of (3,) tuple of float
        How many times fewer lines along z, y, x; (4, 4, 1) is 16x. With several, volumes take them in turn.
    degradations : list of Degradation, optional
        What a volume undergoes before its lines are cut. Default: a random phase and texture up to 0.1.
    augmentations : list of Augmentation, optional
        Default: mirrors along all axes.
    patches_per_volume, batch_size, workers, seed : int
    separate : bool
        As DRAGAN needs it.
    limit : int, optional
        The rest is as in :class:`nets.data.training_samples.Samples`.
    """

    remedy = "volumes; run malibu prepare-volumes, or put .nii.gz files there"

    def __init__(
        self,
        folders: list[str],
        patch: tuple[int, int, int] = (40, 40, 40),
        factors: tuple[Factors, ...] = ((4, 4, 1),),
        degradations: list[Degradation] | None = None,
        augmentations: list[Augmentation] | None = None,
        patches_per_volume: int = 1,
        batch_size: int = 6,
        workers: int = 0,
        seed: int = 0,
        separate: bool = False,
        limit: int | None = None,
    ) -> None:
        augmentations = list(_AUGMENTATIONS) if augmentations is None else augmentations
        super().__init__(folders, patch, patches_per_volume, batch_size, workers, augmentations, seed, separate, limit)
        self.factors = factors
        self.degradations = list(_DEGRADATIONS) if degradations is None else degradations

    def found(self, folder: Path) -> list[Path]:
        """List the volumes of a folder."""
        return volumes_in(folder)

    def subject_of(self, path: Path) -> str:
        """The whole name of a DICOM folder, that of a file without what says its format."""
        known = () if path.is_dir() else (*NIFTI_SUFFIXES, ".h5")
        return next((path.name.removesuffix(suffix) for suffix in known if path.name.endswith(suffix)), path.name)

    def read(self, path: Path, number: int) -> Sample:
        """Degraded and original volume in half precision, (2, z, y, x), and how it was cut."""
        cut = self.factors[number % len(self.factors)]
        return Sample(torch.stack(degraded_pair(path, cut, self.degradations, self.seed + number)).half(), cut)

    def finish(self, pair: Tensor, known: Any) -> tuple[Tensor, ...]:
        """(1, z, y, x) float32 input and label, (3,) factors."""
        return pair[:1].float(), pair[1:].float(), torch.tensor(known)

    def trained_factors(self) -> list[list[float]]:
        """Each of the factors once, for the model card."""
        return [list(factors) for factors in dict.fromkeys(map(tuple, self.factors))]

    def preprocessing(self) -> dict[str, Any]:
        """Scale and accelerations."""
        return {"normalisation": "99.9th percentile of the zero-filled volume", "factors": self.trained_factors()}

    def describe(self) -> str:
        """Say what is trained on, without naming anyone."""
        cut = " or ".join("x".join(f"{factor:g}" for factor in factors) for factors in self.trained_factors())
        return f"{super().describe()}; lines cut by {cut} (z, y, x){self._kinds()}"

    def _kinds(self) -> str:
        """How many volumes of each simulated kind there are to train on, by the names that prepare-volumes gives."""
        files = [path.name for folder in self.folders for path in self.files(folder, "train")]
        kinds = Counter(found[1] for found in map(_SIMULATED.match, files) if found)
        return "".join(f"; {count} of {kind}" for kind, count in sorted(kinds.items())) if len(kinds) > 1 else ""
