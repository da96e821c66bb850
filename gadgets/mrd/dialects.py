"""Images as each console takes them: what a gadget makes, and what goes over the wire."""

import logging
import math
from typing import Any, Protocol

import ismrmrd
import numpy as np

from gadgets.mrd.wire.items import sendable

log = logging.getLogger(__name__)

_NO_PICTURES = ("SpatialFactor", "TemporalBasis", "TemporalFactor", "Gating")
"""Roles of images that are tables and maps for reports and offline use: a scanner's database takes pictures."""

_STORED_BITS = 12
"""Of a Siemens console, where its header's user parameter BitsStored does not say otherwise."""

_HEADROOM = 1.5
"""The first image of a series sets the scale of all: those of later slices may be brighter."""

_NARROWEST_WINDOW = 100.0
"""Windows are whole numbers of rescaled values: a narrower one would show a flat image, so the console chooses."""

_COLOUR_TABLES = {"Hot Metal": "MicroDeltaHotMetal.pal"}
"""Colour maps of Gadgetron's writers, and the console's own files of the same colours."""


class Dialect(Protocol):
    """How images are sent."""

    def translate(self, image: ismrmrd.Image) -> ismrmrd.Image | None:
        """Give an image of malibu's as the console takes it; None where it takes no such image."""

    def as_received(self, image: ismrmrd.Image) -> ismrmrd.Image:
        """Give an image that came from the console as it goes back."""


class GadgetronDialect:
    """What a gadget makes goes out as it is; what came, in a pixel type that Gadgetron's writers carry."""

    def translate(self, image: ismrmrd.Image) -> ismrmrd.Image | None:
        """Give the image itself."""
        return image

    def as_received(self, image: ismrmrd.Image) -> ismrmrd.Image:
        """Give the image; integers and float64 become float32.

        Raises
        ------
        DataError
            If a value is too large for float32.
        """
        return sendable(image)


class FireDialect:
    """Images for FIRE and OpenRecon: uint16 with one rescale for each series, and the Meta that IceFire reads.

    Pixels are ``(value - RescaleIntercept) / RescaleSlope``, rounded. Integers, as of T1 maps in ms, stay as they are.

    Parameters
    ----------
    bits : int
        That the console stores of each pixel.
    """

    def __init__(self, bits: int = _STORED_BITS) -> None:
        self._largest = 2**bits - 1
        self._scales: dict[int, tuple[float, float]] = {}
        self._said: set[str] = set()

    def translate(self, image: ismrmrd.Image) -> ismrmrd.Image | None:
        """Give the image with scaled pixels and the console's Meta; None for basis maps, temporal basis and gating."""
        role = image.meta.get("DataRole", "Image")
        if (role if isinstance(role, str) else role[0]) in _NO_PICTURES or np.iscomplexobj(image.data):
            self._say_once("basis maps, temporal basis and gating are no pictures and stay here (dialect=fire)")
            return None
        meta = dict(image.meta)
        _rescale_window(meta)
        if image.data.dtype.kind == "f":
            image = self._scaled(image, meta)
        else:
            meta = {"RescaleSlope": "1", "RescaleIntercept": "0"} | meta
            if image.data.max(initial=0) > self._largest:
                self._say_once(f"values above {self._largest} are sent: the console must store more bits (Use16Bit)")
        image.meta = _for_icefire(meta, image)
        return image

    def as_received(self, image: ismrmrd.Image) -> ismrmrd.Image:
        """Give the image itself: its pixel type, Meta and mini header are the console's own."""
        return image

    def _scaled(self, image: ismrmrd.Image, meta: dict[str, Any]) -> ismrmrd.Image:
        slope, intercept = self._scale(image)
        pixels = np.clip(np.rint((image.data - intercept) / slope), 0, self._largest).astype(np.uint16)
        head = image.getHead()
        head.data_type = ismrmrd.DATATYPE_USHORT
        scaled = ismrmrd.Image(head, "")
        scaled.data[:] = pixels
        before = float(meta.get("RescaleSlope", 1)), float(meta.get("RescaleIntercept", 0))  # of what came
        meta["RescaleSlope"] = f"{before[0] * slope:.9g}"
        meta["RescaleIntercept"] = f"{before[0] * intercept + before[1]:.9g}"
        return scaled

    def _scale(self, image: ismrmrd.Image) -> tuple[float, float]:
        """Slope and intercept of a series; of an image that does not fit them, its own, and the log says so.

        Numbers as the Meta state them, so that who reads them gets the values back.
        """
        low, high = _range(image)
        series = image.image_series_index
        slope, intercept = self._scales.get(series, (0.0, 0.0))
        if slope and intercept <= low and high <= intercept + slope * self._largest:
            return slope, intercept
        if slope:
            self._say_once(f"series {series}: a later slice is brighter, and has a RescaleSlope of its own")
        top = _HEADROOM * max(high, -low, 1e-30)
        intercept = float(f"{-top if low < 0 else 0.0:.9g}")
        slope = float(f"{(top - intercept) / self._largest:.9g}")
        self._scales[series] = slope, intercept
        return slope, intercept

    def _say_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            log.warning("%s", text)


