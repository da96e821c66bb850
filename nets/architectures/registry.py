"""Every architecture by name: its class, its typed hyper-parameters, and who described it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol, cast

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from nets.architectures.baselines import (
    Fsrcnn,
    FsrcnnConfig,
    Srcnn,
    SrcnnConfig,
    SrDenseNet,
    SrDenseNetConfig,
    SrResNet,
    SrResNetConfig,
    Vdsr,
    VdsrConfig,
)
from nets.architectures.dcdensenet import DcDenseNet, DcDenseNetConfig
from nets.architectures.dense_unet import DenseUNet, DenseUNetConfig, alamo_config
from nets.architectures.discriminators import (
    Discriminator,
    DiscriminatorConfig,
    DraganDiscriminator,
    PatchCritic,
    PatchCriticConfig,
)
from nets.architectures.dwan import Dwan, DwanConfig
from nets.architectures.mdcn import Mdcn, MdcnConfig
from nets.architectures.mdcsrn import Dcsrn, DcsrnConfig, Mdcsrn, MdcsrnConfig
from nets.architectures.parcellation.highres3dnet import HighRes3DNet, HighRes3DNetConfig
from nets.architectures.planar.dilated_net import DilatedNet, DilatedNetConfig
from nets.architectures.planar.label_critic import LabelCritic, LabelCriticConfig
from nets.architectures.planar.spade import Spade, SpadeConfig
from nets.architectures.planar.unet import UNet, UNetConfig
from nets.architectures.rrdg import Rrdg, RrdgConfig
from nets.architectures.unrolled import MdcnUnrolled, UnrolledConfig


class Network(Protocol):
    """What every architecture has beside being a torch module."""

    config: Any

    @property
    def receptive_field(self) -> int | None:
        """Pixels along an axis that one output pixel sees; None: everything."""
        ...

    def __call__(self, images: Tensor) -> Tensor:
        """Apply the network."""
        ...


@dataclass(frozen=True)
class Architecture:
    """An entry of the registry.

    Attributes
    ----------
    module : type
        Takes its configuration.
    default : object
        Configuration that holds unless told otherwise; docs/differences.md says where it is not a paper's.
    dims : int
        2 for images, 3 for volumes.
    task : str
    source : str
        Paper and place.
    """

    module: type[nn.Module]
    default: Any
    dims: int
    task: str
    source: str


_SR = "super-resolution"
_ASL = "ASL denoising"

_REGISTRATIONS = 4
"""How often a weight may be registered while a network is built, at most; torch does so once, wrappers twice."""

ARCHITECTURES: Mapping[str, Architecture] = {
    "mdcn": Architecture(Mdcn, MdcnConfig(), 2, "Multitasking spatial factor", "Chen 2021, ch. 6"),
    "mdcn_unrolled": Architecture(
        MdcnUnrolled, UnrolledConfig(), 2, "Multitasking spatial factor, with the data", "Aggarwal 2019; mDCN"
    ),
    "dense_unet": Architecture(DenseUNet, DenseUNetConfig(), 2, "Multitasking spatial factor", "Chen 2021, ch. 6"),
    "dcsrn": Architecture(Dcsrn, DcsrnConfig(), 3, _SR, "Chen 2021, ch. 3"),
    "mdcsrn": Architecture(Mdcsrn, MdcsrnConfig(), 3, _SR, "Chen 2020; Chen 2021, ch. 4"),
    "mdcsrn_attention": Architecture(Mdcsrn, MdcsrnConfig(attention="middle"), 3, _SR, "Chen 2021, ch. 8.3.2"),
    "rrdg": Architecture(Rrdg, RrdgConfig(), 3, _SR, "Wang 2020"),
    "fsrcnn": Architecture(Fsrcnn, FsrcnnConfig(), 3, f"{_SR}, baseline", "Wang 2020, table 1"),
    "srresnet": Architecture(SrResNet, SrResNetConfig(), 3, f"{_SR}, baseline", "Wang 2020, table 1"),
    "srdensenet": Architecture(SrDenseNet, SrDenseNetConfig(), 3, f"{_SR}, baseline", "Chen 2021, fig. 4.4b"),
    "srcnn": Architecture(Srcnn, SrcnnConfig(), 3, f"{_SR}, baseline", "Jung 2019"),
    "vdsr": Architecture(Vdsr, VdsrConfig(), 3, f"{_SR}, baseline", "Jung 2019"),
    "discriminator": Architecture(
        Discriminator, DiscriminatorConfig(), 3, "SRGAN layout, layer norm", "Chen 2021, ch. 4"
    ),
    "patch_critic": Architecture(PatchCritic, PatchCriticConfig(), 3, "WGAN-GP critic", "Wang 2020"),
    "dragan_discriminator": Architecture(
        DraganDiscriminator,
        DiscriminatorConfig(patch=(64, 80, 80), norm="batch"),
        3,
        "D and F of DRAGAN",
        "Chen 2021, ch. 5",
    ),
    "dcdensenet": Architecture(DcDenseNet, DcDenseNetConfig(), 3, "perivascular spaces", "Jung 2019"),
    "dwan": Architecture(Dwan, DwanConfig(), 2, _ASL, "Xie 2020"),
    "dwan_guided": Architecture(
        Dwan, DwanConfig(channels=3, width=16, wide=48, dilations=(2, 4, 8)), 2, f"{_ASL}, guided", "Xie 2020; malibu"
    ),
    "unet": Architecture(UNet, UNetConfig(), 2, f"{_ASL}, baseline", "Ronneberger 2015; Xie 2020, table 1"),
    "dilated_net": Architecture(DilatedNet, DilatedNetConfig(), 2, f"{_ASL}, baseline", "Kim 2018; Xie 2020, table 1"),
    "highres3dnet": Architecture(
        HighRes3DNet, HighRes3DNetConfig(), 3, "brain parts, anatomical fidelity", "Li 2017; Wang 2020, ch. 2.4"
    ),
    "alamo": Architecture(DenseUNet, alamo_config(), 2, "abdominal segmentation", "Chen 2021, ch. 7"),
    "spade": Architecture(Spade, SpadeConfig(), 2, "synthesis from labels", "Park 2019; Chen 2021, ch. 8.3.1"),
    "spade_critic": Architecture(LabelCritic, LabelCriticConfig(), 2, "SPADE's critic", "Park 2019"),
}


def configure(architecture: str, values: Mapping[str, Any] | None = None) -> Any:
    """Make the typed configuration of an architecture.

    Parameters
    ----------
    architecture : str
    values : mapping of str to object, optional
        What differs from the registry's defaults.

    Returns
    -------
    object
        The configuration class of the architecture.

    Raises
    ------
    ValueError
        If the architecture or a hyper-parameter is not known, or a value is impossible.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(f"architecture {architecture!r} is not known; known are {', '.join(ARCHITECTURES)}")
    default = ARCHITECTURES[architecture].default
    merged = asdict(default) | dict(values or {})
    unknown = sorted(set(merged) - set(asdict(default)))
    if unknown:
        raise ValueError(
            f"{architecture} has no hyper-parameter {', '.join(unknown)}; it has {', '.join(asdict(default))}"
        )
    try:
        return TypeAdapter(type(default)).validate_python(merged)
    except ValidationError as error:
        first = error.errors()[0]
        setting = ".".join(map(str, first["loc"]))
        raise ValueError(f"{architecture}: {setting} = {first['input']!r}: {first['msg']}") from error


