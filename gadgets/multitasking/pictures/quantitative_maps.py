"""Maps of T1 and B1, and of their uncertainty, as pictures in units of their own."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gadgets.mrd.image_meta import COUNTER_LIMIT
from gadgets.multitasking.pictures.picture import Choices, Picture

if TYPE_CHECKING:
    from recon.multitasking import RadialScan, Result

B1_UNIT = "0.1 %"
"""Unit of the B1 series: 1000 is the nominal flip angle."""


def t1_map(result: "Result", scan: "RadialScan", choices: Choices) -> list[Picture]:
    """T1 in ms."""
    return _milliseconds(result, "t1_ms", "T1MAP", 2000, "Hot Metal")


def t1_uncertainty(result: "Result", scan: "RadialScan", choices: Choices) -> list[Picture]:
    """Standard deviation of T1 in ms."""
    return _milliseconds(result, "uncertainty_ms", "T1SD", 200, "Rainbow")


def _milliseconds(result: "Result", values: str, role: str, width_ms: int, colors: str) -> list[Picture]:
    if result.t1_map is None:
        return []
    flip_angle_deg = result.gated.sequence.flip_angle_deg
    meta = {
        "InversionEfficiency": f"{result.t1_map.efficiency:.4g}",
        "MalibuFreshShare": f"{result.t1_map.share:.4g}",
        "TrueFlipAngleDeg": f"{flip_angle_deg:.6g}",
    }
    if (blood := result.t1_map.blood) is not None:
        meta["MalibuBloodT1Ms"] = f"{blood.t1_ms:.0f}"
        meta["MalibuBloodT1DeviationMs"] = f"{blood.t1_ms * blood.deviation:.0f}"
    if result.b1 is not None:
        in_body = float(np.median(result.b1.scale[result.t1_map.t1_ms > 0]))
        meta |= {"TrueFlipAngleDeg": f"{in_body * flip_angle_deg:.6g}", "MalibuB1Source": result.b1.source}
    pixels = getattr(result.t1_map, values)
    return [quantitative(pixels, "ms", role, width_ms // 2, width_ms, colors, meta)]


def b1_map(result: "Result", scan: "RadialScan", choices: Choices) -> list[Picture]:
    """True flip angle in tenths of a per cent of the nominal one."""
    return _per_mille(result, "scale", "B1MAP", 1000, 1000)


def b1_uncertainty(result: "Result", scan: "RadialScan", choices: Choices) -> list[Picture]:
    """Its standard deviation."""
    return _per_mille(result, "deviation", "B1SD", 50, 100)


def _per_mille(result: "Result", values: str, role: str, center: int, width: int) -> list[Picture]:
    """B1 in tenths of a per cent of the nominal flip angle, in the body; none where one number was taken for all."""
    if result.b1 is None or result.t1_map is None:
        return []
    share = getattr(result.b1, values) * result.settings.flip_angle_scale * (result.t1_map.t1_ms > 0)
    meta = {"MalibuB1Source": result.b1.source}
    return [quantitative(1000 * share, B1_UNIT, role, center, width, "Rainbow", meta)]


def quantitative(
    values: NDArray, unit: str, role: str, center: int, width: int, colors: str, more: dict[str, str]
) -> Picture:
    """A map as uint16 in its unit, at scale 1, with a fixed window and a colour map."""
    meta = {
        "WindowCenter": str(center),
        "WindowWidth": str(width),
        "DataRole": ["Quantitative", role],
        "MalibuUnit": unit,
        "ScaleRatio": "1",
        "GADGETRON_ScaleRatio": "1",
        "ScaleOffset": "0",
        "GADGETRON_ScaleOffset": "0",
        "ColorMap": colors,
        "GADGETRON_ColorMap": colors,
    }
    return Picture(np.clip(np.rint(values), 0, COUNTER_LIMIT).astype(np.uint16), meta=meta | more)
