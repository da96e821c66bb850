"""The image series of the Multitasking gadget: one record each, with number, name, pixels and Meta in one place."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gadgets.mrd.image_meta import COUNTER_LIMIT, window_of
from recon.errors import DataError
from recon.temporal.bins import nearest_bin

if TYPE_CHECKING:
    from recon.multitasking import Frames, RadialScan, Result

GATING_ROWS = ("time_s", "respiration", "respiratory_bin", "cardiac_phase", "cardiac_bin", "kept")
"""Rows of the gating image; one column per imaging spoke. Rows of what was not resolved are -1."""

B1_UNIT = "0.1 %"
"""Unit of the B1 series: 1000 is the nominal flip angle."""


@dataclass
class Picture:
    """One image before it becomes ISMRMRD's.

    Attributes
    ----------
    array : (N, N) or (rows, columns) array
    spoke : int
        Imaging spoke whose counters and times it takes.
    meta : dict
    """

    array: NDArray
    spoke: int = 0
    meta: dict[str, Any] = field(default_factory=dict)


class Choices(Protocol):
    """What the parameters choose among the frames of a result."""

    @property
    def frames(self) -> str:
        """Real-time frames, as first:last:step of the imaging spokes, or auto."""

    @property
    def bright_blood_ti_ms(self) -> float | None:
        """Inversion time of the bright-blood cine."""

    @property
    def dark_blood_ti_ms(self) -> float | None:
        """Inversion time of the dark-blood cine."""

    @property
    def t1_frames(self) -> int:
        """Inversion times of the T1-recovery series."""


Maker = Callable[["Result", "RadialScan", Choices], list[Picture]]


@dataclass(frozen=True)
class Series:
    """One output series.

    Attributes
    ----------
    number : int
        Series index; further measurements of a stream add 20 each. Every series has one matrix size.
    description : str
        Name for people.
    make : callable
        Makes the pictures; an empty list says that the scan did not resolve what they would show.
    needs_tensor : bool
        Whether only the temporal tensor can give it.
    needs_recovery : bool
        Whether only a scan with inversions can give it.
    needs_times : bool
        Whether a static temporal model, which has but one image, cannot give it.
    needs_t1 : bool
        Whether the fit of T1 gives it.
    animation : str
        Caption of the report's animation, if there is one.
    """

    number: int
    description: str
    make: Maker
    needs_tensor: bool = True
    needs_recovery: bool = False
    needs_times: bool = False
    needs_t1: bool = False
    animation: str = ""

    def is_possible(self, result: "Result") -> bool:
        """Whether the temporal model of a result can give it, if the scan resolves it."""
        has_tensor, is_static = result.temporal.gated is not None, result.temporal.source == "static"
        possible = (has_tensor or not self.needs_tensor) and (result.recovers or not self.needs_recovery)
        return possible and not (is_static and self.needs_times)


def _time_average(result: "Result", scan: "RadialScan", choices: Choices) -> list[Picture]:
    return [Picture(result.time_average(), meta={"DataRole": ["Image", "AVE"]})]


def _realtime(result: "Result", scan: "RadialScan", choices: Choices) -> list[Picture]:
    if not SERIES["realtime"].is_possible(result):
        return []
    series, spokes = result.realtime(choices.frames)
    window, sequence = window_of(series), scan.sequence
    timeline, pictures = scan.imaging.timeline, []
    for image, spoke in zip(series, spokes, strict=True):
        meta = window | {
            "FrameTimeMs": f"{1000 * timeline.time_s[spoke]:.6g}",
            "FrameSpoke": int(spoke),
        }
        if sequence.ti_ms is not None and len(np.unique(timeline.inversion)) > 1:
            meta |= _inversion_time(sequence.ti_ms + timeline.pulse[spoke] * sequence.known_tr_ms)
        pictures.append(Picture(image, int(spoke), meta))
    return pictures


def _basis_maps(result: "Result", scan: "RadialScan", choices: Choices) -> list[Picture]:
    return [
        Picture(basis_map, meta={"DataRole": "SpatialFactor", "BasisIndex": index})
        for index, basis_map in enumerate(result.spatial_factor)
    ]


def _temporal_basis(result: "Result", scan: "RadialScan", choices: Choices) -> list[Picture]:
    basis = result.temporal.basis
    if basis.shape[1] > COUNTER_LIMIT:
        raise DataError(
            f"the temporal basis of {basis.shape[1]} spokes does not fit an ISMRMRD image "
            f"({COUNTER_LIMIT} pixels a side); leave temporal_basis out of images"
        )
    values = result.temporal.singular_values[: 4 * len(basis)]
    meta = {"DataRole": "TemporalBasis", "SingularValues": " ".join(f"{value:.6g}" for value in values)}
    return [Picture(basis, meta=meta)]


def _pictures(result: "Result", shown: "Frames") -> list[Picture]:
    """Magnitude frames at one window, each saying which cell of the tensor it is."""
    window, gated = window_of(shown.images), result.gated
    cells, beats, pictures = shown.cells, gated.gating.beats, []
    for image, time_ms, c, r, n in zip(
        shown.images, shown.inversion_time_ms, cells.cardiac, cells.respiratory, cells.pulse, strict=True
    ):
        meta: dict[str, Any] = window | {"CardiacBin": int(c), "RespiratoryBin": int(r)}
        if result.recovers:
            meta |= _inversion_time(time_ms) | {"PulsesSinceInversion": int(n)}
        if beats is not None:
            interval_ms = 60_000 / beats.rate_per_minute
            meta |= {"CardiacPhaseMs": f"{interval_ms * c / len(gated.tensor.cardiac):.6g}"}
        pictures.append(Picture(image, meta=meta))
    return pictures


def _cine_bright(result: "Result", scan: "RadialScan", choices: Choices) -> list[Picture]:
    return _pictures(result, result.cine(choices.bright_blood_ti_ms)) if result.beats else []


def _cine_dark(result: "Result", scan: "RadialScan", choices: Choices) -> list[Picture]:
    possible = result.beats and result.recovers
    return _pictures(result, result.cine(choices.dark_blood_ti_ms, dark_blood=True)) if possible else []


def _t1_recovery(result: "Result", scan: "RadialScan", choices: Choices) -> list[Picture]:
    return _pictures(result, result.recovery(choices.t1_frames)) if result.recovers else []


def _respiratory(result: "Result", scan: "RadialScan", choices: Choices) -> list[Picture]:
    return _pictures(result, result.respiration(choices.bright_blood_ti_ms)) if result.breathes else []


def _t1_map(result: "Result", scan: "RadialScan", choices: Choices) -> list[Picture]:
    return _milliseconds(result, "t1_ms", "T1MAP", 2000, "Hot Metal")


def _t1_uncertainty(result: "Result", scan: "RadialScan", choices: Choices) -> list[Picture]:
    return _milliseconds(result, "uncertainty_ms", "T1SD", 200, "Rainbow")


def _milliseconds(result: "Result", values: str, role: str, width_ms: int, colors: str) -> list[Picture]:
    if result.t1_map is None:
        return []
    flip_angle_deg = result.gated.sequence.flip_angle_deg
    meta = {
        "InversionEfficiency": f"{result.t1_map.efficiency:.4g}",
        "TrueFlipAngleDeg": f"{flip_angle_deg:.6g}",
    }
    if result.b1 is not None:
        in_body = float(np.median(result.b1.scale[result.t1_map.t1_ms > 0]))
        meta |= {"TrueFlipAngleDeg": f"{in_body * flip_angle_deg:.6g}", "MalibuB1Source": result.b1.source}
    pixels = getattr(result.t1_map, values)
    return [_quantitative(pixels, "ms", role, width_ms // 2, width_ms, colors, meta)]


def _b1_map(result: "Result", scan: "RadialScan", choices: Choices) -> list[Picture]:
    return _per_mille(result, "scale", "B1MAP", 1000, 1000)


def _b1_uncertainty(result: "Result", scan: "RadialScan", choices: Choices) -> list[Picture]:
    return _per_mille(result, "deviation", "B1SD", 50, 100)


def _per_mille(result: "Result", values: str, role: str, center: int, width: int) -> list[Picture]:
    """B1 in tenths of a per cent of the nominal flip angle, in the body; none where one number was taken for all."""
    if result.b1 is None or result.t1_map is None:
        return []
    share = getattr(result.b1, values) * result.settings.flip_angle_scale * (result.t1_map.t1_ms > 0)
    meta = {"MalibuB1Source": result.b1.source}
    return [_quantitative(1000 * share, B1_UNIT, role, center, width, "Rainbow", meta)]


def _quantitative(
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


def _gating(result: "Result", scan: "RadialScan", choices: Choices) -> list[Picture]:
    gated = result.temporal.gated
    if gated is None:
        return []
    gating, time_s = gated.gating, result.temporal.imaging.time_s
    rows = dict.fromkeys(GATING_ROWS, np.full(len(time_s), -1.0)) | {"time_s": time_s, "kept": result.temporal.kept}
    if gating.respiration is not None:
        rows["respiration"] = np.interp(time_s, gated.navigator_time_s, gating.respiration)
        rows["respiratory_bin"] = nearest_bin(gated.weights.respiratory)
    meta: dict[str, Any] = {"DataRole": "Gating", "Rows": list(GATING_ROWS)}
    if gating.beats is not None:
        rows["cardiac_phase"] = gating.beats.phase(time_s, gating.origin)
        rows["cardiac_bin"] = nearest_bin(gated.weights.cardiac)
        meta["BeatTimesS"] = " ".join(f"{time:.3f}" for time in gating.beats.time_s)
        ectopic = " ".join(str(number) for number in np.flatnonzero(gating.beats.is_ectopic))
        meta["EctopicBeats"] = ectopic or "none"
    return [Picture(np.stack([rows[name] for name in GATING_ROWS]).astype(np.float32), meta=meta)]


def _back_projection(result: "Result", scan: "RadialScan", choices: Choices) -> list[Picture]:
    """The bright-blood cine, else the real-time frames or the one image, as they were before network or ADMM."""
    if result.back_projection is result.spatial_factor:
        return []
    before = result.before()
    pictures = _cine_bright(before, scan, choices) or _realtime(before, scan, choices)
    pictures = pictures or [Picture(before.time_average())]
    for picture in pictures:
        picture.meta |= {"MalibuReconstruction": "backprojection"}
    return pictures


# Series numbers are part of the interface: consoles sort by them.
SERIES = {
    "time_average": Series(1, "time average", _time_average, needs_tensor=False),
    "realtime": Series(2, "real-time", _realtime, needs_tensor=False, needs_times=True),
    "basis_maps": Series(3, "basis maps", _basis_maps, needs_tensor=False),
    "temporal_basis": Series(4, "temporal basis", _temporal_basis, needs_tensor=False),
    "cine_bright": Series(5, "cine, bright blood", _cine_bright, animation="Cine at end-expiration, bright blood"),
    "cine_dark": Series(
        6, "cine, dark blood", _cine_dark, needs_recovery=True, animation="Cine at end-expiration, dark blood"
    ),
    "t1_recovery": Series(
        7,
        "T1 recovery",
        _t1_recovery,
        needs_recovery=True,
        animation="T1 recovery at end-diastole and end-expiration",
    ),
    "respiratory": Series(
        8, "respiratory motion", _respiratory, animation="Respiratory motion at end-diastole, bright blood"
    ),
    "t1_map": Series(9, "T1 map (ms)", _t1_map, needs_recovery=True, needs_t1=True),
    "t1_uncertainty": Series(10, "T1 standard deviation (ms)", _t1_uncertainty, needs_recovery=True, needs_t1=True),
    "gating": Series(11, "gating", _gating),
    "back_projection": Series(12, "back-projection, for comparison", _back_projection, needs_tensor=False),
    "b1_map": Series(15, "B1 map (0.1 % of nominal)", _b1_map, needs_recovery=True, needs_t1=True),
    "b1_uncertainty": Series(16, "B1 standard deviation (0.1 %)", _b1_uncertainty, needs_recovery=True, needs_t1=True),
}
"""Every kind of image that the parameter ``images`` may name, in the order in which they are sent."""


def _inversion_time(time_ms: float) -> dict[str, str]:
    return {"InversionTime": f"{time_ms:.6g}", "GADGETRON_TI": f"{time_ms:.6g}"}
