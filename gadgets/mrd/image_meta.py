"""What every image that leaves malibu has in its Meta: a window, and the names that Gadgetron's writers use."""

from collections.abc import Sequence

import ismrmrd
import numpy as np
from numpy.typing import NDArray

COUNTER_LIMIT = 65535
"""Largest image number and matrix size that an ISMRMRD image header holds (uint16)."""

_GADGETRON_NAMES = {
    "DataRole": "GADGETRON_DataRole",
    "ImageComments": "GADGETRON_ImageComment",
    "SeriesDescription": "GADGETRON_SeqDescription",
    "WindowCenter": "GADGETRON_WindowCenter",
    "WindowWidth": "GADGETRON_WindowWidth",
}
"""MRD's names, as FIRE reads them, and those of Gadgetron's own writers."""


def window_of(array: NDArray) -> dict[str, str]:
    """Window from zero to all but the brightest 0.5 % of the pixels."""
    peak = float(np.percentile(np.abs(array), 99.5))
    return {"WindowCenter": f"{peak / 2:.6g}", "WindowWidth": f"{max(peak, 1e-6):.6g}"}


def range_of(arrays: Sequence[NDArray]) -> dict[str, list[str]]:
    """Lowest and highest value of images that are made together, so that one scale can hold for all of them."""
    if not arrays or arrays[0].dtype.kind != "f":
        return {}
    low, high = min(float(np.min(array)) for array in arrays), max(float(np.max(array)) for array in arrays)
    return {"MalibuSeriesRange": [f"{low:.9g}", f"{high:.9g}"]}


def name_for_gadgetron(image: ismrmrd.Image) -> None:
    """Repeat entries of an image's Meta under the names that Gadgetron's writers use."""
    for name, gadgetron_name in _GADGETRON_NAMES.items():
        image.meta[gadgetron_name] = image.meta[name]
