"""Results become ISMRMRD images, once: geometry, series, window, Meta, research label."""

import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ismrmrd
import numpy as np

from gadgets import RESEARCH_LABEL, __version__
from gadgets.mrd.files import ImageFile
from gadgets.mrd.header import header_of
from gadgets.mrd.image_meta import COUNTER_LIMIT, name_for_gadgetron, range_of, window_of
from gadgets.multitasking.parameters import MultitaskingParameters, shown_parameters
from gadgets.multitasking.readouts import MeasuredSlice, bare_slice
from gadgets.multitasking.series import SERIES, Picture
from recon.errors import DataError
from recon.multitasking import RadialScan, Result
from recon.spatial.trust.misfit import LEAST_RELATIVE
from recon.stages import StageClock

log = logging.getLogger(__name__)

_OF_SPOKES = ("temporal_basis", "gating")
"""Series whose images have a column for each spoke."""

_MAY_LACK = ("back_projection", "basis_maps_before", "b1_map", "b1_uncertainty", "frame_uncertainty")
"""Series that a scan need not have: nothing was changed, one number is taken for B1, no samples were wanted."""

SERIES_PER_MEASUREMENT = 20
"""Series numbers that each measurement of a stream has to itself."""

FOLLOWING_SERIES = 1000
"""Added to the series numbers of results that follow the first ones."""


def multitasking_images(
    result: Result,
    measured: MeasuredSlice,
    choices: MultitaskingParameters,
    stated: Mapping[str, Any],
    clock: StageClock,
    measurement: int = 0,
    size: tuple[int, int, int] | None = None,
    first_series: int = 0,
) -> Iterator[ismrmrd.Image]:
    """Make the images of one slice that are chosen, in the order of their series.

    Parameters
    ----------
    result : Result
    measured : MeasuredSlice
        Counters, times and geometry.
    choices : MultitaskingParameters
        Which images, and which frames.
    stated : mapping of str to object
        Parameters that the Meta state.
    clock : StageClock
        Its seconds go into the Meta of the first image.
    measurement : int
        Position of the measurement in the stream; the series of the second start at 21, and so on.
    size : (3,) tuple of int, optional
        Rank, imaging spokes and excitation pulses of all slices: readers of ISMRMRD files need one size in a series,
        and ectopic beats leave slices with fewer columns of temporal basis, which are filled with zeros.
    first_series : int
        Added to the numbers of the series.

    Yields
    ------
    ismrmrd.Image
        complex64 basis maps and temporal basis, float32 magnitudes, uint16 T1.
    """
    common = _common_meta(result, measured, stated)
    seconds: dict[str, float] | None = clock.seconds
    with clock.stage("make images"):
        wanted = [kind for kind in SERIES if kind in choices.images]
        pictures_of = {kind: SERIES[kind].make(result, measured.scan, choices) for kind in wanted}
    absent = [kind for kind, pictures in pictures_of.items() if not pictures and kind not in _MAY_LACK]
    impossible = [kind for kind in absent if not SERIES[kind].is_possible(result)]
    unresolved = [kind for kind in absent if kind not in impossible]
    if impossible:
        model = _model_name(result)
        log.info("the temporal model is %s: %s cannot be shown and are left out", model, ", ".join(impossible))
    if unresolved:
        log.warning("the scan did not resolve what %s would show", ", ".join(unresolved))
    for kind, pictures in pictures_of.items():
        together = range_of([picture.array for picture in pictures])
        for index, picture in enumerate(pictures):
            if size and kind in _OF_SPOKES:
                picture = _filled(picture, (len(picture.array) if kind == "gating" else size[0], size[1]))
            elif size and kind == "tensor":
                picture = _filled(picture, (len(picture.array), max(picture.array.shape[1], size[2])))
            meta = common | together | picture.meta
            if seconds is not None:
                meta["MalibuStageSeconds"] = json.dumps({name: round(value, 4) for name, value in seconds.items()})
                seconds = None
            number = measured.scan.slice_index * len(pictures) + index + 1
            series = first_series + SERIES[kind].number + SERIES_PER_MEASUREMENT * measurement
            head, fov_mm = measured.headers[picture.spoke], measured.scan.geometry.fov_mm
            yield image_of(picture, SERIES[kind].description, (series, number), head, fov_mm, meta)


def _filled(picture: Picture, size: tuple[int, int]) -> Picture:
    rows, columns = picture.array.shape
    if (rows, columns) == size:
        return picture
    array = np.pad(picture.array, ((0, size[0] - rows), (0, size[1] - columns)))
    return Picture(array, picture.spoke, picture.meta | {"MalibuFilledFrom": f"{rows}x{columns}"})


def write_series(path: Path, scan: RadialScan, result: Result, chosen: Mapping[str, Any]) -> Path:
    """Write the image series of a slice that came from arrays as an ISMRMRD file.

    Parameters
    ----------
    path : Path
    scan : RadialScan
    result : Result
        Its settings go into the Meta.
    chosen : mapping of str to object
        Parameters that say what is written: those of :data:`CHOICES`.

    Returns
    -------
    Path

    Raises
    ------
    ParameterError
        If a name is another, or a value impossible.
    """
    choices, stated = shown_parameters(chosen, result.settings)
    clock, matrix = StageClock(dict(result.seconds)), result.spatial_factor.shape[-1]
    header = header_of(scan.geometry, (matrix, matrix, 1), "goldenangle")
    with ImageFile(path, header) as file:
        for image in multitasking_images(result, bare_slice(scan), choices, stated, clock):
            file.append(image)
    return path


