"""Pixels as DICOM stores them: 16-bit integers with one rescale for a whole series, and one window."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gadgets.exchange.planes import PlaneSeries, number

_LARGEST = 65535
"""Stored values use all of 16 bits: a rounding step is then 1/65535 of the series' range."""

_DS_LENGTH = 16
"""Characters of a DICOM decimal string."""


@dataclass(frozen=True)
class StoredValues:
    """The pixels of a series as they are stored: value = slope × stored + intercept.

    Attributes
    ----------
    pixels : list of (y, x) uint16 or int16
        One for each plane.
    slope, intercept : float
        The same for all: slices with slopes of their own look alike to readers that ignore them, and are not.
    """

    pixels: list[NDArray]
    slope: float
    intercept: float

    @property
    def is_signed(self) -> bool:
        """Whether the stored values may be negative."""
        return self.pixels[0].dtype == np.int16


def decimal(value: float) -> str:
    """A number as a DICOM decimal string: the most digits that 16 characters hold."""
    for digits in range(_DS_LENGTH, 0, -1):
        text = f"{value + 0.0:.{digits}g}"
        if len(text) <= _DS_LENGTH:
            return text
    raise ValueError(f"{value} has no decimal string of {_DS_LENGTH} characters")


def stored_values(series: PlaneSeries) -> StoredValues:
    """Bring the pixels of a series to 16-bit integers with one slope and intercept.

    Integers of 16 bits stay what they are, with the rescale that their Meta states (``RescaleSlope``,
    ``RescaleIntercept``, as consoles write it) where it is the same for all. Everything else is rounded to 65536 steps
    from the least value, or zero, to the greatest of the series.

    Parameters
    ----------
    series : PlaneSeries
        Finite pixels.

    Returns
    -------
    StoredValues
    """
    planes = series.planes
    stated = [_stated(plane.meta) for plane in planes]
    types = {plane.pixels.dtype for plane in planes}
    if len(set(stated)) == 1 and len(types) == 1 and types <= {np.dtype(np.uint16), np.dtype(np.int16)}:
        return StoredValues([plane.pixels for plane in planes], *stated[0])
    values = real_values(series)
    least = min(0.0, min(float(plane.min(initial=0)) for plane in values))
    peak = max(float(plane.max(initial=0)) for plane in values)
    slope = float(decimal((peak - least) / _LARGEST)) if peak > least else 1.0
    intercept = float(decimal(least))
    stored = [np.clip(np.rint((plane - intercept) / slope), 0, _LARGEST).astype(np.uint16) for plane in values]
    return StoredValues(stored, slope, intercept)


def real_values(series: PlaneSeries) -> list[NDArray[np.float64]]:
    """Pixels in their unit: integers whose Meta states a rescale are rescaled.

    Parameters
    ----------
    series : PlaneSeries

    Returns
    -------
    list of (y, x) float64
    """
    values = []
    for plane in series.planes:
        slope, intercept = _stated(plane.meta) if plane.pixels.dtype.kind in "iu" else (1.0, 0.0)
        values.append(plane.pixels.astype(np.float64) * slope + intercept)
    return values


def _stated(meta: object) -> tuple[float, float]:
    slope, intercept = number(meta, "RescaleSlope"), number(meta, "RescaleIntercept")  # type: ignore[arg-type]
    return slope or 1.0, intercept or 0.0


def window(series: PlaneSeries, values: Sequence[NDArray]) -> tuple[float, float]:
    """Centre and width in the unit of the rescaled values: as the Meta says, else up to the brightest 0.5 %.

    Parameters
    ----------
    series : PlaneSeries
    values : sequence of (y, x) array
        From :func:`real_values`.

    Returns
    -------
    float, float
    """
    centre, width = (number(series.planes[0].meta, name) for name in ("WindowCenter", "WindowWidth"))
    if centre is not None and width is not None and width > 0:
        return centre, width
    low, high = min(0.0, float(min(plane.min() for plane in values))), float(np.percentile(np.abs(values), 99.5))
    return (low + high) / 2, max(high - low, 1e-6)
