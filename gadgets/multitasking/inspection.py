"""A scan file as `malibu info` shows it: its contents, its problems, and what malibu would do with it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gadgets.mrd.files import ScanFile
from gadgets.mrd.header import ScanHeader, read_header
from gadgets.mrd.headers.roles import Roles, is_flagged, roles_of
from gadgets.mrd.intake.measurement import Measurement
from gadgets.multitasking.feasibility import check_wishes, inverts
from gadgets.multitasking.parameters import MultitaskingParameters
from gadgets.multitasking.readouts import slices_of
from gadgets.multitasking.series import SERIES
from gadgets.multitasking.timing import sequence_of, timing_of
from recon.errors import DataError
from recon.readouts.trajectory import recognise_unit

# Readouts that are looked at, evenly over the scan: the answer comes at once.
_SAMPLED_READOUTS = 200
_COUNTERS = ("kspace_encode_step_1", "slice", "average", "repetition", "segment", "phase", "set", "contrast")


@dataclass
class ScanInfo:
    """Facts in the order in which they are shown.

    Attributes
    ----------
    properties : dict of str to str
    problems : list of str
        What a reconstruction would refuse.
    plan : str
        What malibu would do.
    """

    properties: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    plan: str = ""


def inspect(scan: ScanFile, parameters: MultitaskingParameters) -> ScanInfo:
    """Inspect a scan without reading all of its data.

    Parameters
    ----------
    scan : ScanFile
    parameters : MultitaskingParameters

    Returns
    -------
    ScanInfo
    """
    info = ScanInfo()
    heads = scan.heads()
    header = _tried(info, lambda: read_header(scan.header, parameters.encoding_space, parameters.matrix))
    if header:
        x, y, z = header.fov_mm
        info.properties["image matrix"] = f"{header.matrix}×{header.matrix} (encoding matrix {header.encoded_matrix})"
        info.properties["field of view"] = f"{x:g}×{y:g} mm, slice {z:g} mm"
    noise = is_flagged(heads, "ACQ_IS_NOISE_MEASUREMENT")
    info.properties["readouts"] = f"{np.count_nonzero(~noise)}, and {np.count_nonzero(noise)} of noise"
    info.properties["waveforms"] = str(len(scan.waveforms()))
    roles = _tried(info, lambda: roles_of(heads, parameters)) if (~noise).any() else None
    if roles is None:
        info.problems += [] if info.problems else ["the file holds no imaging readouts"]
        return info
    used, is_inverting = np.flatnonzero(roles.used), True
    _describe_roles(info, roles)
    _describe_readouts(info, heads[used])
    if header:
        is_inverting = _describe_timing(info, heads[used], header, parameters)
        _describe_trajectory(info, scan, used, header)
        # enough of each slice to see that it can be sorted
        rows = np.concatenate([np.flatnonzero(noise), used[: 2 * _SAMPLED_READOUTS]])
        _tried(info, lambda: _try_sorting(scan, rows, parameters, header))
    if not is_inverting:
        shown = tuple(kind for kind in parameters.images if not SERIES[kind].needs_recovery)
        parameters = parameters.model_copy(update={"images": shown})
    info.plan = "refused as it is" if info.problems else _plan(parameters, heads[used], header.matrix if header else 0)
    return info


def _tried(info: ScanInfo, action: Callable[[], Any]) -> Any:
    try:
        return action()
    except DataError as error:
        if str(error) not in info.problems:
            info.problems.append(str(error))
        return None


def _describe_roles(info: ScanInfo, roles: Roles) -> None:
    """What each readout is for, by the rule that the reconstruction follows."""
    share = np.count_nonzero(roles.navigator) / np.count_nonzero(roles.used)
    info.properties["navigator share"] = f"{100 * share:.1f} % by flag"
    info.properties["not used"] = ", ".join(f"{count} {name}" for name, count in roles.dropped.items()) or "none"
    for number, note in enumerate(roles.notes, start=1):
        info.properties[f"note {number}"] = note


def _describe_timing(info: ScanInfo, heads: NDArray, header: ScanHeader, parameters: MultitaskingParameters) -> bool:
    """Sequence and times of the first slice, checked over the whole file; whether it has inversions."""
    first = heads[heads["idx"]["slice"] == heads["idx"]["slice"].min()]
    timing = _tried(info, lambda: timing_of(first, header, parameters))
    sequence = timing.sequence if timing else _tried(info, lambda: sequence_of(header, parameters))
    if sequence is None:
        return True
    for name, key, unit in (
        ("TR", "tr_ms", "ms"),
        ("TI", "ti_ms", "ms"),
        ("flip angle", "flip_angle_deg", "degrees"),
    ):
        value, is_set = getattr(sequence, key), getattr(parameters, key) is not None
        info.properties[name] = "missing" if value is None else f"{value:g} {unit}{' (set)' if is_set else ''}"
    if timing:
        periods = int(timing.period[-1]) + 1
        info.properties["times"] = f"by {timing.placed_by}, {timing.missing} readouts missing, {periods} inversion(s)"
    has_navigators = parameters.navigator != "none"
    if parameters.navigator == "flag":
        has_navigators = bool(is_flagged(first, "ACQ_IS_NAVIGATION_DATA").any())
    is_inverting = timing is None or inverts(timing, has_navigators)
    info.properties["inversions"] = "yes" if is_inverting else "none: no T1, no dark blood"
    number = int(first["idx"]["slice"][0])
    _tried(info, lambda: check_wishes(number, len(first), has_navigators, is_inverting, parameters))
    if parameters.temporal_model == "tensor" and is_inverting:
        _tried(info, lambda: sequence.known_ti_ms)
        _tried(info, lambda: sequence.known_flip_angle_deg)
    return is_inverting


def _describe_readouts(info: ScanInfo, heads: NDArray) -> None:
    for name, key in (("samples per readout", "number_of_samples"), ("coils", "active_channels")):
        values = np.unique(heads[key])
        info.properties[name] = ", ".join(str(value) for value in values)
        if len(values) > 1:
            info.problems.append(f"{name} differ between readouts: {info.properties[name]}")
    for name in _COUNTERS:
        values = heads["idx"][name]
        if values.max() > 0:
            info.properties[f"counter {name}"] = f"{values.min()} to {values.max()}"
    last = is_flagged(heads, "ACQ_LAST_IN_MEASUREMENT").any()
    info.properties["last in measurement"] = (
        "flagged" if last else "not flagged: the end of the stream starts the reconstruction"
    )


def _describe_trajectory(info: ScanInfo, scan: ScanFile, rows: NDArray, header: ScanHeader) -> None:
    spread = rows[np.unique(np.linspace(0, len(rows) - 1, _SAMPLED_READOUTS).astype(int))]
    written = [readout.traj for readout in scan.acquisitions(spread.tolist())]
    if any(trajectory.shape[1] < 2 for trajectory in written):
        info.properties["trajectory"] = "none in the readouts"
        return
    reach = max(float(np.abs(trajectory[:, :2]).max()) for trajectory in written)
    stacked = np.concatenate([trajectory[:, :2] for trajectory in written])
    unit = _tried(info, lambda: recognise_unit(stacked, header.resolved_matrix, header.encoded_matrix))
    info.properties["trajectory"] = f"reaches |k| = {reach:.4g}: {unit.name if unit else 'no known unit'}"


def _try_sorting(scan: ScanFile, rows: NDArray, parameters: MultitaskingParameters, header: ScanHeader) -> None:
    measurement = Measurement.of([*scan.acquisitions(rows.tolist()), *scan.waveforms()])
    slices_of(measurement, header, parameters)


def _plan(parameters: MultitaskingParameters, heads: NDArray, matrix: int) -> str:
    slices = len(np.unique(heads["idx"]["slice"]))
    coils = int(heads["active_channels"][0])
    size = parameters.matrix or matrix
    flagged = parameters.navigator == "flag" and not is_flagged(heads, "ACQ_IS_NAVIGATION_DATA").any()
    source = "sliding windows of spokes" if flagged or parameters.navigator == "none" else "navigators"
    return (
        f"{slices} slice(s): {coils} coils compressed to {min(coils, parameters.coils)}, "
        f"{_model_of(parameters, source)}, {parameters.reconstruction} to {size}×{size}, "
        f"images: {', '.join(parameters.images)}"
    )


def _model_of(parameters: MultitaskingParameters, source: str) -> str:
    if parameters.basis:
        return "the given temporal basis"
    if parameters.temporal_model == "static":
        return "one image of all times"
    name = "temporal tensor" if parameters.temporal_model == "tensor" else "real-time basis"
    return f"{name} of rank {parameters.rank} from the {source}"
