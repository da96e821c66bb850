"""What a configuration may set, validated: one model for XML ``<configuration>``, and the command line."""

import xml.etree.ElementTree as ElementTree
from typing import Annotated, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from gadgets.configuration import as_list, named_once, read_parameters

ImageKind = Literal[
    "time_average",
    "realtime",
    "basis_maps",
    "temporal_basis",
    "cine_bright",
    "cine_dark",
    "t1_recovery",
    "respiratory",
    "t1_map",
    "t1_uncertainty",
    "gating",
    "back_projection",
]
TENSOR_KINDS = ("cine_bright", "cine_dark", "t1_recovery", "respiratory", "t1_map", "t1_uncertainty", "gating")
"""Images that only the temporal tensor can give."""


class MultitaskingParameters(BaseModel):
    """Parameters of the Multitasking gadget.

    Raises
    ------
    pydantic.ValidationError
        On an unknown name or an impossible value; :func:`parse_parameters` turns it into one clear line.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    temporal_model: Literal["tensor", "realtime"] = Field(
        "tensor", description="low-rank tensor over cardiac phase, respiration and recovery; or the navigator's PCA"
    )
    rank: int = Field(32, ge=1, le=256, description="basis functions L of the temporal subspace")
    energy: float | None = Field(None, gt=0, lt=1, description="keep fewer than rank: this share of the energy")
    cardiac_bins: int = Field(20, ge=2, le=100, description="cardiac phases")
    respiratory_bins: int = Field(6, ge=2, le=50, description="respiratory states, by displacement")
    recovery_rank: int = Field(5, ge=3, le=20, description="functions of the T1-recovery basis")
    cardiac_rank: int | None = Field(None, ge=1, description="multilinear rank of the cardiac axis; default: whole")
    respiratory_rank: int | None = Field(None, ge=1, description="multilinear rank of the respiratory axis")
    heart_source: Literal["self", "ecg"] = Field("self", description="beats from the navigator, or from the ECG")
    respiration_source: Literal["self", "waveform"] = Field(
        "self", description="breathing from the navigator, or from the respiration waveform"
    )
    ecg_waveform_id: int = Field(0, ge=0, description="waveform id of the ECG")
    respiration_waveform_id: int = Field(2, ge=0, description="waveform id of the respiration")
    lowest_heart_rate: float = Field(42, ge=20, le=200, description="heart rates looked for, per minute")
    highest_heart_rate: float = Field(150, ge=40, le=300, description="heart rates looked for, per minute")
    keep_ectopic: bool = Field(False, description="leave ectopic beats in the cardiac bins")
    matrix: int | None = Field(None, ge=16, le=1024, description="image matrix; default: the header's recon matrix")
    coils: int = Field(8, ge=1, le=128, description="virtual coils to keep")
    coil_maps: Literal["espirit", "walsh"] = Field("espirit", description="how coil maps are estimated")
    navigator: Literal["flag", "every_nth", "zero_angle"] = Field(
        "flag", description="navigators: by ISMRMRD flag, every nth readout, or the spokes at 0 degrees"
    )
    navigator_every: int = Field(2, ge=2, description="n of every_nth")
    navigator_offset: int = Field(0, ge=0, description="first navigator of every_nth")
    golden_angle_deg: float | None = Field(
        None, gt=0, lt=360, description="increment between imaging spokes, for scans without trajectory"
    )
    tr_ms: float | None = Field(None, gt=0, description="repetition time, for headers without TR")
    ti_ms: float | None = Field(None, ge=0, description="from inversion to first excitation, for headers without TI")
    flip_angle_deg: float | None = Field(None, gt=0, le=90, description="for headers without flip angle")
    flip_angle_scale: float = Field(1.0, gt=0, le=3, description="B1: true flip angle over nominal, for T1")
    inflow: float = Field(0.8, ge=0, le=1, description="share of fresh spins in flowing blood, for its T1; 0: none")
    skip_inversions: int = Field(2, ge=0, description="leading inversion periods to drop: not in steady state")
    reconstruction: Literal["mdcn", "backprojection", "admm"] = Field(
        "mdcn", description="spatial factor: a network on the back-projection, the latter alone, or iterative ADMM"
    )
    weights: str | None = Field(None, description="weights of the network (.safetensors); default: those of malibu")
    without_weights: Literal["error", "backprojection"] = Field(
        "error", description="without usable weights: refuse the scan, or show the back-projection, so marked"
    )
    precision: Literal["float32", "bfloat16"] = Field("float32", description="of the network's arithmetic")
    compile_network: bool = Field(False, description="torch.compile: faster on GPUs, slow at the first scan")
    consistency_steps: int = Field(
        0, ge=0, description="CG steps after the network that let the measured data overrule it; 0: none"
    )
    consistency_weight: float = Field(
        0.1, gt=0, allow_inf_nan=False, description="of the network against the data, over the sampling density"
    )
    gridding: Literal["folded", "exact"] = Field(
        "folded", description="fold the scan onto a fan of lines first (3e-4 accurate), or grid every spoke"
    )
    sparsity: Literal["wavelet", "differences"] = Field("wavelet", description="what ADMM keeps sparse")
    relative_lambda: float = Field(5e-4, ge=0, allow_inf_nan=False, description="ADMM's penalty over the data's scale")
    iterations: int = Field(20, ge=1, description="ADMM's outer iterations")
    cg_iterations: int = Field(20, ge=1, description="CG steps in each of ADMM's iterations")
    memory_gb: float = Field(4.0, gt=0, description="what ADMM's kernel and its working arrays may take")
    nufft: Literal["auto", "finufft", "cufinufft", "sigpy"] = Field("auto", description="NUFFT back end")
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda:\d+)$", description="auto, cpu, or cuda:N")
    images: Annotated[tuple[ImageKind, ...], BeforeValidator(as_list), AfterValidator(named_once)] = Field(
        get_args(ImageKind), min_length=1, description="what is sent"
    )
    bright_blood_ti_ms: float | None = Field(
        None, ge=0, description="inversion time of the bright-blood cine; default: the end of the recovery"
    )
    dark_blood_ti_ms: float | None = Field(
        None, ge=0, description="inversion time of the dark-blood cine; default: the null of flowing blood"
    )
    t1_cardiac_bin: int = Field(0, ge=0, description="cardiac phase of T1 map and T1 recovery; 0: end-diastole")
    t1_respiratory_bin: int | None = Field(
        None, ge=0, description="respiratory state of T1 map and T1 recovery; default: end-expiration"
    )
    t1_frames: int = Field(20, ge=2, le=1000, description="inversion times of the T1-recovery series")
    frames: str = Field(
        "auto",
        pattern=r"^(auto|-?\d*:-?\d*(:[1-9]\d*)?)$",
        description="real-time frames as first:last:step of the imaging spokes; auto: 40 of the last full inversion",
    )
    message_timeout_s: float = Field(30.0, gt=0, description="longest pause inside a message")
    idle_timeout_s: float = Field(600.0, gt=0, description="longest pause between messages")
    rescue_folder: str | None = Field(
        None, description="where to keep the raw data of a failed reconstruction, without patient data"
    )

    @field_validator("images")
    @classmethod
    def _images_can_be_made(cls, values: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        impossible = [kind for kind in values if kind in TENSOR_KINDS]
        if impossible and info.data.get("temporal_model") == "realtime":
            raise ValueError(f"{', '.join(impossible)} need temporal_model=tensor")
        return values

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
        if value and info.data.get("reconstruction") != "mdcn":
            raise ValueError("data consistency follows a network: set reconstruction=mdcn")
        return value


def parse_parameters(
    configuration: ElementTree.Element | None, overrides: dict[str, str] | None = None
) -> MultitaskingParameters:
    """Read the parameters of the Multitasking gadget; see :func:`gadgets.configuration.read_parameters`."""
    return read_parameters(MultitaskingParameters, configuration, overrides)
