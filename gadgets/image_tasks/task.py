"""What a task from images to images is: parameters, a network, output series, and work on one stream."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from xml.etree.ElementTree import Element

import ismrmrd
import sigpy
from pydantic import Field

from gadgets.configuration import StreamParameters
from recon.stages import StageClock

ORIGINAL = "original"
"""Kind of the images that came; they go back first, as they are."""

Pixels = Literal["float", "integer", "received"]
"""Of a series: float32; uint16, for labels and masks; or the type of what came, if that is uint16, else float32."""

MADE_BY_NETWORK = "a network made this image; it may have lost or invented detail: do not diagnose from it"


class TaskParameters(StreamParameters):
    """What tasks of one network may set; a task names the kinds of ``images`` that it knows."""

    images: tuple[str, ...] = (ORIGINAL,)
    weights: str = Field(
        "shipped", description="of the network: shipped, none, a .safetensors file, or shipped ones by name"
    )


@dataclass(frozen=True)
class OutputSeries:
    """One output series of a task.

    Attributes
    ----------
    offset : int
        Added to the series index of what came; each has a series of its own.
    description : str
        Name for people.
    unit : str
        Of the pixels; empty for a scanner's arbitrary one.
    is_generated : bool
        Whether a network made what it shows.
    is_signed : bool
        Whether its values may be negative: then its image type is real, not magnitude.
    role : str
        DataRole of its images.
    pixels : {"float", "integer", "received"}
    caution : str
        What the Meta say of generated detail.
    """

    offset: int
    description: str
    unit: str = ""
    is_generated: bool = False
    is_signed: bool = False
    role: str = "Image"
    pixels: Pixels = "float"
    caution: str = MADE_BY_NETWORK


class TaskWork(ABC):
    """Work of a task on the images of one stream."""

    def arrived(self, images: list[ismrmrd.Image]) -> Iterable[ismrmrd.Image]:
        """Give what can be shown while the scan runs; asked after each item, so that it must look before it works.

        Parameters
        ----------
        images : list of ismrmrd.Image
            All that came so far.

        Raises
        ------
        DataError
            It is logged, and the stream goes on: no image may be lost that still comes.
        """
        return ()

    def passed(self, images: list[ismrmrd.Image]) -> Iterable[ismrmrd.Image]:
        """Give the images that go back as they came even where no originals are wanted.

        Parameters
        ----------
        images : list of ismrmrd.Image
            The whole stream.
        """
        return ()

    @abstractmethod
    def finish(self, images: list[ismrmrd.Image], clock: StageClock) -> Iterable[ismrmrd.Image]:
        """Give the results of the whole stream.

        Raises
        ------
        DataError
            If there is none; all originals are back by then.
        """


@dataclass(frozen=True)
class TaskInfo:
    """What ``malibu info`` tells of a file.

    Attributes
    ----------
    properties : dict of str to str
    problems : list of str
        What would be refused.
    plan : str
    """

    properties: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    plan: str = ""


@dataclass(frozen=True)
class ImageTask:
    """A task.

    Attributes
    ----------
    name : str
    series : mapping of str to OutputSeries
        Every kind of image that the parameter ``images`` may name, but the originals.
    parse : callable
        Reads configuration and overrides; what it gives has ``images``, the kinds that are sent.
    load : callable
        Loads the network, or gives None.
    begin : callable
        Header, parameters and a callable that gives the network → work on one stream.
    """

    name: str
    series: Mapping[str, OutputSeries]
    parse: Callable[[Element | None, dict[str, str]], Any]
    load: Callable[[Any, sigpy.Device], Any]
    begin: Callable[[ismrmrd.xsd.ismrmrdHeader, Any, Callable[[], Any]], TaskWork]
