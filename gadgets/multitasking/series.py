"""What one slice's reconstruction found, and the image series that are made of it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from gadgets.mrd.header import ScanHeader
from gadgets.multitasking.parameters import MultitaskingParameters
from gadgets.multitasking.readouts import SliceReadouts
from gadgets.multitasking.selection import bright_blood_pulse, dark_blood_pulse, frame_spokes, t1_state
from gadgets.multitasking.temporal import Temporal
from recon.errors import DataError
from recon.relaxometry.t1 import T1Map
from recon.spatial.frames import frames, time_average
from recon.temporal.bins import nearest_bin
from recon.temporal.model import TimeModel

SERIES = {
    "time_average": 1,
    "realtime": 2,
    "basis_maps": 3,
    "temporal_basis": 4,
    "cine_bright": 5,
    "cine_dark": 6,
    "t1_recovery": 7,
    "respiratory": 8,
    "t1_map": 9,
    "t1_uncertainty": 10,
    "gating": 11,
    "back_projection": 12,
}
"""Series index by kind; each series has one matrix size. Further measurements of a stream add 20 each."""

GATING_ROWS = ("time_s", "respiration", "respiratory_bin", "cardiac_phase", "cardiac_bin", "kept")
"""Rows of the gating image; one column per imaging spoke. Rows of what was not resolved are -1."""

_COUNTER_LIMIT = 65535
_T1_WINDOW = {"WindowCenter": "1000", "WindowWidth": "2000"}
_DEVIATION_WINDOW = {"WindowCenter": "100", "WindowWidth": "200"}
_COLOR_MAPS = {"t1_map": "Hot Metal", "t1_uncertainty": "Rainbow"}


@dataclass(frozen=True)
class MultitaskingResult:
    """What one slice's reconstruction found.

    Attributes
    ----------
    spatial_factor : (L, N, N) complex64
        U; with prewhitening its unit is the standard deviation of the receiver noise.
    temporal : Temporal
        Φ and its model.
    t1_map : T1Map or None
    back_projection : (L, N, N) complex64
        U₀: what the network or ADMM was given.
    method : str
        What made U of it.
    network : dict of str to str
        Meta entries on the network.
    coils : int
        Virtual coils.
    prewhitened : bool
    nufft, device : str
        What computed it.
    tr_ms : float
    """

    spatial_factor: NDArray
    temporal: Temporal
    t1_map: T1Map | None
    back_projection: NDArray
    method: str
    network: dict[str, str]
    coils: int
    prewhitened: bool
    nufft: str
    device: str
    tr_ms: float


@dataclass
class Picture:
    """One image before it becomes ISMRMRD's.

    Attributes
    ----------
    array : (N, N) or (rows, columns) array
    spoke : int
        Imaging spoke whose header it takes.
    meta : dict
    """

    array: NDArray
    spoke: int = 0
    meta: dict = field(default_factory=dict)


Maker = Callable[[MultitaskingResult, SliceReadouts, ScanHeader, MultitaskingParameters], list[Picture]]


def _time_average(result: MultitaskingResult, *_: object) -> list[Picture]:
    average = np.abs(time_average(result.spatial_factor, result.temporal.basis))
    return [Picture(average, meta={"DataRole": ["Image", "AVE"]})]


def _realtime(
    result: MultitaskingResult, readouts: SliceReadouts, header: ScanHeader, parameters: MultitaskingParameters
) -> list[Picture]:
    spokes = np.flatnonzero(result.temporal.kept)
    columns = frame_spokes(parameters.frames, readouts.inversion[spokes])
    series = np.abs(frames(result.spatial_factor, result.temporal.basis[:, columns]))
    window = window_of(series)
    pictures = []
    for image, spoke in zip(series, spokes[columns], strict=True):
        meta = window | {
            "FrameTimeMs": f"{readouts.readout_index[spoke] * result.tr_ms:.6g}",
            "FrameSpoke": int(spoke),
        }
        if header.ti_ms is not None and len(np.unique(readouts.inversion)) > 1:
            meta |= _inversion_time(header.ti_ms + readouts.since_inversion[spoke] * result.tr_ms)
        pictures.append(Picture(image, int(spoke), meta))
    return pictures


def _basis_maps(result: MultitaskingResult, *_: object) -> list[Picture]:
    return [
        Picture(basis_map, meta={"DataRole": "SpatialFactor", "BasisIndex": index})
        for index, basis_map in enumerate(result.spatial_factor)
    ]


def _temporal_basis(result: MultitaskingResult, *_: object) -> list[Picture]:
    basis = result.temporal.basis
    if basis.shape[1] > _COUNTER_LIMIT:
        raise DataError(
            f"the temporal basis of {basis.shape[1]} spokes does not fit an ISMRMRD image "
            f"({_COUNTER_LIMIT} pixels a side); leave temporal_basis out of images"
        )
    values = result.temporal.singular_values[: 4 * len(basis)]
    meta = {"DataRole": "TemporalBasis", "SingularValues": " ".join(f"{value:.6g}" for value in values)}
    return [Picture(basis, meta=meta)]


def _cells(
    result: MultitaskingResult, model: TimeModel, cardiac: NDArray, respiratory: NDArray, pulses: NDArray
) -> list[Picture]:
    """Magnitude frames of chosen cells, at one window, each saying which cell it is."""
    cells = np.broadcast_arrays(cardiac, respiratory, pulses)
    phi = model.tensor.cells(*cells).astype(np.float32)
    series = np.abs(frames(result.spatial_factor, phi))
    window, beats = window_of(series), model.gating.beats
    pictures = []
    for image, c, r, n in zip(series, *cells, strict=True):
        meta: dict = window | _inversion_time(model.sequence.delay_ms + n * model.sequence.tr_ms)
        meta |= {"CardiacBin": int(c), "RespiratoryBin": int(r), "PulsesSinceInversion": int(n)}
        if beats is not None:
            interval_ms = 60_000 / beats.rate_per_minute
            meta |= {"CardiacPhaseMs": f"{interval_ms * c / len(model.tensor.cardiac):.6g}"}
        pictures.append(Picture(image, meta=meta))
    return pictures


def _cine(dark: bool) -> Maker:
    def make(
        result: MultitaskingResult, readouts: SliceReadouts, header: ScanHeader, parameters: MultitaskingParameters
    ) -> list[Picture]:
        model = result.temporal.model
        if model is None or model.gating.beats is None:
            return []
        if dark:
            efficiency = result.t1_map.efficiency if result.t1_map else None
            pulse = dark_blood_pulse(result.temporal.imaging, model, parameters, efficiency)
        else:
            pulse = bright_blood_pulse(result.temporal.imaging, model, parameters)
        phases = np.arange(len(model.tensor.cardiac))
        return _cells(result, model, phases, np.array(model.end_expiration), np.array(pulse))

    return make


def _t1_recovery(
    result: MultitaskingResult, readouts: SliceReadouts, header: ScanHeader, parameters: MultitaskingParameters
) -> list[Picture]:
    model = result.temporal.model
    if model is None:
        return []
    known = np.unique(result.temporal.imaging.pulse)
    chosen = known[np.unique(np.linspace(0, len(known) - 1, parameters.t1_frames).round().astype(int))]
    cardiac, respiratory = t1_state(model, parameters)
    return _cells(result, model, np.array(cardiac), np.array(respiratory), chosen)


def _respiratory(
    result: MultitaskingResult, readouts: SliceReadouts, header: ScanHeader, parameters: MultitaskingParameters
) -> list[Picture]:
    model = result.temporal.model
    if model is None or model.gating.respiration is None:
        return []
    states = np.arange(len(model.tensor.respiratory))
    pulse = bright_blood_pulse(result.temporal.imaging, model, parameters)
    return _cells(result, model, np.array(0), states, np.array(pulse))


def _t1(kind: str) -> Maker:
    def make(result: MultitaskingResult, *_: object) -> list[Picture]:
        if result.t1_map is None or result.temporal.model is None:
            return []
        values = result.t1_map.t1_ms if kind == "t1_map" else result.t1_map.uncertainty_ms
        meta = (_T1_WINDOW if kind == "t1_map" else _DEVIATION_WINDOW) | {
            "DataRole": ["Quantitative", "T1MAP" if kind == "t1_map" else "T1SD"],
            "MalibuUnit": "ms",
            "ScaleRatio": "1",
            "GADGETRON_ScaleRatio": "1",
            "ScaleOffset": "0",
            "GADGETRON_ScaleOffset": "0",
            "ColorMap": _COLOR_MAPS[kind],
            "GADGETRON_ColorMap": _COLOR_MAPS[kind],
            "InversionEfficiency": f"{result.t1_map.efficiency:.4g}",
            "TrueFlipAngleDeg": f"{result.temporal.model.sequence.flip_angle_deg:.6g}",
        }
        return [Picture(np.clip(np.rint(values), 0, _COUNTER_LIMIT).astype(np.uint16), meta=meta)]

    return make


def _gating(result: MultitaskingResult, *_: object) -> list[Picture]:
    model = result.temporal.model
    if model is None:
        return []
    gating, time_s = model.gating, result.temporal.imaging.time_s
    missing = np.full(len(time_s), -1.0)
    rows = dict.fromkeys(GATING_ROWS, missing) | {"time_s": time_s, "kept": result.temporal.kept}
    if gating.respiration is not None:
        rows["respiration"] = np.interp(time_s, model.navigator_time_s, gating.respiration)
        rows["respiratory_bin"] = nearest_bin(model.imaging.respiratory)
    meta = {"DataRole": "Gating", "Rows": list(GATING_ROWS)}
    if gating.beats is not None:
        rows["cardiac_phase"] = gating.beats.phase(time_s, gating.origin)
        rows["cardiac_bin"] = nearest_bin(model.imaging.cardiac)
        meta["BeatTimesS"] = " ".join(f"{time:.3f}" for time in gating.beats.time_s)
        ectopic = " ".join(str(number) for number in np.flatnonzero(gating.beats.is_ectopic))
        meta["EctopicBeats"] = ectopic or "none"
    return [Picture(np.stack([rows[name] for name in GATING_ROWS]).astype(np.float32), meta=meta)]


def _back_projection(result: MultitaskingResult, *arguments: object) -> list[Picture]:
    """The bright-blood cine, or else the real-time frames, as they were before network or ADMM."""
    if result.back_projection is result.spatial_factor:
        return []
    before = replace(result, spatial_factor=result.back_projection)
    pictures = MAKERS["cine_bright"](before, *arguments) or MAKERS["realtime"](before, *arguments)  # type: ignore[arg-type]
    for picture in pictures:
        picture.meta |= {"MalibuReconstruction": "backprojection"}
    return pictures


MAKERS: dict[str, Maker] = {
    "time_average": _time_average,
    "realtime": _realtime,
    "basis_maps": _basis_maps,
    "temporal_basis": _temporal_basis,
    "cine_bright": _cine(dark=False),
    "cine_dark": _cine(dark=True),
    "t1_recovery": _t1_recovery,
    "respiratory": _respiratory,
    "t1_map": _t1("t1_map"),
    "t1_uncertainty": _t1("t1_uncertainty"),
    "gating": _gating,
    "back_projection": _back_projection,
}
"""An empty list says that the scan did not resolve what the series would show."""


def _inversion_time(time_ms: float) -> dict[str, str]:
    return {"InversionTime": f"{time_ms:.6g}", "GADGETRON_TI": f"{time_ms:.6g}"}


def window_of(array: NDArray) -> dict[str, str]:
    """Window from zero to all but the brightest 0.5 % of the pixels."""
    peak = float(np.percentile(np.abs(array), 99.5))
    return {"WindowCenter": f"{peak / 2:.6g}", "WindowWidth": f"{max(peak, 1e-6):.6g}"}
