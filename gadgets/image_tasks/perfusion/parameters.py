"""What a configuration of the perfusion gadget may set, and what the header says of the labelling."""

from typing import TYPE_CHECKING, Annotated, Literal
from xml.etree.ElementTree import Element

import ismrmrd
from pydantic import AfterValidator, BeforeValidator, Field

from gadgets.configuration import as_list, named_once, read_parameters
from gadgets.image_tasks.perfusion.series import SERIES
from gadgets.image_tasks.task import ORIGINAL, TaskParameters
from recon.errors import DataError
from recon.perfusion import Labelling, PerfusionSettings
from recon.perfusion.guidance import KEEP_BEYOND

if TYPE_CHECKING:
    ImageKind = str
else:
    ImageKind = Literal[(ORIGINAL, *SERIES)]

_LOW_FIELD_T, _BLOOD_T1_MS = 2.0, (1350.0, 1650.0)
"""T1 of blood at 1.5 T and at 3 T (Alsop 2015), and the field that lies between them."""

Milliseconds = Annotated[float | None, Field(gt=0, le=20_000, allow_inf_nan=False)]


class PerfusionParameters(TaskParameters):
    """Parameters of the perfusion gadget.

    Raises
    ------
    pydantic.ValidationError
        On an unknown name or an impossible value; :func:`parse_perfusion` turns it into one clear line.
    """

    images: Annotated[tuple[ImageKind, ...], BeforeValidator(as_list), AfterValidator(named_once)] = Field(
        ("original", "control_mean", "cbf", "denoised", "outliers"),
        min_length=1,
        description="what is sent: original, control_mean, cbf, denoised, difference (denoised minus cbf), outliers",
    )
    order: Literal["auto", "control_first", "label_first", "set"] = Field(
        "auto",
        description="which images are controls: by turns, or set=0; auto: Meta ASL_Contrast, else control first",
    )
    pairs: int = Field(10, ge=2, le=1000, description="blood flow is sent after every so many pairs, and at the end")
    tr_ms: Milliseconds = Field(None, description="repetition time; default: the header's")
    pld_ms: Milliseconds = Field(None, description="post-labelling delay of the first slice; default: header's pld_ms")
    tau_ms: Milliseconds = Field(None, description="labelling duration; default: the header's tau_ms")
    slice_time_ms: float | None = Field(
        None,
        ge=-1000,
        le=1000,
        description="how much later each slice is read than the one before along the slice direction; negative: "
        "downwards; default: the header's slice_time_ms, else 0",
    )
    blood_t1_ms: Milliseconds = Field(None, description="T1 of blood; default: 1650, below 2 T 1350")
    labelling_efficiency: float = Field(0.85, gt=0, le=1, description="0.85: pCASL; 0.98: PASL; less with suppression")
    m0_series: int | None = Field(
        None, ge=0, description="series of a proton density; default: Meta ASL_Contrast=M0, else the control images"
    )
    keep_beyond: float = Field(
        KEEP_BEYOND,
        ge=0,
        le=100,
        description="blood flow that lies more standard errors off the network's is kept as measured; 0: none is",
    )
    motion_correction: bool = Field(True, description="register the images rigidly")
    regression: bool = Field(True, description="regress drift, motion, fluid and the global signal out")
    outlier_cleaning: bool = Field(True, description="leave slices of pairs out that differ from all others")

    def settings(self) -> PerfusionSettings:
        """Stages of the method."""
        return PerfusionSettings(self.motion_correction, self.regression, self.outlier_cleaning)


def parse_perfusion(configuration: Element | None, overrides: dict[str, str] | None = None) -> PerfusionParameters:
    """Read the parameters of the perfusion gadget; see :func:`gadgets.configuration.read_parameters`."""
    return read_parameters(PerfusionParameters, configuration, overrides)


def labelling_of(header: ismrmrd.xsd.ismrmrdHeader, parameters: PerfusionParameters) -> Labelling:
    """Say how the blood was labelled, by the parameters or else the header.

    Raises
    ------
    DataError
        If TR, post-labelling delay or labelling duration is stated nowhere: none of them may be guessed.
    """
    stated = _stated(header)
    sequence = header.sequenceParameters
    if sequence and sequence.TR:
        stated.setdefault("tr_ms", float(sequence.TR[0]))
    found = {}
    for name, what in {"tr_ms": "TR", "pld_ms": "post-labelling delay", "tau_ms": "labelling duration"}.items():
        given = getattr(parameters, name)
        value = stated.get(name) if given is None else given
        if value is None:
            raise DataError(f"the header does not state the {what}, without which there is no blood flow; set {name}")
        found[name] = value
    step_ms = stated.get("slice_time_ms", 0.0) if parameters.slice_time_ms is None else parameters.slice_time_ms
    return Labelling(
        pld_s=found["pld_ms"] / 1000,
        duration_s=found["tau_ms"] / 1000,
        tr_s=found["tr_ms"] / 1000,
        slice_time_s=step_ms / 1000,
        efficiency=parameters.labelling_efficiency,
        blood_t1_s=(parameters.blood_t1_ms or _blood_t1_ms(header)) / 1000,
    )


def _stated(header: ismrmrd.xsd.ismrmrdHeader) -> dict[str, float]:
    """User parameters in ms by our names."""
    user = header.userParameters
    numbers = [*user.userParameterDouble, *user.userParameterLong] if user else []
    return {one.name: float(one.value) for one in numbers if one.name in ("pld_ms", "tau_ms", "slice_time_ms")}


def _blood_t1_ms(header: ismrmrd.xsd.ismrmrdHeader) -> float:
    system = header.acquisitionSystemInformation
    field_t = system.systemFieldStrength_T if system else None
    return _BLOOD_T1_MS[0] if field_t and field_t < _LOW_FIELD_T else _BLOOD_T1_MS[1]
