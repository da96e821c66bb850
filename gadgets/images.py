"""Arrays become ISMRMRD images, once: geometry, series, window, Meta, research label."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import ismrmrd
import numpy as np
from numpy.typing import NDArray

from gadgets import RESEARCH_LABEL, __version__
from gadgets.acquisitions import SliceReadouts
from gadgets.header import ScanHeader
from gadgets.parameters import MultitaskingParameters
from gadgets.stages import StageClock
from recon.errors import DataError
from recon.frames import frames, time_average

SERIES = {"time_average": 1, "realtime": 2, "basis_maps": 3, "temporal_basis": 4}
"""Series index by kind; each series has one matrix size."""

_DESCRIPTION = {
    "time_average": "time average",
    "realtime": "real-time",
    "basis_maps": "basis maps",
    "temporal_basis": "temporal basis",
}
_AUTO_FRAMES = 40
_COUNTER_LIMIT = 65535


@dataclass(frozen=True)
class MultitaskingResult:
    """What one slice's reconstruction found.

    Attributes
    ----------
    spatial_factor : (L, N, N) complex64
        U₀; with prewhitening its unit is the standard deviation of the receiver noise.
    temporal_basis : (L, spokes) complex64
        Φ, rows orthonormal over the imaging spokes.
    singular_values : (components,) float64
        Of the navigator, largest first.
    coils : int
        Virtual coils.
    prewhitened : bool
    nufft, device : str
        What computed it.
    tr_ms : float
    """

    spatial_factor: NDArray
    temporal_basis: NDArray
    singular_values: NDArray
    coils: int
    prewhitened: bool
    nufft: str
    device: str
    tr_ms: float


def multitasking_images(
    result: MultitaskingResult,
    readouts: SliceReadouts,
    header: ScanHeader,
    parameters: MultitaskingParameters,
    clock: StageClock,
    measurement: int = 0,
) -> Iterator[ismrmrd.Image]:
    """Make the images of one slice that the parameters ask for, in the order of their series.

    Parameters
    ----------
    result : MultitaskingResult
    readouts : SliceReadouts
        Counters, times and geometry.
    header : ScanHeader
    parameters : MultitaskingParameters
    clock : StageClock
        Its seconds go into the Meta of the first image.
    measurement : int
        Position of the measurement in the stream; the series of the second start at 11, and so on.

    Yields
    ------
    ismrmrd.Image
        complex64 basis maps and temporal basis, float32 magnitudes.
    """
    common = _common_meta(result, readouts, header, parameters)
    seconds: dict[str, float] | None = clock.seconds
    with clock.stage("make images"):
        made = {
            kind: _MAKERS[kind](result, readouts, header, parameters)
            for kind in sorted(parameters.images, key=SERIES.__getitem__)
        }
    for kind, images in made.items():
        for index, (array, spoke, meta) in enumerate(images):
            if seconds is not None:
                meta["MalibuStageSeconds"] = json.dumps({name: round(value, 4) for name, value in seconds.items()})
                seconds = None
            number = readouts.slice_index * len(images) + index + 1
            series = SERIES[kind] + 10 * measurement
            yield _image(array, kind, (series, number), readouts.headers[spoke], header, common | meta)


def _image(
    array: NDArray,
    kind: str,
    place: tuple[int, int],
    reference: ismrmrd.AcquisitionHeader,
    header: ScanHeader,
    meta: dict,
) -> ismrmrd.Image:
    series, number = place
    if number > _COUNTER_LIMIT:
        raise DataError(f"series {kind} would have more than {_COUNTER_LIMIT} images; send fewer frames")
    is_complex = np.iscomplexobj(array)
    image = ismrmrd.Image.from_array(
        np.ascontiguousarray(array),
        acquisition=reference,
        transpose=False,
        field_of_view=header.fov_mm,
        image_type=ismrmrd.IMTYPE_COMPLEX if is_complex else ismrmrd.IMTYPE_MAGNITUDE,
        image_index=number,
        image_series_index=series,
    )
    comment = f"malibu {_DESCRIPTION[kind]}, {meta['MalibuReconstruction']}, {RESEARCH_LABEL}"
    named = {
        "DataRole": meta.pop("DataRole", "Image"),
        "ImageComments": comment,
        "SeriesDescription": f"malibu {_DESCRIPTION[kind]}",
        "ImageRowDir": [f"{value:.9g}" for value in reference.read_dir],
        "ImageColumnDir": [f"{value:.9g}" for value in reference.phase_dir],
    }
    image.meta = named | _window(array) | meta
    for name, gadgetron_name in _GADGETRON_NAMES.items():
        image.meta[gadgetron_name] = image.meta[name]
    return image


def _window(array: NDArray) -> dict[str, str]:
    """Window from zero to all but the brightest 0.5 % of the pixels."""
    peak = float(np.percentile(np.abs(array), 99.5))
    return {"WindowCenter": f"{peak / 2:.6g}", "WindowWidth": f"{max(peak, 1e-6):.6g}"}


_GADGETRON_NAMES = {
    "DataRole": "GADGETRON_DataRole",
    "ImageComments": "GADGETRON_ImageComment",
    "SeriesDescription": "GADGETRON_SeqDescription",
    "WindowCenter": "GADGETRON_WindowCenter",
    "WindowWidth": "GADGETRON_WindowWidth",
}
"""MRD's names, as FIRE reads them, and those of Gadgetron's own writers."""


def _common_meta(
    result: MultitaskingResult,
    readouts: SliceReadouts,
    header: ScanHeader,
    parameters: MultitaskingParameters,
) -> dict:
    settings = parameters.model_dump(mode="json", exclude={"rescue_folder"})
    return {
        "MalibuVersion": __version__,
        "MalibuParameters": json.dumps(settings),
        "MalibuReconstruction": parameters.reconstruction,
        "MalibuRank": len(result.temporal_basis),
        "MalibuCoils": result.coils,
        "MalibuSpokes": len(readouts.imaging),
        "MalibuNavigators": len(readouts.navigators),
        "MalibuTrajectoryUnit": readouts.trajectory_unit,
        "MalibuNufft": result.nufft,
        "MalibuDevice": result.device,
        "MalibuPixelUnit": "receiver noise standard deviation" if result.prewhitened else "receiver unit",
        "RepetitionTimeMs": f"{result.tr_ms:.6g}",
        **({"FlipAngleDeg": f"{header.flip_angle_deg:.6g}"} if header.flip_angle_deg else {}),
    }


_Made = list[tuple[NDArray, int, dict]]


def _time_average(
    result: MultitaskingResult,
    readouts: SliceReadouts,
    header: ScanHeader,
    parameters: MultitaskingParameters,
) -> _Made:
    return [
        (
            np.abs(time_average(result.spatial_factor, result.temporal_basis)),
            0,
            {"DataRole": ["Image", "AVE"]},
        )
    ]


def _realtime(
    result: MultitaskingResult,
    readouts: SliceReadouts,
    header: ScanHeader,
    parameters: MultitaskingParameters,
) -> _Made:
    spokes = frame_spokes(parameters.frames, readouts.inversion)
    series = np.abs(frames(result.spatial_factor, result.temporal_basis[:, spokes]))
    window = _window(series)
    made: _Made = []
    for image, spoke in zip(series, spokes, strict=True):
        meta = window | {
            "FrameTimeMs": f"{readouts.readout_index[spoke] * result.tr_ms:.6g}",
            "FrameSpoke": int(spoke),
        }
        if header.ti_ms is not None and len(np.unique(readouts.inversion)) > 1:
            inversion_time = header.ti_ms + readouts.since_inversion[spoke] * result.tr_ms
            meta |= {"InversionTime": f"{inversion_time:.6g}", "GADGETRON_TI": f"{inversion_time:.6g}"}
        made.append((image, int(spoke), meta))
    return made


def _basis_maps(
    result: MultitaskingResult,
    readouts: SliceReadouts,
    header: ScanHeader,
    parameters: MultitaskingParameters,
) -> _Made:
    return [
        (basis_map, 0, {"DataRole": "SpatialFactor", "BasisIndex": index})
        for index, basis_map in enumerate(result.spatial_factor)
    ]


def _temporal_basis(
    result: MultitaskingResult,
    readouts: SliceReadouts,
    header: ScanHeader,
    parameters: MultitaskingParameters,
) -> _Made:
    if result.temporal_basis.shape[1] > _COUNTER_LIMIT:
        raise DataError(
            f"the temporal basis of {result.temporal_basis.shape[1]} spokes does not fit an ISMRMRD image "
            f"({_COUNTER_LIMIT} pixels a side); leave temporal_basis out of images"
        )
    values = result.singular_values[: 4 * len(result.temporal_basis)]
    meta = {"DataRole": "TemporalBasis", "SingularValues": " ".join(f"{value:.6g}" for value in values)}
    return [(result.temporal_basis, 0, meta)]


_MAKERS = {
    "time_average": _time_average,
    "realtime": _realtime,
    "basis_maps": _basis_maps,
    "temporal_basis": _temporal_basis,
}


def frame_spokes(selection: str, inversion: NDArray) -> NDArray:
    """Imaging spokes whose times become real-time frames.

    Parameters
    ----------
    selection : str
        ``first:last:step`` as a Python slice, or ``auto``: 40 frames evenly over the last full inversion period.
    inversion : (spokes,) int
        Number of the inversion period of each imaging spoke.

    Returns
    -------
    (frames,) int

    Raises
    ------
    DataError
        If the selection is empty.
    """
    if selection == "auto":
        periods, counts = np.unique(inversion, return_counts=True)
        full = periods[counts >= counts.max() - 1][-1]
        spokes = np.flatnonzero(inversion == full)
        return spokes[np.unique(np.linspace(0, len(spokes) - 1, _AUTO_FRAMES).round().astype(int))]
    bounds = [int(part) if part else None for part in selection.split(":")]
    spokes = np.arange(len(inversion))[slice(*bounds)]
    if not len(spokes):
        raise DataError(f"frames = {selection} selects none of the {len(inversion)} imaging spokes")
    return spokes
