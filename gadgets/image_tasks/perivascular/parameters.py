"""What a configuration of the perivascular gadget may set."""

from typing import TYPE_CHECKING, Annotated, Literal
from xml.etree.ElementTree import Element

from pydantic import AfterValidator, BeforeValidator, Field

from gadgets.configuration import as_list, named_once, read_parameters
from gadgets.image_tasks.perivascular.series import SERIES
from gadgets.image_tasks.task import ORIGINAL, TaskParameters
from recon.perivascular.tubes import TUBENESS_THRESHOLD

if TYPE_CHECKING:
    ImageKind = str
else:
    ImageKind = Literal[(ORIGINAL, *SERIES)]


class PerivascularParameters(TaskParameters):
    """Parameters of the perivascular gadget.

    Raises
    ------
    pydantic.ValidationError
        On an unknown name or an impossible value; :func:`parse_perivascular` turns it into one clear line.
    """

    images: Annotated[tuple[ImageKind, ...], BeforeValidator(as_list), AfterValidator(named_once)] = Field(
        ("original", "enhanced", "spaces", "mask"),
        min_length=1,
        description="what is sent: original, enhanced, spaces (map), difference (enhanced minus received), mask",
    )
    mask: str = Field(
        "auto",
        min_length=1,
        description="white matter: auto (a series whose Meta DataRole is Mask, else found by brightness), series (such "
        "a series alone), or an HDF5 file whose array mask lies on the volume's voxels",
    )
    mask_series: int | None = Field(
        None, ge=0, description="number of the series that is the mask; default: Meta DataRole=Mask"
    )
    threshold: float = Field(
        TUBENESS_THRESHOLD,
        gt=0,
        le=10,
        allow_inf_nan=False,
        description="on the map, over white matter's brightness, above which a voxel counts to a space",
    )
    mismatch: Literal["error", "warn"] = Field("error", description="when voxels are of a size that was not trained on")


def parse_perivascular(
    configuration: Element | None, overrides: dict[str, str] | None = None
) -> PerivascularParameters:
    """Read the parameters of the perivascular gadget; see :func:`gadgets.configuration.read_parameters`."""
    return read_parameters(PerivascularParameters, configuration, overrides)
