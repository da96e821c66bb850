"""What a configuration of the super-resolution gadget may set."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from gadgets.configuration import as_list, checked, named_once, of_those, read_parameters
from gadgets.mrd.headers.roles import ReadoutParameters
from gadgets.super_resolution.series import SERIES
from recon.super_resolution import Settings

if TYPE_CHECKING:
    VolumeKind = str
else:
    VolumeKind = Literal[tuple(SERIES)]

Three = tuple[int, int, int]


def _triple(value: Any) -> Any:
    """Read ``72x350x218`` or ``72,350,218``."""
    return value.replace("x", " ").replace(",", " ").split() if isinstance(value, str) else value


class SuperResolutionParameters(ReadoutParameters):
    """Parameters of the super-resolution gadget.

    Raises
    ------
    pydantic.ValidationError
        On an unknown name or an impossible value; :func:`parse_super_resolution` turns it into one clear line.
    """

    first_stage: str | None = Field(
        None, description="weights of the L1 model: a .safetensors file, or shipped ones by name; default: 16x coronary"
    )
    second_stage: str | None = Field(None, description="weights of the GAN model, likewise; default: 16x coronary")
    stages: Literal["one", "two"] = Field("one", description="the L1 model alone, or the GAN model after it")
    blending: float | None = Field(
        None,
        ge=0,
        le=1,
        description="one network of both stages' weights, so much of the first's; 1: the L1 model; default: in turn",
    )
    images: Annotated[tuple[VolumeKind, ...], BeforeValidator(as_list), AfterValidator(named_once)] = Field(
        ("original", "super_resolved"),
        min_length=1,
        description="what is sent: original, super_resolved, first_stage, difference (to the zero-filled image)",
    )
    acceleration: str = Field(
        "auto",
        pattern=r"^(auto|\d+(\.\d+)?x\d+(\.\d+)?)$",
        description="fewer lines along slice x phase direction, as 4x4; auto: from header and data",
    )
    mismatch: Literal["error", "warn"] = Field(
        "error", description="when the lines were cut otherwise than in the network's training"
    )
    matrix: Annotated[Three | None, BeforeValidator(_triple)] = Field(
        None, description="full matrix as ZxYxX; default: the header's recon matrix"
    )
    contrast: int | None = Field(None, ge=0, description="contrast (echo) of raw scans to restore; default: each")
    coil_combination: Literal["maps", "sum_of_squares"] = Field("maps", description="of raw k-space")
    data_consistency: bool = Field(
        Settings.data_consistency, description="put the measured centre of k-space back into the result"
    )
    output: Literal["slices", "volume"] = Field("slices", description="images of raw scans: 2-D slices, or one volume")
    patch: Annotated[Three | None, BeforeValidator(_triple)] = Field(
        None, description="voxels ZxYxX that a network sees at once, margins included; default: 192x192x128, or more"
    )
    margin: int | None = Field(None, ge=0, description="voxels cut from each side of a patch; default: no seams")
    merge: Literal["cut", "average"] = Field("cut", description="where patches overlap: cut at the margin, or average")
    batch_statistics: Literal["card", "stored", "patch"] = Field(
        "card", description="of batch norm: as the weights say, those of the training, or of each patch"
    )
    precision: Literal["float32", "bfloat16"] = Field("float32", description="of the network's arithmetic")
    attention_at: str | None = Field(
        None,
        pattern=r"^\s*\d+,\d+,\d+(\s+\d+,\d+,\d+)*\s*$",
        description="voxels z,y,x with spaces between them: show where each looks; for networks with self-attention",
    )

    @field_validator("matrix", "patch")
    @classmethod
    def _sizes_are_positive(cls, value: Three | None) -> Three | None:
        if value is not None and min(value) < 1:
            raise ValueError("sizes must be positive")
        return value

    @field_validator("blending")
    @classmethod
    def _both_networks_exist(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is not None and info.data.get("stages") == "one":
            raise ValueError("blending mixes the weights of both stages; set stages=two")
        return value

    @field_validator("images")
    @classmethod
    def _second_stage_exists(cls, values: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if "first_stage" in values and info.data.get("stages") == "one":
            raise ValueError("with stages=one the first stage's result is super_resolved; set stages=two")
        if "first_stage" in values and info.data.get("blending") is not None:
            raise ValueError("with blending there is one network, whose result is super_resolved")
        return values

    def settings(self) -> Settings:
        """What of this the restoration takes."""
        return Settings(self.data_consistency, self.factors)

    @property
    def queries(self) -> list[Three]:
        """Voxels (z, y, x) whose attention is shown, each once."""
        given = (tuple(map(int, voxel.split(","))) for voxel in (self.attention_at or "").split())
        return [(z, y, x) for z, y, x in dict.fromkeys(given)]

    @property
    def factors(self) -> tuple[float, float] | None:
        """Acceleration along slice and phase direction, if it is given."""
        if self.acceleration == "auto":
            return None
        along_slice, along_phase = map(float, self.acceleration.split("x"))
        return along_slice, along_phase


def restoration_settings(values: Mapping[str, Any]) -> Settings:
    """Make the settings of a restoration from values by name.

    Parameters
    ----------
    values : mapping of str to object
        ``data_consistency``, and ``acceleration`` along slice and phase direction: ``(4, 4)`` or ``"4x4"``.

    Returns
    -------
    Settings

    Raises
    ------
    ParameterError
        If a name is another, or a value impossible.
    """
    given = of_those(values, ("data_consistency", "acceleration"), "is no setting of the restoration")
    acceleration = given.pop("acceleration", None)
    if acceleration is not None:
        pair = isinstance(acceleration, tuple | list)
        given["acceleration"] = "x".join(map(str, acceleration)) if pair else str(acceleration)
    return checked(SuperResolutionParameters, given).settings()


def shown_parameters(chosen: Mapping[str, Any]) -> SuperResolutionParameters:
    """Parameters that show a volume which was already restored.

    Parameters
    ----------
    chosen : mapping of str to object
        ``images`` and ``output``.

    Returns
    -------
    SuperResolutionParameters

    Raises
    ------
    ParameterError
        If a name is another, or a value impossible.
    """
    return checked(SuperResolutionParameters, of_those(chosen, ("images", "output"), "does not choose what is written"))


def parse_super_resolution(
    configuration: ElementTree.Element | None, overrides: dict[str, str] | None = None
) -> SuperResolutionParameters:
    """Read the parameters of the super-resolution gadget; see :func:`gadgets.configuration.read_parameters`."""
    return read_parameters(SuperResolutionParameters, configuration, overrides)
