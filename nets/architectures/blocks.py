"""Blocks that several networks share; each works in 2-D and in 3-D."""

from collections.abc import Callable, Iterable
from typing import Literal

import torch
from torch import Tensor, nn

Norm = Literal["none", "batch", "instance", "layer"]
BatchNorm = nn.BatchNorm2d | nn.BatchNorm3d
BatchStatistics = Literal["stored", "patch"]
"""Whose mean and deviation batch norm uses after training: those over the training data, or those of the patch."""

_CONV: dict[int, type[nn.Conv2d] | type[nn.Conv3d]] = {2: nn.Conv2d, 3: nn.Conv3d}
_BATCH: dict[int, type[nn.Module]] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_INSTANCE: dict[int, type[nn.Module]] = {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}
_POOL: dict[int, type[nn.Module]] = {2: nn.AvgPool2d, 3: nn.AvgPool3d}
_UP: dict[int, type[nn.Module]] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


def conv(
    dims: int,
    inputs: int,
    outputs: int,
    kernel: int | tuple[int, ...] = 3,
    bias: bool = True,
    dilation: int = 1,
    stride: int = 1,
) -> nn.Conv2d | nn.Conv3d:
    """Convolution with an odd kernel (along all axes, or each) that keeps the matrix (at stride 1)."""
    sizes = (kernel,) * dims if isinstance(kernel, int) else kernel
    padding = tuple(dilation * (size // 2) for size in sizes)
    layer = _CONV[dims]
    return layer(inputs, outputs, sizes, stride=stride, padding=padding, dilation=dilation, bias=bias)  # type: ignore[arg-type]


def start_as_he(network: nn.Module) -> None:
    """Draw the weights of all convolutions as He 2015 does, for ReLU: variance 2 over the inputs of a kernel."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")


def norm(kind: Norm, dims: int, channels: int) -> list[nn.Module]:
    """A normalisation layer with learned scale and shift, or none.

    Layer norm is over channels and space with scale and shift per channel, so that it takes any matrix.
    """
    if kind == "none":
        return []
    if kind == "layer":
        return [nn.GroupNorm(1, channels)]
    return [_BATCH[dims](channels) if kind == "batch" else _INSTANCE[dims](channels, affine=True)]


def batch_norms(network: nn.Module) -> list[BatchNorm]:
    """All batch normalisations of a network."""
    return [module for module in network.modules() if isinstance(module, BatchNorm)]


def use_statistics_of_patch(network: nn.Module) -> None:
    """Let batch norm normalise by mean and deviation of what comes, in evaluation mode, too; stored ones are lost."""
    for layer in batch_norms(network):
        layer.running_mean = layer.running_var = None


def pool(dims: int) -> nn.Module:
    """Average over 2 pixels along each axis."""
    return _POOL[dims](2)


def up(dims: int, inputs: int, outputs: int, bias: bool) -> nn.Module:
    """Transposed convolution that doubles the matrix."""
    return _UP[dims](inputs, outputs, 2, stride=2, bias=bias)


def boxes_to_channels(volume: Tensor, factors: tuple[int, int, int]) -> Tensor:
    """Voxels of each small box become channels: (batch, c, z, y, x) → (batch, c · box, z / a, y / b, x / d)."""
    batch, channels, *sizes = volume.shape
    (a, b, d), (z, y, x) = factors, (size // factor for size, factor in zip(sizes, factors, strict=True))
    boxes = volume.reshape(batch, channels, z, a, y, b, x, d).permute(0, 1, 3, 5, 7, 2, 4, 6)
    return boxes.reshape(batch, channels * a * b * d, z, y, x)


def channels_to_boxes(features: Tensor, factors: tuple[int, int, int]) -> Tensor:
    """Undo :func:`boxes_to_channels`."""
    (a, b, d), (batch, channels, z, y, x) = factors, features.shape
    boxes = features.reshape(batch, channels // (a * b * d), a, b, d, z, y, x).permute(0, 1, 5, 2, 6, 3, 7, 4)
    return boxes.reshape(batch, channels // (a * b * d), a * z, b * y, d * x)


class DenseBlock(nn.Module):
    """Units that each see the block's input and the outputs of all units before.

    Parameters
    ----------
    inputs : int
        Channels that come in.
    units : iterable of callable
        Each takes a channel count and gives a module; all have ``growth`` outputs.
    growth : int
    keep_input : bool
        Whether the block's output holds its input, too.
    """

    def __init__(
        self, inputs: int, units: Iterable[Callable[[int], nn.Module]], growth: int, keep_input: bool = True
    ) -> None:
        super().__init__()
        self.units = nn.ModuleList(unit(inputs + growth * number) for number, unit in enumerate(units))
        self.inputs, self.keep_input = inputs, keep_input
        self.outputs: int = growth * len(self.units) + (inputs if keep_input else 0)

    def forward(self, features: Tensor) -> Tensor:
        """(batch, inputs, ...) → (batch, outputs, ...)."""
        for unit in self.units:
            features = torch.cat([features, unit(features)], dim=1)
        return features if self.keep_input else features[:, self.inputs :]


class OwnDenseBlock(nn.Module):
    """Units that each see the outputs of all units before; the block's input feeds the first one alone.

    Parameters
    ----------
    inputs : int
        Channels that come in.
    units : iterable of callable
        As in :class:`DenseBlock`.
    growth : int
    """

    def __init__(self, inputs: int, units: Iterable[Callable[[int], nn.Module]], growth: int) -> None:
        super().__init__()
        self.units = nn.ModuleList(unit(growth * number if number else inputs) for number, unit in enumerate(units))
        self.outputs: int = growth * len(self.units)

    def forward(self, features: Tensor) -> Tensor:
        """(batch, inputs, ...) → (batch, outputs, ...)."""
        outputs = self.units[0](features)
        for unit in self.units[1:]:
            outputs = torch.cat([outputs, unit(outputs)], dim=1)
        return outputs


class MultiLevel(nn.Module):
    """Dense blocks that are densely connected themselves (mDCSRN, dissertation figure 4.3).

    Before every block but the first, a compressor reads the stem's features and all blocks' outputs. What leaves is
    the list of them all, concatenated.

    Parameters
    ----------
    width : int
        Channels of the stem and of each compressor.
    blocks : int
    block : callable
        Takes a channel count, gives a :class:`DenseBlock`.
    compressor : callable
        Takes a channel count, gives a module with ``width`` outputs.
    """

    def __init__(
        self,
        width: int,
        blocks: int,
        block: Callable[[int], DenseBlock],
        compressor: Callable[[int], nn.Module],
    ) -> None:
        super().__init__()
        all_blocks = [block(width) for _ in range(blocks)]
        self.blocks, outputs = nn.ModuleList(all_blocks), all_blocks[0].outputs
        self.compressors = nn.ModuleList(compressor(width + outputs * number) for number in range(1, blocks))
        self.outputs: int = width + outputs * blocks

    def forward(self, stem: Tensor) -> Tensor:
        """(batch, width, ...) → (batch, outputs, ...)."""
        features = torch.cat([stem, self.blocks[0](stem)], dim=1)
        for compressor, block in zip(self.compressors, self.blocks[1:], strict=True):
            features = torch.cat([features, block(compressor(features))], dim=1)
        return features


MOST_PLACES = 65_536
"""Places at half size that self-attention compares at most: 80³ voxels; time grows with the square."""
_MAP_VALUES = 2**25
"""Values of the attention map at a time: 128 MB in float32."""


class SelfAttention(nn.Module):
    """SAGAN's attention, its map computed at half size along each axis (dissertation 8.3.2).

    The output is ``x + γ · up(attention · h(x))`` with γ starting at 0, so that a trained network can take the module
    in without a jump.

    Parameters
    ----------
    dims, channels : int
    reduction : int
        Channels of query and key are fewer by this factor.
    """

    def __init__(self, dims: int, channels: int, reduction: int = 8) -> None:
        super().__init__()
        fewer = max(1, channels // reduction)
        self.query = conv(dims, channels, fewer, kernel=1, bias=False)
        self.key = conv(dims, channels, fewer, kernel=1, bias=False)
        self.value = conv(dims, channels, channels, kernel=1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(1))
        self._pool = pool(dims)
        self._mode = "bilinear" if dims == 2 else "trilinear"

    def attention(self, features: Tensor) -> Tensor:
        """Where each place looks: (batch, places, places) at half size, rows adding to one."""
        small = self._pool(features)
        return self._rows(self.query(small).flatten(2), self.key(small).flatten(2))

    def rows(self, features: Tensor, places: list[int]) -> Tensor:
        """Some rows of :meth:`attention`, without the map: (batch, len(places), places) at half size."""
        small = self._pool(features)
        return self._rows(self.query(small).flatten(2)[:, :, places], self.key(small).flatten(2))

    def _rows(self, query: Tensor, key: Tensor) -> Tensor:
        """(batch, c, some places), (batch, c, places) → (batch, some places, places): softmax of ``qᵀk``."""
        return torch.softmax(query.transpose(1, 2) @ key, dim=-1)

    def forward(self, features: Tensor) -> Tensor:
        """(batch, channels, ...) → the same shape; every axis has at least 2 pixels.

        Some rows of the map are computed at a time, so that it needs no memory of the square of the places.

        Raises
        ------
        ValueError
            If there are so many places that this would take hours.
        """
        small = self._pool(features)
        query, key, value = (layer(small).flatten(2) for layer in (self.query, self.key, self.value))
        places = key.shape[2]
        if places > MOST_PLACES:
            raise ValueError(
                f"self-attention compares every place with every other: {places} places at half size are too many "
                f"(at most {MOST_PLACES}); take patches of 48x48x48 voxels or less, and a margin, 8 say"
            )
        rows = max(1, _MAP_VALUES // places)
        parts = [value @ self._rows(some, key).transpose(1, 2) for some in query.split(rows, dim=2)]
        seen = torch.cat(parts, dim=2).reshape(small.shape)
        return features + self.gamma * nn.functional.interpolate(seen, features.shape[2:], mode=self._mode)
