"""Who judges whether an image belongs to a label map, patch by patch on several scales (Park 2019)."""

from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from nets.architectures.planar.spade import SLOPE

_KERNEL, _PADDING = 4, 2
_WIDEST = 8
"""Channels of a layer, in widths, at most."""


@dataclass(frozen=True)
class LabelCriticConfig:
    """Hyper-parameters of :class:`LabelCritic`.

    Attributes
    ----------
    classes : int
        Of the label map.
    width : int
        Channels of the first layer; each has twice as many as the one before, up to 8 times.
    layers : int
        With a stride of 2, but for the last, if there are several.
    scales : int
        Each sees the pair at half of the matrix of the one before.
    """

    classes: int = Field(default=11, ge=1)
    width: int = Field(default=64, ge=1)
    layers: int = Field(default=4, ge=1)
    scales: int = Field(default=2, ge=1)


class LabelCritic(nn.Module):
    """Convolutions of 4² with spectral and instance norm on the label map beside the image, on each scale.

    Parameters
    ----------
    config : LabelCriticConfig
    """

    def __init__(self, config: LabelCriticConfig) -> None:
        super().__init__()
        self.config = config
        self.scales = nn.ModuleList(_layers(config) for _ in range(config.scales))
        self._halve = nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)

    @property
    def receptive_field(self) -> None:
        """Its norm sees the whole image."""

    def features(self, pairs: Tensor) -> list[list[Tensor]]:
        """What each layer of each scale makes of pairs, the finest scale first; the last are the verdicts.

        Parameters
        ----------
        pairs : (batch, classes + 1, y, x) Tensor
            One-hot maps, then images.

        Returns
        -------
        list of list of (batch, channels, y, x) Tensor
        """
        found = []
        for layers in self.scales:
            seen, made = pairs, []
            for layer in layers:  # type: ignore[attr-defined]
                seen = layer(seen)
                made.append(seen)
            found.append(made)
            pairs = self._halve(pairs)
        return found

    def forward(self, pairs: Tensor) -> Tensor:
        """(batch, classes + 1, y, x) → (batch,): mean verdict over the places, then over the scales."""
        verdicts = [made[-1].flatten(1).mean(dim=1) for made in self.features(pairs)]
        return sum(verdicts[1:], verdicts[0]) / len(verdicts)


def _layers(config: LabelCriticConfig) -> nn.ModuleList:
    """Layers, each of whose outputs feature matching compares, and the verdict."""
    layers, inputs = [], config.classes + 1
    for number in range(config.layers):
        outputs = config.width * min(2**number, _WIDEST)
        stride = 1 if 0 < number == config.layers - 1 else 2
        convolution = nn.Conv2d(inputs, outputs, _KERNEL, stride=stride, padding=_PADDING, bias=number == 0)
        normed = [spectral_norm(convolution), nn.InstanceNorm2d(outputs)] if number else [convolution]
        layers.append(nn.Sequential(*normed, nn.LeakyReLU(SLOPE)))
        inputs = outputs
    return nn.ModuleList([*layers, nn.Conv2d(inputs, 1, _KERNEL, padding=_PADDING)])
