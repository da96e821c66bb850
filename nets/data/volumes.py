"""Degraded and full-resolution patches of volumes for Lightning, of one domain or of two side by side."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from nets.data.degradation import measured_part, random_texture, smooth_phase
from nets.data.pairs import ShuffledEpochs
from nets.data.volume_files import read_magnitude, volume_files
from nets.scaling import Factors, intensity_scale


def degraded_pair(path: Path, factors: Factors, texture: float, seed: int) -> tuple[Tensor, Tensor]:
    """A volume as a shorter scan shows it, and as it is, both on the former's scale.

    Random texture is added to what was measured, and stays in the label: whatever was measured is to pass, be it noise
    or structure that no simulation has. A network that learns to take noise away smooths real tissue, too.

    Parameters
    ----------
    path : Path
    factors : (3,) tuple of float
        Along z, y, x.
    texture : float
        Largest standard deviation of the texture before truncation, over the volume's 99.9th percentile.
    seed : int

    Returns
    -------
    (z, y, x) float32 Tensor, (z, y, x) float32 Tensor
    """
    full = read_magnitude(path).voxels
    full = full / max(intensity_scale(full), torch.finfo(torch.float32).tiny)
    generator = torch.Generator().manual_seed(seed)
    signal = full * smooth_phase(tuple(full.shape), generator)
    added = torch.zeros(())
    if texture:
        level = texture * float(torch.rand((), generator=generator))
        added = level * measured_part(random_texture(tuple(full.shape), generator), factors)
    low, label = (measured_part(signal, factors) + added).abs().float(), (signal + added).abs().float()
    scale = max(intensity_scale(low), torch.finfo(torch.float32).tiny)
    return low / scale, label / scale


class VolumePatches(Dataset):
    """Patches of degraded volumes with their originals; each depends on seed, epoch and number alone.

    Parameters
    ----------
    volumes : sequence of Path
    patch : (3,) tuple of int
        Shorter where a volume is.
    patches_per_volume : int
    factors : sequence of (3,) tuple of float
        The volumes take these in turn.
    texture : float
    seed : int
    """

    def __init__(
        self,
        volumes: Sequence[Path],
        patch: tuple[int, int, int],
        patches_per_volume: int,
        factors: Sequence[Factors],
        texture: float,
        seed: int,
    ) -> None:
        self.volumes, self.patch, self.patches_per_volume = volumes, patch, patches_per_volume
        self.factors, self.texture, self.seed = factors, texture, seed
        self._cache: dict[Path, Tensor] = {}

    def __len__(self) -> int:
        """Count the patches of an epoch."""
        return len(self.volumes) * self.patches_per_volume

    def pair(self, number: int) -> Tensor:
        """(2, z, y, x) float16 degraded and original volume; kept in memory."""
        path = self.volumes[number]
        if path not in self._cache:
            low, full = degraded_pair(path, self.cut_of(number), self.texture, self.seed + number)
            self._cache[path] = torch.stack([low, full]).half()
        return self._cache[path]

    def cut_of(self, number: int) -> Factors:
        """How many times fewer lines a volume has."""
        return self.factors[number % len(self.factors)]

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
        """(1, z, y, x) float32 input and label of a patch, by epoch and number, flipped at random; its (3,) factors."""
        volume, rng = key[1] % len(self.volumes), np.random.default_rng((self.seed, *key))
        pair = self.pair(volume)
        for axis, length in enumerate(self.patch, start=1):
            start = int(rng.integers(0, max(1, pair.shape[axis] - length + 1)))
            pair = pair.narrow(axis, start, min(length, pair.shape[axis]))
        pair = pair.flip([axis for axis in (1, 2, 3) if rng.random() < 0.5]).float()
        return pair[:1], pair[1:], torch.tensor(self.cut_of(volume))


class CentrePatches(VolumePatches):
    """The middle of each volume, always the same: for validation."""

    def __len__(self) -> int:
        """Count the volumes."""
        return len(self.volumes)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor, Tensor]:  # type: ignore[override]
        """(1, z, y, x) float32 input and label, (3,) factors."""
        pair = self.pair(number)
        for axis, length in enumerate(self.patch, start=1):
            extent = min(length, pair.shape[axis])
            pair = pair.narrow(axis, (pair.shape[axis] - extent) // 2, extent)
        return pair[:1].float(), pair[1:].float(), torch.tensor(self.cut_of(number))


class VolumesData(lightning.LightningDataModule):
    """Folders of volumes, one for each domain.

    Parameters
    ----------
    folders : list of str
        Each holds ``train``, ``validation`` and ``test``; the first is the domain to restore (coronary), a second one
        helps (brain).
    patch : (3,) tuple of int
        (z, y, x) voxels.
    factors : tuple of (3,) tuple of float
        How many times fewer lines along z, y, x; (4, 4, 1) is 16x. With several, volumes take them in turn;
        validation is with the first.
    batch_size, patches_per_volume, workers : int
    texture : float
        Largest random texture that is added to what was measured (:func:`degraded_pair`).
    seed : int
    separate : bool
        Give each domain its own batches, as DRAGAN needs; else they are mixed.
    limit : int or None
        Use only the first volumes of each folder's split.
    """

    def __init__(
        self,
        folders: list[str],
        patch: tuple[int, int, int] = (40, 40, 40),
        factors: tuple[Factors, ...] = ((4, 4, 1),),
        batch_size: int = 6,
        patches_per_volume: int = 1,
        workers: int = 0,
        texture: float = 0.1,
        seed: int = 0,
        separate: bool = False,
        limit: int | None = None,
    ) -> None:
        super().__init__()
        self.folders, self.patch, self.factors = [Path(folder) for folder in folders], patch, factors
        self.batch_size, self.patches_per_volume, self.workers = batch_size, patches_per_volume, workers
        self.texture, self.seed, self.separate, self.limit = texture, seed, separate, limit

    def files(self, folder: Path, split: str) -> list[Path]:
        """List the volumes of a folder's split."""
        return volume_files(folder, split)[: self.limit]

    def trained_factors(self) -> list[list[float]]:
        """Each of the factors once, for the model card."""
        return [list(factors) for factors in dict.fromkeys(map(tuple, self.factors))]

    def describe(self) -> str:
        """Say what is trained on, without naming anyone."""
        paths = {split: [path for folder in self.folders for path in self.files(folder, split)] for split in _TRAINED}
        simulated = sum(path.name.startswith("simulated-") for path in paths["train"])
        cut = " or ".join("x".join(f"{factor:g}" for factor in factors) for factors in self.trained_factors())
        return (
            f"{len(paths['train'])} volumes ({simulated} simulated) of {len(self.folders)} domains, validation "
            f"{len(paths['validation'])}; lines cut by {cut} (z, y, x)"
        )

    def train_dataloader(self) -> Any:
        """Mixed patches, or one loader for each domain, in step."""
        per_domain = [self.files(folder, "train") for folder in self.folders]
        if self.separate:
            return tuple(self._patches(files) for files in per_domain)
        return self._patches([path for files in per_domain for path in files])

    def _patches(self, files: list[Path]) -> DataLoader:
        patches = VolumePatches(files, self.patch, self.patches_per_volume, self.factors, self.texture, self.seed)
        order = ShuffledEpochs(len(patches), self.seed, lambda: self.trainer.current_epoch if self.trainer else 0)
        return DataLoader(patches, self.batch_size, sampler=order, num_workers=self.workers, drop_last=True)

    def val_dataloader(self) -> DataLoader:
        """The middle of each validation volume of the first domain."""
        return DataLoader(self._centres("validation"), 1, num_workers=self.workers)

    def test_dataloader(self) -> DataLoader:
        """The middle of each test volume of the first domain."""
        return DataLoader(self._centres("test"), 1, num_workers=self.workers)

    def _centres(self, split: str) -> CentrePatches:
        files = self.files(self.folders[0], split)
        return CentrePatches(files, self.patch, 1, self.factors[:1], self.texture, self.seed)


_TRAINED = ("train", "validation")
