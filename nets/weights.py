"""Weights on disk: safetensors with a model card in the header; never pickle."""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors.torch import save_file
from torch import Tensor, nn

from nets import RESEARCH_USE
from nets.architectures.registry import ARCHITECTURES, build, configure, outline
from nets.tensor_files import TensorFile, WeightsError, check_finite, digest_of

log = logging.getLogger(__name__)

_KEY = "malibu_model_card"

MULTITASKING, UNROLLED = "multitasking_mdcn", "multitasking_unrolled"
FIRST_STAGE = "sr_coronary_l1"
SECOND_STAGE = "gan_coronary_dragan"
"""Names of the shipped weights that the gadgets take by default."""


@dataclass(frozen=True)
class ModelCard:
    """What a user must know about weights.

    Attributes
    ----------
    architecture : str
        Name in the registry.
    config : dict
        All hyper-parameters.
    intended_input : str
    training_data : str
    seed : int
    metrics : dict of str to float
        On data that were not trained on.
    preprocessing : dict
        What inference must do before and after.
    chosen, version : str
        Which weights of the training these are: the last, or those of a validation; version of malibu.
    licence, use : str
    tensors_sha256 : str
        Digest of the tensors (:func:`nets.tensor_files.digest_of`), by which damage is noticed; older files have none.
    """

    architecture: str
    config: dict[str, Any]
    intended_input: str
    training_data: str
    seed: int
    metrics: dict[str, float] = field(default_factory=dict)
    preprocessing: dict[str, Any] = field(default_factory=dict)
    chosen: str = ""
    version: str = ""
    licence: str = "MIT"
    use: str = RESEARCH_USE
    tensors_sha256: str = ""


@dataclass(frozen=True)
class LoadedNetwork:
    """A network with its weights.

    Attributes
    ----------
    network : torch.nn.Module
        In evaluation mode, float32, on the CPU.
    card : ModelCard
    sha256 : str
        Hash of the file.
    """

    network: nn.Module
    card: ModelCard
    sha256: str


def save_weights(path: Path, network: nn.Module, card: ModelCard, half: bool = False) -> None:
    """Write weights and card; the file appears under its name only when it is complete.

    Parameters
    ----------
    path : Path
    network : torch.nn.Module
    card : ModelCard
        The digest of the tensors is added to it.
    half : bool
        Store in half precision.
    """
    tensors = {
        name: (value.half() if half and value.is_floating_point() else value).contiguous().cpu()
        for name, value in network.state_dict().items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, tensors, card)


def add_digest(path: Path) -> None:
    """Write a file anew with the digest of its tensors in its card, which older versions did not write.

    Parameters
    ----------
    path : Path
        Weights whose origin is trusted: the digest says that they are what they are now, not that they are right.

    Raises
    ------
    WeightsError
        If the file cannot be used as it is.
    """
    card = load_weights(path).card
    _write(path, TensorFile(path).tensors(), card)


def _write(path: Path, tensors: Mapping[str, Tensor], card: ModelCard) -> None:
    complete = replace(card, tensors_sha256=digest_of(tensors))
    partial = path.with_name(f".{path.name}.partial")
    try:
        save_file(dict(tensors), partial, {_KEY: json.dumps(asdict(complete), sort_keys=True)})
        partial.chmod(0o644)  # safetensors writes for the owner alone; Gadgetron may run as somebody else
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_card(path: Path) -> ModelCard:
    """Read the model card alone.

    Parameters
    ----------
    path : Path

    Returns
    -------
    ModelCard

    Raises
    ------
    WeightsError
        If the file is missing or may not be read, is no safetensors file, is truncated, or has no card.
    """
    return _card(TensorFile(path))


