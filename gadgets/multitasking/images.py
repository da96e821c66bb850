"""Arrays become ISMRMRD images, once: geometry, series, window, Meta, research label."""

import json
import logging
from collections.abc import Iterator

import ismrmrd
import numpy as np
from numpy.typing import NDArray

from gadgets import RESEARCH_LABEL, __version__
from gadgets.mrd.header import ScanHeader
from gadgets.multitasking.parameters import MultitaskingParameters
from gadgets.multitasking.readouts import SliceReadouts
from gadgets.multitasking.series import MAKERS, SERIES, MultitaskingResult, window_of
from recon.errors import DataError
from recon.stages import StageClock

log = logging.getLogger(__name__)

_DESCRIPTION = {
    "time_average": "time average",
    "realtime": "real-time",
    "basis_maps": "basis maps",
    "temporal_basis": "temporal basis",
    "cine_bright": "cine, bright blood",
    "cine_dark": "cine, dark blood",
    "t1_recovery": "T1 recovery",
    "respiratory": "respiratory motion",
    "t1_map": "T1 map (ms)",
    "t1_uncertainty": "T1 standard deviation (ms)",
    "gating": "gating",
    "back_projection": "back-projection, for comparison",
}
_COUNTER_LIMIT = 65535
_SERIES_PER_MEASUREMENT = 20


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
        Position of the measurement in the stream; the series of the second start at 21, and so on.

    Yields
    ------
    ismrmrd.Image
        complex64 basis maps and temporal basis, float32 magnitudes.
    """
    common = _common_meta(result, readouts, header, parameters)
    seconds: dict[str, float] | None = clock.seconds
    with clock.stage("make images"):
        made = {
            kind: MAKERS[kind](result, readouts, header, parameters)
            for kind in sorted(parameters.images, key=SERIES.__getitem__)
        }
    absent = [kind for kind, pictures in made.items() if not pictures and kind != "back_projection"]
    if absent and result.temporal.model is not None:
        log.warning("the scan did not resolve what %s would show", ", ".join(absent))
    for kind, pictures in made.items():
        for index, picture in enumerate(pictures):
            meta = picture.meta
            if seconds is not None:
                meta["MalibuStageSeconds"] = json.dumps({name: round(value, 4) for name, value in seconds.items()})
                seconds = None
            number = readouts.slice_index * len(pictures) + index + 1
            series = SERIES[kind] + _SERIES_PER_MEASUREMENT * measurement
            reference = readouts.headers[picture.spoke]
            yield _image(picture.array, kind, (series, number), reference, header, common | meta)


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
    image.meta = named | window_of(array) | meta
    for name, gadgetron_name in _GADGETRON_NAMES.items():
        image.meta[gadgetron_name] = image.meta[name]
    return image


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
    settings = parameters.model_dump(mode="json", exclude={"rescue_folder", "weights"})
    return {
        "MalibuVersion": __version__,
        "MalibuParameters": json.dumps(settings),
        "MalibuReconstruction": result.method,
        **result.network,
        "MalibuTemporalModel": "realtime" if result.temporal.model is None else "tensor",
        "MalibuRank": len(result.temporal.basis),
        "MalibuCoils": result.coils,
        "MalibuSpokes": len(readouts.imaging),
        "MalibuSpokesUsed": int(np.count_nonzero(result.temporal.kept)),
        "MalibuNavigators": len(readouts.navigators),
        "MalibuTrajectoryUnit": readouts.trajectory_unit,
        "MalibuNufft": result.nufft,
        "MalibuDevice": result.device,
        "MalibuPixelUnit": "receiver noise standard deviation" if result.prewhitened else "receiver unit",
        "RepetitionTimeMs": f"{result.tr_ms:.6g}",
        **({"FlipAngleDeg": f"{header.flip_angle_deg:.6g}"} if header.flip_angle_deg else {}),
        **_gating_meta(result),
    }


def _gating_meta(result: MultitaskingResult) -> dict:
    model = result.temporal.model
    if model is None:
        return {}
    gating = model.gating
    meta: dict = {
        "MalibuUnresolved": " ".join(gating.unresolved) or "none",
        "MalibuEmptyCells": f"{model.empty_share:.4f}",
        "MalibuHeartQuality": f"{gating.heart_quality:.3f}",
        "MalibuRespirationQuality": f"{gating.respiration_quality:.3f}",
    }
    if gating.beats is not None:
        meta["MalibuBeats"] = len(gating.beats.time_s)
        meta["MalibuEctopicBeats"] = int(np.count_nonzero(gating.beats.is_ectopic))
        meta["MalibuHeartRatePerMinute"] = f"{gating.beats.rate_per_minute:.1f}"
    return meta
