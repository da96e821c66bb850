"""A scan file as `malibu info` shows it: its contents, its problems, and what malibu would do with it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import ismrmrd
import numpy as np
from numpy.typing import NDArray

from gadgets.mrd.files import ScanFile
from gadgets.mrd.header import ScanHeader, read_header
from gadgets.mrd.measurement import Measurement
from gadgets.multitasking.parameters import MultitaskingParameters
from gadgets.multitasking.readouts import sequence_of, slices_of
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
    header = _tried(info, lambda: read_header(scan.header))
    if header:
        x, y, z = header.fov_mm
        info.properties["image matrix"] = f"{header.matrix}×{header.matrix} (encoding matrix {header.encoded_matrix})"
        info.properties["field of view"] = f"{x:g}×{y:g} mm, slice {z:g} mm"
        sequence = sequence_of(header, parameters)
        for name, key, unit in (
            ("TR", "tr_ms", "ms"),
            ("TI", "ti_ms", "ms"),
            ("flip angle", "flip_angle_deg", "degrees"),
        ):
            value, is_set = getattr(sequence, key), getattr(parameters, key) is not None
            info.properties[name] = "missing" if value is None else f"{value:g} {unit}{' (set)' if is_set else ''}"
        _tried(info, lambda: sequence.known_tr_ms)
        if parameters.temporal_model == "tensor":
            _tried(info, lambda: sequence.known_ti_ms)
            _tried(info, lambda: sequence.known_flip_angle_deg)
    noise = _flagged(heads, ismrmrd.ACQ_IS_NOISE_MEASUREMENT)
    imaging = heads[~noise]
    info.properties["readouts"] = f"{len(imaging)}, and {np.count_nonzero(noise)} of noise"
    info.properties["waveforms"] = str(len(scan.waveforms()))
    if not len(imaging):
        info.problems.append("the file holds no imaging readouts")
        return info
    _describe_readouts(info, imaging)
    if header:
        _describe_trajectory(info, scan, np.flatnonzero(~noise), header.matrix, header.encoded_matrix)
        rows = np.concatenate([np.flatnonzero(noise), np.flatnonzero(~noise)[: 2 * _SAMPLED_READOUTS]])
        _tried(info, lambda: _try_sorting(scan, rows, parameters, header))
    info.plan = "refused as it is" if info.problems else _plan(parameters, imaging, header.matrix if header else 0)
    return info


def _flagged(heads: NDArray, flag: int) -> NDArray:
    return (heads["flags"] & np.uint64(1 << (flag - 1))) != 0


def _tried(info: ScanInfo, action: Callable[[], Any]) -> Any:
    try:
        return action()
    except DataError as error:
        if str(error) not in info.problems:
            info.problems.append(str(error))
        return None


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
    share = np.mean(_flagged(heads, ismrmrd.ACQ_IS_NAVIGATION_DATA))
    info.properties["navigator share"] = f"{100 * share:.1f} % by flag"
    last = _flagged(heads, ismrmrd.ACQ_LAST_IN_MEASUREMENT).any()
    info.properties["last in measurement"] = (
        "flagged" if last else "not flagged: the end of the stream starts the reconstruction"
    )


def _describe_trajectory(info: ScanInfo, scan: ScanFile, rows: NDArray, matrix: int, encoded_matrix: int) -> None:
    spread = rows[np.unique(np.linspace(0, len(rows) - 1, _SAMPLED_READOUTS).astype(int))]
    written = [readout.traj for readout in scan.acquisitions(spread.tolist())]
    if any(trajectory.shape[1] < 2 for trajectory in written):
        info.properties["trajectory"] = "none in the readouts"
        return
    reach = max(float(np.abs(trajectory[:, :2]).max()) for trajectory in written)
    stacked = np.concatenate([trajectory[:, :2] for trajectory in written])
    unit = _tried(info, lambda: recognise_unit(stacked, matrix, encoded_matrix))
    info.properties["trajectory"] = f"reaches |k| = {reach:.4g}: {unit.name if unit else 'no known unit'}"


def _try_sorting(scan: ScanFile, rows: NDArray, parameters: MultitaskingParameters, header: ScanHeader) -> None:
    measurement = Measurement.of([*scan.acquisitions(rows.tolist()), *scan.waveforms()])
    if not header.tr_ms and parameters.tr_ms is None:
        parameters = parameters.model_copy(update={"tr_ms": 5.0})  # a problem that is reported by itself
    slices_of(measurement, header, parameters)


def _plan(parameters: MultitaskingParameters, heads: NDArray, matrix: int) -> str:
    slices = len(np.unique(heads["idx"]["slice"]))
    coils = int(heads["active_channels"][0])
    size = parameters.matrix or matrix
    return (
        f"{slices} slice(s): {coils} coils compressed to {min(coils, parameters.coils)}, "
        f"{'temporal tensor' if parameters.temporal_model == 'tensor' else 'real-time basis'} of rank "
        f"{parameters.rank} from the navigators, {parameters.reconstruction} to {size}×{size}, "
        f"images: {', '.join(parameters.images)}"
    )
