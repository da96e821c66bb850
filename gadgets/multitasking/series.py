"""The image series of the Multitasking gadget: one record each, with number, name, pixels and Meta in one place."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gadgets.configuration import as_list
from gadgets.mrd.image_meta import COUNTER_LIMIT, window_of
from gadgets.multitasking.pictures.picture import Choices, Picture, Series
from gadgets.multitasking.pictures.quantitative_maps import b1_map, b1_uncertainty, t1_map, t1_uncertainty
from gadgets.multitasking.pictures.temporal_factors import basis_maps_before, temporal_factors
from gadgets.multitasking.pictures.trust_maps import misfit_map, uncertainty_meta, uncertainty_of
from recon.errors import DataError
from recon.temporal.bins import nearest_bin

if TYPE_CHECKING:
    from recon.multitasking import Frames, RadialScan, Result

GATING_ROWS = ("time_s", "respiration", "respiratory_bin", "cardiac_phase", "cardiac_bin", "kept")
"""Rows of the gating image; one column per imaging spoke. Rows of what was not resolved are -1."""


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


def _frame_uncertainty(result: "Result", scan: "RadialScan", choices: Choices) -> list[Picture]:
    """Standard deviation of the bright-blood cine, else of the real-time frames or of the one image."""
    if not result.samples:
        return []
    if result.beats:
        shown = result.cine(choices.bright_blood_ti_ms)
        deviation = uncertainty_of(result, result.functions(shown.cells))
        pictures = _pictures(result, replace(shown, images=deviation))
    elif pictures := _realtime(result, scan, choices):
        kept = np.flatnonzero(result.temporal.kept)
        columns = np.searchsorted(kept, [picture.spoke for picture in pictures])
        deviation = uncertainty_of(result, result.temporal.basis[:, columns])
        for picture, image in zip(pictures, deviation, strict=True):
            picture.array, picture.meta = image, picture.meta | window_of(deviation)
    else:
        pictures = [Picture(uncertainty_of(result, result.temporal.basis.mean(axis=1, keepdims=True))[0])]
    for picture in pictures:
        picture.meta |= uncertainty_meta(result)
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
    "t1_map": Series(9, "T1 map (ms)", t1_map, needs_recovery=True, needs_t1=True),
    "t1_uncertainty": Series(10, "T1 standard deviation (ms)", t1_uncertainty, needs_recovery=True, needs_t1=True),
    "gating": Series(11, "gating", _gating),
    "back_projection": Series(12, "back-projection, for comparison", _back_projection, needs_tensor=False),
    "b1_map": Series(15, "B1 map (0.1 % of nominal)", b1_map, needs_recovery=True, needs_t1=True),
    "b1_uncertainty": Series(16, "B1 standard deviation (0.1 %)", b1_uncertainty, needs_recovery=True, needs_t1=True),
    "frame_uncertainty": Series(17, "frames' standard deviation", _frame_uncertainty, needs_tensor=False),
    "data_misfit": Series(18, "data misfit by region (1 %)", misfit_map, needs_tensor=False, on_request=True),
    "tensor": Series(19, "factors of the temporal tensor", temporal_factors),
    "basis_maps_before": Series(
        20, "basis maps of the back-projection", basis_maps_before, needs_tensor=False, on_request=True
    ),
}
"""Every kind of image that the parameter ``images`` may name, in the order in which they are sent."""

SENT = tuple(kind for kind, one in SERIES.items() if not one.on_request)
"""Those that are sent unless others are named."""


def named_series(value: Any) -> Any:
    """Read names of series; those that all begin with a plus come beside what is sent anyway."""
    names = as_list(value)
    more = [str(name) for name in names or ()]
    return [*SENT, *(name[1:] for name in more)] if more and all(name[:1] == "+" for name in more) else names


def _inversion_time(time_ms: float) -> dict[str, str]:
    return {"InversionTime": f"{time_ms:.6g}", "GADGETRON_TI": f"{time_ms:.6g}"}
