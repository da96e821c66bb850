"""Core and factors of the temporal tensor as pictures, so that any of its frames can be made from images alone."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gadgets.multitasking.pictures.picture import Choices, Picture
from recon.multitasking.selection import bright_blood_pulse, dark_blood_pulse, t1_state

if TYPE_CHECKING:
    from recon.multitasking import RadialScan, Result

FACTORS = ("core", "cardiac", "respiratory", "recovery", "imaging_pulses")
"""Pictures of the series, in their order; the second to fourth hold a component in each row, and are filled with zeros
to the size of the first."""


def temporal_factors(result: "Result", scan: "RadialScan", choices: Choices) -> list[Picture]:
    """G unfolded along L, U_cᵀ, U_rᵀ, U_τᵀ, and the pulses since the inversion at which images were measured."""
    gated = result.temporal.gated
    if gated is None:
        return []
    tensor = gated.tensor
    arrays = {
        "core": tensor.core.reshape(tensor.rank, -1),
        "cardiac": tensor.cardiac.T,
        "respiratory": tensor.respiratory.T,
        "recovery": tensor.recovery.T,
        "imaging_pulses": np.unique(result.temporal.imaging.pulse)[None] if gated.recovers else np.zeros((1, 1)),
    }
    size = _shared_size(result, arrays)
    common, pictures = _how_to_read(result, choices), []
    for name in FACTORS:
        array = arrays[name]
        true_shape = tensor.core.shape if name == "core" else array.shape
        meta = {"DataRole": "TemporalFactor", "TensorFactor": name, "TensorShape": "x".join(map(str, true_shape))}
        fill = [(0, whole - part) for whole, part in zip(size, array.shape, strict=True)]
        pictures.append(Picture(np.pad(array, fill).astype(np.float32), meta=meta | common))
    return pictures


def _shared_size(result: "Result", arrays: dict[str, NDArray]) -> tuple[int, int]:
    """One size for all factors, and for all slices: what was not resolved in one of them takes its room too."""
    settings = result.settings
    bins = settings.cardiac_bins, settings.respiratory_bins, settings.recovery_rank
    rows = max(settings.rank, *bins, *(len(array) for array in arrays.values()))
    return rows, max(int(np.prod(bins)), *(array.shape[1] for array in arrays.values()))


def _how_to_read(result: "Result", choices: Choices) -> dict[str, Any]:
    """Axes in their units, and the cells that the other series show."""
    gated, settings = result.gated, result.settings
    sequence, beats = gated.sequence, gated.gating.beats
    meta: dict[str, Any] = {
        "TensorRepetitionTimeMs": f"{sequence.tr_ms:.9g}",
        "TensorEndExpirationBin": gated.end_expiration,
        "TensorBrightBloodPulse": bright_blood_pulse(result.temporal, gated, choices.bright_blood_ti_ms),
    }
    if beats is not None:
        meta["TensorHeartRatePerMinute"] = f"{beats.rate_per_minute:.9g}"
    if not gated.recovers:
        return meta | {"TensorBrightBloodPulse": 0}
    cardiac, respiratory = t1_state(gated, settings.t1_cardiac_bin, settings.t1_respiratory_bin)
    t1_map = result.t1_map
    efficiency = t1_map.efficiency if t1_map else None
    dark = dark_blood_pulse(result.temporal, gated, settings.assumed_inflow, choices.dark_blood_ti_ms, efficiency)
    if t1_map and t1_map.blood is not None:
        meta["TensorBloodT1Ms"] = f"{t1_map.blood.t1_ms:.0f}"
    return meta | {
        "TensorDelayMs": f"{sequence.delay_ms:.9g}",
        "TensorPulses": sequence.pulses,
        "TensorFlipAngleDeg": f"{sequence.flip_angle_deg:.9g}",
        "TensorDarkBloodPulse": dark,
        "TensorT1CardiacBin": cardiac,
        "TensorT1RespiratoryBin": respiratory,
        "TensorInflow": f"{settings.assumed_inflow:.6g}",
    }


def basis_maps_before(result: "Result", scan: "RadialScan", choices: Choices) -> list[Picture]:
    """U₀ of the back-projection, before network or ADMM changed it."""
    if result.back_projection is result.spatial_factor:
        return []
    meta = {"DataRole": "SpatialFactor", "MalibuReconstruction": "backprojection"}
    return [Picture(one, meta=meta | {"BasisIndex": index}) for index, one in enumerate(result.back_projection)]
