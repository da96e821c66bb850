"""What a configuration of the segmentation gadget may set."""

from typing import TYPE_CHECKING, Annotated, Literal
from xml.etree.ElementTree import Element

from pydantic import AfterValidator, BeforeValidator, Field

from gadgets.configuration import as_list, named_once, read_parameters
from gadgets.image_tasks.segmentation.series import SERIES
from gadgets.image_tasks.task import ORIGINAL, TaskParameters

if TYPE_CHECKING:
    ImageKind = str
else:
    ImageKind = Literal[(ORIGINAL, *SERIES)]


class SegmentationParameters(TaskParameters):
    """Parameters of the segmentation gadget.

    Raises
    ------
    pydantic.ValidationError
        On an unknown name or an impossible value; :func:`parse_segmentation` turns it into one clear line.
    """

    weights: str = Field("shipped", description="of the network: shipped, a .safetensors file, or shipped ones by name")
    images: Annotated[tuple[ImageKind, ...], BeforeValidator(as_list), AfterValidator(named_once)] = Field(
        ("original", "labels", "disagreement"),
        min_length=1,
        description="what is sent: original, labels, disagreement, organs (a mask of each, in a series of its own)",
    )
    views: Literal["one", "three"] = Field(
        "three", description="transversal slices alone, or the vote of transversal, coronal and sagittal ones"
    )


def parse_segmentation(
    configuration: Element | None, overrides: dict[str, str] | None = None
) -> SegmentationParameters:
    """Read the parameters of the segmentation gadget; see :func:`gadgets.configuration.read_parameters`."""
    return read_parameters(SegmentationParameters, configuration, overrides)
