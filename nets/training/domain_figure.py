"""Does DRAGAN's discriminator still tell the domains apart? Its features in two dimensions (dissertation fig. 5.6)."""

from pathlib import Path
from typing import Any, cast

import lightning
import torch
from matplotlib.figure import Figure
from torch import Tensor

from nets.architectures.discriminators import DraganDiscriminator
from nets.data.volumes import VolumesData
from nets.training.adversarial import GanTraining

# Patches of each domain that the figure shows.
_PATCHES = 64


class DomainFigure(lightning.Callback):
    """Draw the principal components of D's features of real patches when training ends.

    Parameters
    ----------
    path : str
        PNG.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    @torch.no_grad()
    def on_fit_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Draw, if there are features of two domains."""
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        if not trainer.is_global_zero or not isinstance(pl_module, GanTraining) or not isinstance(data, VolumesData):
            return
        if not isinstance(pl_module.discriminator, DraganDiscriminator) or not data.separate:
            return
        features, domain = domain_features(pl_module, data)
        positions = principal_positions(features)
        figure = Figure(figsize=(4.5, 4), layout="constrained")
        axes = figure.subplots()
        for number, folder in enumerate(data.folders):
            first, second = positions[domain == number].T.tolist()
            axes.scatter(first, second, s=12, label=folder.name)
        axes.set_title(f"features of D: F would be right in {separability(features, domain):.0%}", fontsize=9)
        axes.legend()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(self.path, dpi=110)


def domain_features(training: GanTraining, data: VolumesData) -> tuple[Tensor, Tensor]:
    """D's shared features of real patches, averaged over space, and the number of their domain.

    Parameters
    ----------
    training : GanTraining
        With DRAGAN's discriminator.
    data : VolumesData
        With separate domains.

    Returns
    -------
    (patches, channels) Tensor, (patches,) Tensor
    """
    judge, features, domain = cast("DraganDiscriminator", training.discriminator).eval(), [], []
    for number, loader in enumerate(data.train_dataloader()):
        for taken, (_, label, _) in enumerate(loader):
            if taken * len(label) >= _PATCHES:
                break
            features.append(judge.shared(label.to(training.device)).flatten(2).mean(dim=2).cpu())
            domain += [number] * len(label)
    return torch.cat(features), torch.tensor(domain)


def principal_positions(features: Tensor) -> Tensor:
    """(patches, 2) positions along the two first principal components."""
    centred = features - features.mean(dim=0)
    _, _, directions = torch.linalg.svd(centred, full_matrices=False)
    return centred @ directions[:2].T


def separability(features: Tensor, domain: Tensor) -> float:
    """Share of patches nearer to the mean of their own domain than to that of the other: 0.5 is blind."""
    means = torch.stack([features[domain == number].mean(dim=0) for number in (0, 1)])
    return float((torch.cdist(features, means).argmin(dim=1) == domain).float().mean())