def _range(image: ismrmrd.Image) -> tuple[float, float]:
    """Lowest and highest value: of all images that were made together, where the Meta say it, else of this one."""
    finite = image.data[np.isfinite(image.data)]
    low, high = float(finite.min(initial=0)), float(finite.max(initial=0))
    stated = image.meta.get("MalibuSeriesRange")
    if stated:
        low, high = min(low, float(stated[0])), max(high, float(stated[1]))
    return low, high


def _rescale_window(meta: dict[str, Any]) -> None:
    """Let the window be one of rescaled values where a restored image has the rescale of the vendor's own."""
    slope, intercept = float(meta.get("RescaleSlope", 1)), float(meta.get("RescaleIntercept", 0))
    if "WindowCenter" in meta and "WindowWidth" in meta:
        meta["WindowCenter"] = str(slope * float(meta["WindowCenter"]) + intercept)
        meta["WindowWidth"] = str(slope * float(meta["WindowWidth"]))


def _for_icefire(meta: dict[str, Any], image: ismrmrd.Image) -> ismrmrd.Meta:
    """Add what IceFire reads: both spellings of comments, directions in full, whole windows, colour tables."""
    head = image.getHead()
    meta.pop("IceMiniHead", None)  # of other geometry, it would turn the image upside down
    meta |= {
        "ImageComment": meta.get("ImageComments", ""),
        "SequenceDescriptionAdditional": str(meta.get("SeriesDescription", "malibu")).replace(" ", "_"),
        "ImageProcessingHistory": ["MALIBU"],
        "Keep_image_geometry": "1",
        "ImageRowDir": [f"{value:.18f}" for value in head.read_dir],
        "ImageColumnDir": [f"{value:.18f}" for value in head.phase_dir],
    }
    centre, width = float(meta.pop("WindowCenter", 0)), float(meta.pop("WindowWidth", 0))
    if width >= _NARROWEST_WINDOW:
        meta |= {"WindowCenter": str(math.floor(centre + 0.5)), "WindowWidth": str(math.floor(width + 0.5))}
    if table := _COLOUR_TABLES.get(str(meta.get("ColorMap"))):
        meta["LUTFileName"] = table
    return ismrmrd.Meta(meta)


def dialect_of(name: str, header: ismrmrd.xsd.ismrmrdHeader) -> Dialect:
    """Make the dialect of a stream.

    Parameters
    ----------
    name : {"gadgetron", "fire"}
    header : ismrmrd.xsd.ismrmrdHeader
        Its user parameter BitsStored says how large a console's pixels are.
    """
    if name == "gadgetron":
        return GadgetronDialect()
    longs = header.userParameters.userParameterLong if header.userParameters else []
    stored = [int(one.value) for one in longs if one.name == "BitsStored"]
    return FireDialect(min(16, max(8, stored[0])) if stored else _STORED_BITS)
