"""What a configuration may set, validated: one model for XML ``<configuration>``, and the command line."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from gadgets.configuration import checked, hint_at, named_once, of_those, read_parameters
from gadgets.errors import ParameterError
from gadgets.multitasking.series import SENT, SERIES, named_series
from gadgets.multitasking.trust.trust_parameters import TrustParameters
from recon.multitasking.settings import Settings

if TYPE_CHECKING:
    ImageKind = str
else:
    ImageKind = Literal[tuple(SERIES)]


def _path_as_text(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


_NETWORKS = ("unrolled", "mdcn")
"""Reconstructions by a network: the one that the weights hold."""


def _one_spelling(value: Any) -> Any:
    return "realtime" if value in ("real_time", "real-time") else value


class MultitaskingParameters(TrustParameters):
    """Parameters of the Multitasking gadget.

    Raises
    ------
    pydantic.ValidationError
        On an unknown name or an impossible value; :func:`parse_parameters` turns it into one clear line.
    """

    temporal_model: Annotated[Literal["tensor", "realtime", "static"], BeforeValidator(_one_spelling)] = Field(
        Settings.temporal_model,
        description="low-rank tensor over motion and recovery; PCA of navigators or of windows; or one image",
    )
    basis: Annotated[str | None, BeforeValidator(_path_as_text)] = Field(
        None, description="temporal basis to use: .npy of (rank, spokes), or an image file of malibu with its series 4"
    )
    rank: int = Field(Settings.rank, ge=1, le=256, description="basis functions L of the temporal subspace")
    energy: float | None = Field(Settings.energy, gt=0, lt=1, description="fewer than rank: this share of energy")
    cardiac_bins: int = Field(Settings.cardiac_bins, ge=2, le=100, description="cardiac phases")
    respiratory_bins: int = Field(
        Settings.respiratory_bins, ge=2, le=50, description="respiratory states, by displacement"
    )
    recovery_rank: int = Field(Settings.recovery_rank, ge=3, le=20, description="functions of the T1-recovery basis")
    cardiac_rank: int | None = Field(
        Settings.cardiac_rank, ge=1, le=100, description="multilinear rank of the cardiac axis; default: whole"
    )
    respiratory_rank: int | None = Field(
        Settings.respiratory_rank, ge=1, le=50, description="multilinear rank of the respiratory axis"
    )
    heart_source: Literal["self", "ecg"] = Field(
        Settings.heart_source, description="beats from the navigator, or from the ECG"
    )
    respiration_source: Literal["self", "waveform"] = Field(
        Settings.respiration_source, description="breathing from the navigator, or from the respiration waveform"
    )
    ecg_waveform_id: int = Field(0, ge=0, description="waveform id of the ECG")
    respiration_waveform_id: int = Field(2, ge=0, description="waveform id of the respiration")
    lowest_heart_rate: float = Field(
        Settings.lowest_heart_rate, ge=20, le=200, description="heart rates looked for, per minute"
    )
    highest_heart_rate: float = Field(
        Settings.highest_heart_rate, ge=40, le=300, description="heart rates looked for, per minute"
    )
    keep_ectopic: bool = Field(Settings.keep_ectopic, description="leave ectopic beats in the cardiac bins")
    matrix: int | None = Field(
        Settings.matrix, ge=16, le=1024, description="image matrix; default: the header's recon matrix"
    )
    coils: int = Field(Settings.coils, ge=1, le=128, description="virtual coils to keep")
    coil_maps: Literal["espirit", "walsh"] = Field(Settings.coil_maps, description="how coil maps are estimated")
    gradient_delays: str = Field(
        Settings.gradient_delays,
        pattern=r"^(auto|off|-?\d*\.?\d+( -?\d*\.?\d+){2})$",
        description="shift of the spokes: auto corrects what is found, off; or known ones as 'sx sxy sy' in samples",
    )
    contrast: int | None = Field(0, ge=0, description="contrast (echo) to reconstruct; navigators may have another")
    navigator: Literal["flag", "every_nth", "zero_angle", "none"] = Field(
        "flag", description="navigators: by ISMRMRD flag, every nth readout, the spokes at 0 or 180 degrees, or none"
    )
    navigator_every: int = Field(2, ge=2, le=65535, description="n of every_nth")
    navigator_offset: int = Field(0, ge=0, le=65535, description="first navigator of every_nth")
    golden_angle_deg: float | None = Field(
        None, gt=0, lt=360, description="increment between imaging spokes, for scans without trajectory"
    )
    inversion_counter: Literal["repetition", "set", "average", "phase", "segment", "contrast", "none"] = Field(
        "repetition", description="encoding counter that changes with each inversion; none: there are no inversions"
    )
    readouts_per_inversion: int | None = Field(
        None, ge=2, le=65535, description="excitations between inversions, navigators included, if no counter tells"
    )
    tr_ms: float | None = Field(None, gt=0, le=1000, description="repetition time; wins over the header's TR")
    ti_ms: float | None = Field(None, ge=0, le=10_000, description="inversion to first pulse; wins over the header")
    flip_angle_deg: float | None = Field(None, gt=0, le=90, description="nominal flip angle; wins over the header's")
    flip_angle_scale: float = Field(
        Settings.flip_angle_scale, gt=0, le=3, description="true flip angle over nominal, for T1; if set, b1=nominal"
    )
    b1: Annotated[str, BeforeValidator(_path_as_text)] = Field(
        Settings.b1, min_length=1, description="true flip angle as a map: estimate, nominal, or the file of a B1 map"
    )
    inflow: Annotated[float | None, BeforeValidator(lambda said: None if said == "estimate" else said)] = Field(
        Settings.inflow, ge=0, le=1, description="share of fresh spins in blood (0: none), or estimate: one T1 for all"
    )
    skip_inversions: int = Field(2, ge=0, le=65535, description="leading inversion periods to drop")
    reconstruction: Literal["unrolled", "mdcn", "backprojection", "admm"] = Field(
        "unrolled",
        validate_default=True,
        description="spatial factor: a network with the data inside, one on the back-projection, the latter, or ADMM",
    )
    weights: str | None = Field(None, description="weights of the network (.safetensors); default: those of malibu")
    without_weights: Literal["error", "backprojection"] = Field(
        "error", description="without usable weights: refuse the scan, or show the back-projection, so marked"
    )
    precision: Literal["float32", "bfloat16"] = Field("float32", description="of the network's arithmetic")
    compile_network: bool = Field(False, description="torch.compile: faster on GPUs, slow at the first scan")
    residual_correction: bool = Field(
        Settings.residual_correction, description="with unrolled: add what data show beyond noise that it lacks"
    )
    clear_air: bool = Field(Settings.clear_air, description="with that: pixels of which data hold but noise are 0")
    consistency_steps: int = Field(
        Settings.consistency_steps, ge=0, le=1000, description="CG steps by which data overrule the network; 0: none"
    )
    consistency_weight: float = Field(
        Settings.consistency_weight,
        gt=0,
        le=1e6,
        allow_inf_nan=False,
        description="of the network against the data, over the sampling density",
    )
    gridding: Literal["folded", "exact"] = Field(
        Settings.gridding, description="fold the scan onto a fan of lines first (3e-4 accurate), or grid every spoke"
    )
    sparsity: Literal["wavelet", "differences"] = Field(Settings.sparsity, description="what ADMM keeps sparse")
    relative_lambda: float | None = Field(
        None, ge=0, le=1e6, allow_inf_nan=False, description="ADMM's penalty over the data's scale; default: by noise"
    )
    iterations: int = Field(Settings.iterations, ge=1, le=1000, description="ADMM's outer iterations")
    cg_iterations: int = Field(Settings.cg_iterations, ge=1, le=1000, description="CG steps in each ADMM iteration")
    memory_gb: float = Field(Settings.memory_gb, gt=0, le=4096, description="for the normal operator and its work")
    nufft: Literal["auto", "sparse", "finufft", "cufinufft", "sigpy"] = Field(
        Settings.nufft, description="NUFFT back end"
    )
    images: Annotated[tuple[ImageKind, ...], BeforeValidator(named_series), AfterValidator(named_once)] = Field(
        SENT, min_length=1, description="what is sent; +NAME: NAME too"
    )
    bright_blood_ti_ms: float | None = Field(
        None, ge=0, le=10_000, description="inversion time of the bright-blood cine; default: the end of the recovery"
    )
    dark_blood_ti_ms: float | None = Field(
        None, ge=0, le=10_000, description="inversion time of the dark-blood cine; default: the null of flowing blood"
    )
    t1_cardiac_bin: int = Field(
        Settings.t1_cardiac_bin, ge=0, le=99, description="cardiac phase of T1 map and T1 recovery; 0: end-diastole"
    )
    t1_respiratory_bin: int | None = Field(
        Settings.t1_respiratory_bin,
        ge=0,
        le=49,
        description="respiratory state of T1 map and T1 recovery; default: end-expiration",
    )
    t1_frames: int = Field(20, ge=2, le=1000, description="inversion times of the T1-recovery series")
    frames: str = Field(
        "auto",
        pattern=r"^(auto|-?\d*:-?\d*(:[1-9]\d*)?)$",
        description="real-time frames as first:last:step of the imaging spokes; auto: 40 of the last full inversion",
    )

    @field_validator("images")
    @classmethod
    def _images_can_be_made(cls, values: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        impossible = [kind for kind in values if SERIES[kind].needs_tensor]
        if impossible and info.data.get("temporal_model") != "tensor":
            raise ValueError(f"{', '.join(impossible)} need temporal_model=tensor")
        if info.data.get("temporal_model") == "static" and any(SERIES[kind].needs_times for kind in values):
            raise ValueError("real-time frames need temporal_model=realtime or tensor; static has one image")
        if impossible and info.data.get("basis"):
            raise ValueError(f"{', '.join(impossible)} need malibu's own temporal model; leave basis out")
        return values

    @field_validator("readouts_per_inversion", "ti_ms")
    @classmethod
    def _there_are_inversions(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is not None and info.data.get("inversion_counter") == "none":
            raise ValueError("contradicts inversion_counter=none; set only one of them")
        return value

    @field_validator("highest_heart_rate")
    @classmethod
    def _heart_rates_are_a_range(cls, value: float, info: ValidationInfo) -> float:
        if value <= info.data.get("lowest_heart_rate", 0):
            raise ValueError("must be above lowest_heart_rate")
        return value

    @field_validator("gridding")
    @classmethod
    def _gridding_is_used(cls, value: str, info: ValidationInfo) -> str:
        if value == "exact" and (info.data.get("reconstruction") == "admm" or info.data.get("consistency_steps")):
            raise ValueError("exact gridding is for back-projections; data consistency and ADMM need the fold")
        return value

    @field_validator("consistency_steps")
    @classmethod
    def _consistency_needs_the_fold(cls, value: int, info: ValidationInfo) -> int:
        if value and info.data.get("reconstruction") not in _NETWORKS:
            raise ValueError("data consistency follows a network: set reconstruction=mdcn")
        return value

    @property
    def wants_network(self) -> bool:
        """Whether a network finds the spatial factor."""
        return self.reconstruction in _NETWORKS

    def settings(self) -> Settings:
        """What of this the reconstruction takes."""
        shared = {field.name: getattr(self, field.name) for field in fields(Settings) if hasattr(self, field.name)}
        shared["reconstruction"] = "network" if self.wants_network else self.reconstruction
        if self.b1 not in ("estimate", "nominal") or not {"b1", "flip_angle_scale"}.isdisjoint(self.model_fields_set):
            shared["b1"] = "estimate" if "b1" in self.model_fields_set and self.b1 == "estimate" else "nominal"
        return Settings(**shared, t1_map=any(SERIES[kind].needs_t1 for kind in self.images))


def settings_of(values: Mapping[str, Any]) -> Settings:
    """Make settings of the reconstruction from values by name, checked as a configuration's are.

    Parameters
    ----------
    values : mapping of str to object
        Fields of :class:`recon.multitasking.Settings`.

    Returns
    -------
    Settings

    Raises
    ------
    ParameterError
        If a name is unknown or a value is impossible.
    """
    known = [field.name for field in fields(Settings)]
    for name in values:
        if name not in known:
            raise ParameterError(f"unknown setting {name!r}; {hint_at(name, known)}")
    given = dict(values)
    if given.get("reconstruction") == "network":
        given["reconstruction"] = MultitaskingParameters.model_fields["reconstruction"].default
    t1_map = bool(given.pop("t1_map", Settings.t1_map))
    return replace(checked(MultitaskingParameters, given).settings(), t1_map=t1_map)


CHOICES = ("images", "frames", "t1_frames", "bright_blood_ti_ms", "dark_blood_ti_ms")
"""Parameters that choose among the frames of a result, and do not change it."""


def shown_parameters(chosen: Mapping[str, Any], settings: Settings) -> tuple[MultitaskingParameters, dict[str, Any]]:
    """Take what is to be shown of a result, and state how it was made.

    Parameters
    ----------
    chosen : mapping of str to object
        Those of :data:`CHOICES`.
    settings : Settings
        How the result was made.

    Returns
    -------
    MultitaskingParameters, dict of str to object
        Of which only :data:`CHOICES` count; and those, with the settings that parameters can set.

    Raises
    ------
    ParameterError
        If a name is another, or a value impossible.
    """
    given = of_those(chosen, CHOICES, "does not choose what is written")
    if settings.temporal_model != "tensor":
        is_static, possible = settings.temporal_model == "static", [k for k in SENT if not SERIES[k].needs_tensor]
        given = {"images": [k for k in possible if not (is_static and SERIES[k].needs_times)]} | given
    choices = checked(MultitaskingParameters, {"temporal_model": settings.temporal_model} | given)
    stated = {name: value for name, value in asdict(settings).items() if name in MultitaskingParameters.model_fields}
    return choices, stated | choices.model_dump(mode="json", include=set(CHOICES))


def parse_parameters(
    configuration: ElementTree.Element | None, overrides: dict[str, str] | None = None
) -> MultitaskingParameters:
    """Read the parameters of the Multitasking gadget; see :func:`gadgets.configuration.read_parameters`."""
    return read_parameters(MultitaskingParameters, configuration, overrides)