def load_weights(path: Path, architecture: str | None = None, config: Mapping[str, Any] | None = None) -> LoadedNetwork:
    """Build the network that a file's card names, and load its weights.

    Parameters
    ----------
    path : Path
    architecture : str, optional
        What is expected.
    config : mapping of str to object, optional
        Hyper-parameters that are expected.

    Returns
    -------
    LoadedNetwork

    Raises
    ------
    WeightsError
        If the file cannot be used; the text says what differs.
    """
    file = TensorFile(path)
    card = _card(file)
    if architecture is not None and card.architecture != architecture:
        raise WeightsError(f"{path.name} holds weights of {card.architecture}, not of {architecture}")
    differing = {
        name: (card.config.get(name), wanted)
        for name, wanted in (config or {}).items()
        if card.config.get(name) != wanted
    }
    if differing:
        text = ", ".join(f"{name} is {has}, not {wanted}" for name, (has, wanted) in differing.items())
        raise WeightsError(f"{path.name} does not fit: {text}")
    expected = _outline(file, card).state_dict()
    file.check(expected)
    tensors = file.tensors()
    check_finite(path.name, tensors, expected)
    _check_digest(path, card, tensors)
    network = _made(path.name, card, lambda: build(card.architecture, card.config))
    network.load_state_dict(tensors)  # into float32, whatever the precision of the file
    return LoadedNetwork(network.eval(), card, hashlib.sha256(path.read_bytes()).hexdigest())


def _card(file: TensorFile) -> ModelCard:
    if _KEY not in file.metadata:
        raise WeightsError(f"{file.name} has no model card; give weights that malibu's training wrote")
    try:
        return TypeAdapter(ModelCard).validate_json(file.metadata[_KEY])
    except ValidationError as error:
        raise WeightsError(f"{file.name}: the model card is not complete: {error.errors()[0]['msg']}") from error


def outlined(path: Path) -> tuple[ModelCard, nn.Module]:
    """Read the model card, and build its network with shapes alone.

    Parameters
    ----------
    path : Path

    Returns
    -------
    ModelCard, torch.nn.Module
        The network's tensors are on the meta device.

    Raises
    ------
    WeightsError
        If the file cannot be read, or its card names no possible network.
    """
    file = TensorFile(path)
    card = _card(file)
    return card, _outline(file, card)


def _outline(file: TensorFile, card: ModelCard) -> nn.Module:
    return _made(file.name, card, lambda: outline(card.architecture, card.config, len(file)))


def _made(name: str, card: ModelCard, make: Callable[[], nn.Module]) -> nn.Module:
    try:
        return make()
    except (ValueError, TypeError, RuntimeError, ArithmeticError) as error:
        reason = " ".join(str(error).split())
        raise WeightsError(f"{name}: {reason}; it may come from another version ({card.version})") from error


def _check_digest(path: Path, card: ModelCard, tensors: Mapping[str, Tensor]) -> None:
    if not card.tensors_sha256:
        log.warning(
            "%s has no digest of its tensors, so that damage would go unnoticed; if its origin is sure, add one by "
            "malibu nets --weights %s --add-digest",
            path.name,
            path,
        )
    elif digest_of(tensors) != card.tensors_sha256:
        raise WeightsError(
            f"{path.name} is damaged: its tensors are not those that its card was written for; copy it again"
        )


def card_config(architecture: str, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """All hyper-parameters of a network, as a model card keeps them."""
    return json.loads(json.dumps(asdict(configure(architecture, values))))


def starting_network(architecture: str, config: Mapping[str, Any], weights: str | None) -> nn.Module:
    """Build a network to train, in channels-last layout.

    Parameters
    ----------
    architecture : str
    config : mapping of str to object
        Hyper-parameters that differ from the registry's defaults.
    weights : str or None
        Start from this file of the same architecture and hyper-parameters, else from initial weights.

    Returns
    -------
    torch.nn.Module
        In training mode.

    Raises
    ------
    WeightsError, ValueError
        As :func:`load_weights` and :func:`nets.architectures.registry.build`.
    """
    network = load_weights(Path(weights), architecture, config).network if weights else build(architecture, config)
    layout = torch.channels_last if ARCHITECTURES[architecture].dims == 2 else torch.channels_last_3d
    return network.train().to(memory_format=layout)  # type: ignore[call-overload]


def shipped(name: str) -> Path:
    """Path of the shipped weights of a name."""
    with as_file(files("nets") / "shipped" / f"{name}.safetensors") as path:
        return path


def all_shipped() -> list[Path]:
    """Paths of all shipped weights, in the order of their names."""
    return sorted(shipped(MULTITASKING).parent.glob("*.safetensors"))


def weights_path(given: str) -> Path:
    """Path of weights that are given as a file, or by the name of shipped ones without ``.safetensors``.

    With it, the name is that of a file, so that no own file of the same name is passed over.
    """
    return {path.stem: path for path in all_shipped()}.get(given, Path(given))