def build(architecture: str, values: Mapping[str, Any] | None = None) -> nn.Module:
    """Build a network with initial weights.

    Parameters
    ----------
    architecture : str
    values : mapping of str to object, optional
        Hyper-parameters that differ from the registry's defaults.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    ValueError
        As :func:`configure`.
    """
    config = configure(architecture, values)
    return ARCHITECTURES[architecture].module(config)


def outline(architecture: str, values: Mapping[str, Any] | None = None, tensors: int | None = None) -> nn.Module:
    """Build a network whose tensors have shapes alone: no memory, and no time even for an impossible configuration.

    Parameters
    ----------
    architecture : str
    values : mapping of str to object, optional
        Hyper-parameters that differ from the registry's defaults.
    tensors : int, optional
        How many tensors there are for it; a network of many more is given up.

    Returns
    -------
    torch.nn.Module
        On the meta device.

    Raises
    ------
    ValueError
        As :func:`configure`; or if it has many more tensors.
    """
    registered = 0

    def count(module: nn.Module, name: str, weight: nn.Parameter) -> None:
        nonlocal registered
        registered += 1
        if tensors is not None and registered > _REGISTRATIONS * tensors:
            raise ValueError(f"{architecture} of these hyper-parameters has many more tensors than the {tensors} given")

    counting = register_module_parameter_registration_hook(count)
    try:
        with torch.device("meta"):
            return build(architecture, values)
    finally:
        counting.remove()


def weight_count(network: nn.Module) -> int:
    """Count the trainable weights."""
    return sum(weight.numel() for weight in network.parameters() if weight.requires_grad)


def receptive_field(network: nn.Module) -> int | None:
    """Pixels along an axis that one output pixel sees; None: everything."""
    return cast("Network", network).receptive_field