def image_of(
    picture: Picture,
    description: str,
    series_and_number: tuple[int, int],
    reference: ismrmrd.AcquisitionHeader,
    fov_mm: tuple[float, float, float],
    meta: dict[str, Any],
) -> ismrmrd.Image:
    """Make one ISMRMRD image.

    Parameters
    ----------
    picture : Picture
    description : str
        Of its series, for people.
    series_and_number : (2,) tuple of int
    reference : ismrmrd.AcquisitionHeader
        Of the readout whose place, counters and times it takes.
    fov_mm : (3,) tuple of float
    meta : dict
        With ``MalibuReconstruction``.

    Returns
    -------
    ismrmrd.Image

    Raises
    ------
    DataError
        If its number does not fit ISMRMRD's header.
    """
    series, number = series_and_number
    if number > COUNTER_LIMIT:
        raise DataError(f"series {description!r} would have more than {COUNTER_LIMIT} images; send fewer frames")
    image = ismrmrd.Image.from_array(
        np.ascontiguousarray(picture.array),
        acquisition=reference,
        transpose=False,
        field_of_view=fov_mm,
        image_type=ismrmrd.IMTYPE_COMPLEX if np.iscomplexobj(picture.array) else ismrmrd.IMTYPE_MAGNITUDE,
        image_index=number,
        image_series_index=series,
    )
    description = f"malibu {description}"
    named = {
        "DataRole": meta.pop("DataRole", "Image"),
        "ImageComments": f"{description}, {meta['MalibuReconstruction']}, {RESEARCH_LABEL}",
        "SeriesDescription": description,
        "ImageRowDir": [f"{value:.9g}" for value in reference.read_dir],
        "ImageColumnDir": [f"{value:.9g}" for value in reference.phase_dir],
    }
    image.meta = named | window_of(picture.array) | meta
    name_for_gadgetron(image)
    return image


def _common_meta(result: Result, measured: MeasuredSlice, stated: Mapping[str, Any]) -> dict[str, Any]:
    scan = measured.scan
    flip_angle_deg = scan.sequence.flip_angle_deg
    return {
        "MalibuVersion": __version__,
        "MalibuParameters": json.dumps(stated),
        "MalibuReconstruction": result.method,
        **result.provenance,
        "MalibuTemporalModel": _model_name(result),
        **_source_meta(result),
        "MalibuRank": len(result.temporal.basis),
        "MalibuCoils": len(result.coil_maps),
        "MalibuSpokes": len(scan.imaging),
        "MalibuSpokesUsed": int(np.count_nonzero(result.temporal.kept)),
        "MalibuNavigators": 0 if scan.navigators is None else len(scan.navigators),
        "MalibuTrajectoryUnit": measured.trajectory_unit,
        "MalibuNufft": result.nufft,
        "MalibuDevice": result.device,
        "MalibuPixelUnit": "receiver noise standard deviation" if result.prewhitened else "receiver unit",
        **({"MalibuRemarks": "; ".join(measured.remarks)} if measured.remarks else {}),
        "RepetitionTimeMs": f"{scan.sequence.known_tr_ms:.6g}",
        **({"FlipAngleDeg": f"{flip_angle_deg:.6g}"} if flip_angle_deg else {}),
        **_gating_meta(result),
        **_misfit_meta(result),
    }


def _misfit_meta(result: Result) -> dict[str, str]:
    """How far the result is from the data, where that is known."""
    if result.misfit is None:
        return {}
    misfit = result.misfit
    known = result.prewhitened and misfit.relative > LEAST_RELATIVE
    over_noise = {"MalibuMisfitOverNoise": f"{misfit.over_noise:.4g}"} if known else {}
    return {"MalibuMisfit": f"{misfit.relative:.4g}", **over_noise}


def _model_name(result: Result) -> str:
    if result.temporal.source in ("static", "given"):
        return result.temporal.source
    if result.temporal.gated is None:
        return "realtime"
    return "tensor" if result.recovers else "tensor without recovery"


def _source_meta(result: Result) -> dict[str, str]:
    """What the model comes from, where it is not the navigators."""
    source = result.temporal.source
    return {} if source == "navigators" else {"MalibuTemporalSource": source}


def _gating_meta(result: Result) -> dict[str, Any]:
    gated = result.temporal.gated
    if gated is None:
        return {}
    gating = gated.gating
    meta: dict[str, Any] = {
        "MalibuUnresolved": " ".join(gating.unresolved) or "none",
        "MalibuEmptyCells": f"{gated.empty_share:.4f}",
        "MalibuHeartQuality": f"{gating.heart_quality:.3f}",
        "MalibuRespirationQuality": f"{gating.respiration_quality:.3f}",
    }
    if gating.beats is not None:
        meta["MalibuBeats"] = len(gating.beats.time_s)
        meta["MalibuEctopicBeats"] = int(np.count_nonzero(gating.beats.is_ectopic))
        meta["MalibuHeartRatePerMinute"] = f"{gating.beats.rate_per_minute:.1f}"
    return meta
