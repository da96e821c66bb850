"""Layers of networks in plain NumPy, as their formulas say: what the torch modules are held against.

A layer's weights are a dictionary of arrays under torch's names. Every convolution is told what the paper says of it,
features, kernel and bias, and refuses others.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

Layer = Mapping[str, np.ndarray]

SLOPE = 0.2
"""Of LeakyReLU, in all papers."""
TINY = 1e-5
"""What norms add to the variance."""


class Weights:
    """The weights of a network, found by the place of their layers."""

    def __init__(self, tensors: Mapping[str, np.ndarray]) -> None:
        self.tensors = tensors

    def layers(self, place: str) -> list[Layer]:
        """All layers with weights at or below a place, in their order."""
        found: dict[str, dict[str, np.ndarray]] = {}
        for name, values in self.tensors.items():
            layer, _, kind = name.rpartition(".")
            if f"{layer}.".startswith(f"{place}."):
                found.setdefault(layer, {})[kind] = values
        return list(found.values())

    def each(self, place: str) -> list[list[Layer]]:
        """The same for every numbered place below."""
        below = {name[len(place) + 1 :].split(".")[0]: None for name in self.tensors if name.startswith(f"{place}.")}
        assert list(below) == [str(number) for number in range(len(below))]
        return [self.layers(f"{place}.{number}") for number in below]


def _draw(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> np.ndarray:
    if name.endswith("running_var"):
        return rng.uniform(0.5, 2.0, shape)
    if name.endswith("weight") and len(shape) > 1:
        return rng.standard_normal(shape) * np.sqrt(1.5 / np.prod(shape[1:]))
    if name.endswith(("weight", "gamma")):  # scale of a norm, slope of a PReLU, strength of attention
        return rng.uniform(0.4, 1.4, shape)
    return 0.4 * rng.standard_normal(shape)  # biases and running means


def answer(
    network: torch.nn.Module, *shape: int, seed: int = 0, ask: Callable | None = None
) -> tuple[np.ndarray, Weights, np.ndarray]:
    """Random images, random values for all weights and statistics, and what the network makes of them."""
    rng = np.random.default_rng(seed)
    network.double().eval()
    state = network.state_dict()
    tensors = {name: _draw(rng, name, tuple(state[name].shape)) for name in state if "num_batches" not in name}
    network.load_state_dict({name: torch.from_numpy(values) for name, values in tensors.items()}, strict=False)
    images = rng.standard_normal(shape)
    with torch.no_grad():
        output = (ask or network)(torch.from_numpy(images)).numpy()
    return images, Weights(tensors), output


def assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    """The two are the same to rounding, and not by being flat."""
    assert found.shape == expected.shape
    assert expected.std() > 1e-3
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-8)


def join(*features: np.ndarray) -> np.ndarray:
    """Features of all, in this order."""
    return np.concatenate(features, axis=1)


def conv(
    features: np.ndarray,
    layer: Layer,
    outputs: int,
    kernel: int | tuple[int, ...] = 3,
    bias: bool = True,
    dilation: int = 1,
    stride: int = 1,
) -> np.ndarray:
    """Correlation with an odd kernel, zeros around the matrix; every stride-th place of it, from the first."""
    dims = features.ndim - 2
    sizes = (kernel,) * dims if isinstance(kernel, int) else kernel
    assert layer["weight"].shape == (outputs, features.shape[1], *sizes)
    assert set(layer) == ({"weight", "bias"} if bias else {"weight"})
    around = [(dilation * (size // 2),) * 2 for size in sizes]
    padded = np.pad(features, [(0, 0), (0, 0), *around])
    total = np.zeros(())
    for offset in np.ndindex(*sizes):
        starts = [dilation * step for step in offset]
        moved = [slice(start, start + size, stride) for start, size in zip(starts, features.shape[2:], strict=True)]
        window = padded[(slice(None), slice(None), *moved)]
        total = total + np.tensordot(layer["weight"][(..., *offset)], window, axes=(1, 1))
    return np.swapaxes(total, 0, 1) + (_per_channel(layer["bias"], features) if bias else 0)


def doubled(features: np.ndarray, layer: Layer, outputs: int, bias: bool) -> np.ndarray:
    """Transposed convolution: each pixel becomes a box of 2 along each axis."""
    dims = features.ndim - 2
    assert layer["weight"].shape == (features.shape[1], outputs, *[2] * dims)
    assert set(layer) == ({"weight", "bias"} if bias else {"weight"})
    large = np.zeros((len(features), outputs, *(2 * size for size in features.shape[2:])))
    for corner in np.ndindex(*[2] * dims):
        every_other = tuple(slice(start, None, 2) for start in corner)
        part = np.tensordot(layer["weight"][(..., *corner)], features, axes=(0, 1))
        large[(..., *every_other)] = np.swapaxes(part, 0, 1)
    return large + (_per_channel(layer["bias"], features) if bias else 0)


def average_of_two(features: np.ndarray) -> np.ndarray:
    """Mean over boxes of 2 along each axis; an odd last row is left out."""
    for axis in range(2, features.ndim):
        even = np.moveaxis(features, axis, 0)[: features.shape[axis] // 2 * 2]
        features = np.moveaxis((even[::2] + even[1::2]) / 2, 0, axis)
    return features


def _per_channel(values: np.ndarray, features: np.ndarray) -> np.ndarray:
    return values.reshape(-1, *[1] * (features.ndim - 2))


def _normalised(features: np.ndarray, layer: Layer, axes: Sequence[int]) -> np.ndarray:
    assert set(layer) == {"weight", "bias"}
    mean, variance = features.mean(axis=tuple(axes), keepdims=True), features.var(axis=tuple(axes), keepdims=True)
    scale, shift = (_per_channel(layer[name], features) for name in ("weight", "bias"))
    return (features - mean) / np.sqrt(variance + TINY) * scale + shift


def norm(kind: str, features: np.ndarray, layer: Layer | None) -> np.ndarray:
    """Batch (by what is stored), patch (batch norm by what comes), instance, layer, or none."""
    if kind == "none":
        assert layer is None
        return features
    space = range(2, features.ndim)
    if kind == "batch":
        mean, variance, scale, shift = (
            _per_channel(layer[name], features) for name in ("running_mean", "running_var", "weight", "bias")
        )
        return (features - mean) / np.sqrt(variance + TINY) * scale + shift
    return _normalised(features, layer, {"patch": [0, *space], "instance": [*space], "layer": [1, *space]}[kind])


def with_norms(kind: str, layers: Sequence[Layer], conv_first: bool = False) -> list[tuple[Layer | None, Layer]]:
    """Pairs of a norm and a convolution."""
    if kind == "none":
        return [(None, layer) for layer in layers]
    norms, convolutions = (layers[1::2], layers[::2]) if conv_first else (layers[::2], layers[1::2])
    return list(zip(norms, convolutions, strict=True))


def relu(features: np.ndarray) -> np.ndarray:
    return np.maximum(features, 0)


def leaky(features: np.ndarray) -> np.ndarray:
    return np.where(features > 0, features, SLOPE * features)


def elu(features: np.ndarray) -> np.ndarray:
    return np.where(features > 0, features, np.expm1(np.minimum(features, 0)))


def prelu(features: np.ndarray, layer: Layer) -> np.ndarray:
    """With one slope for all channels."""
    assert layer["weight"].shape == (1,)
    return np.where(features > 0, features, layer["weight"] * features)


def dense(features: np.ndarray, units: Sequence[Callable[[np.ndarray], np.ndarray]]) -> list[np.ndarray]:
    """The input and the outputs of units that each see all of these before them."""
    found = [features]
    for unit in units:
        found.append(unit(join(*found)))
    return found


def own_dense(features: np.ndarray, units: Sequence[Callable[[np.ndarray], np.ndarray]]) -> np.ndarray:
    """Outputs of units that each see the outputs before; the input feeds the first alone (figure 4.4b)."""
    return join(*dense(units[0](features), units[1:]))


def _resized(features: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Linear interpolation along each axis between the pixels' centres, constant beyond the outermost."""
    for axis, large in enumerate(sizes, start=2):
        small = features.shape[axis]
        places = (np.arange(large) + 0.5) * small / large - 0.5
        shares = np.array([np.interp(places, np.arange(small), one) for one in np.eye(small)])
        features = np.moveaxis(np.tensordot(features, shares, axes=(axis, 0)), -1, axis)
    return features


def attention_map(features: np.ndarray, layers: Sequence[Layer]) -> np.ndarray:
    """Softmax over all j of query(i) · key(j), at half size: (batch, i, j)."""
    _, query, key, _ = layers
    fewer, small = max(1, features.shape[1] // 8), average_of_two(features)
    queries, keys = (conv(small, layer, fewer, 1, bias=False).reshape(len(small), fewer, -1) for layer in (query, key))
    scores = np.exp(np.einsum("bci,bcj->bij", queries, keys))
    return scores / scores.sum(axis=2, keepdims=True)


def self_attention(features: np.ndarray, layers: Sequence[Layer]) -> np.ndarray:
    """x + γ · up(Σ_j map(i, j) · value(j)): SAGAN's, its map at half size (dissertation 8.3.2)."""
    strength, _, _, value = layers
    small, shares = average_of_two(features), attention_map(features, layers)
    values = conv(small, value, features.shape[1], 1, bias=False).reshape(*small.shape[:2], -1)
    seen = np.matmul(values, np.swapaxes(shares, 1, 2)).reshape(small.shape)
    return features + strength["gamma"] * _resized(seen, features.shape[2:])
