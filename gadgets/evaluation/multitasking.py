"""Reconstruction methods side by side on one scan, in one run: seconds, memory, and error against truth and ADMM."""

import logging
import resource
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import sigpy
from numpy.typing import NDArray

from gadgets import __version__
from gadgets.device import choose_device, device_name
from gadgets.errors import ParameterError
from gadgets.evaluation.regions import block_medians, compare_regions
from gadgets.evaluation.truth import Truth, cine_quality, known_truth
from gadgets.mrd.files import ScanFile
from gadgets.mrd.header import read_header
from gadgets.mrd.intake.measurement import Measurement
from gadgets.multitasking.network import load_network
from gadgets.multitasking.parameters import MultitaskingParameters
from gadgets.multitasking.readouts import slices_of
from gadgets.simulated.radial import truth_path
from recon.multitasking import EncodedScan, encode, estimate, map_t1
from recon.quality.metrics import Agreement, Quality, agreement, nrmse, quality
from recon.spatial.back_projection import SubspaceProblem
from recon.spatial.frames import frames
from recon.stages import StageClock

log = logging.getLogger(__name__)

METHODS: dict[str, dict[str, Any]] = {
    "exact": {"reconstruction": "backprojection", "gridding": "exact"},
    "backprojection": {"reconstruction": "backprojection", "gridding": "folded"},
    "mdcn": {"reconstruction": "mdcn", "gridding": "folded", "consistency_steps": 0},
    "unrolled": {"reconstruction": "unrolled", "gridding": "folded", "consistency_steps": 0},
    "mdcn+data": {"reconstruction": "mdcn", "gridding": "folded", "consistency_steps": 5},
    "admm": {"reconstruction": "admm", "gridding": "folded"},
}
"""What each method changes in the parameters; exact grids every spoke, mdcn+data is followed by data consistency."""

# Frames of each method that are compared, evenly over the scan.
_FRAMES = 24


@dataclass
class Row:
    """One method's figures; None where there is nothing to compare with.

    Attributes
    ----------
    method : str
    seconds : dict of str to float
        Median over the repeats, by stage.
    peak_memory_gb : float
        Peak of the whole process while the method ran.
    spatial_factor_nrmse : float or None
        Against the truth.
    truth, admm : Quality or None
        Quality of magnitude frames, against the truth and against ADMM.
    bright, dark : Quality or None
        Quality of the cardiac cycle at end-expiration, bright and dark blood, against the truth's factor in the same
        cells (dissertation tables 6-1 and 6-2).
    t1 : Agreement or None
        Agreement of T1 with the reference.
    """

    method: str
    seconds: dict[str, float]
    peak_memory_gb: float
    spatial_factor_nrmse: float | None = None
    truth: Quality | None = None
    admm: Quality | None = None
    bright: Quality | None = None
    dark: Quality | None = None
    t1: Agreement | None = None

    @property
    def total_s(self) -> float:
        """Sum over the stages."""
        return sum(self.seconds.values())


@dataclass
class Benchmark:
    """All methods on one scan.

    Attributes
    ----------
    scan, device : str
    shape : dict of str to int
        Size of the problem.
    shared_seconds : dict of str to float
        Stages that all methods need.
    rows : list of Row
    series : dict of str to (frames, N, N) float32
        Magnitude frames by method, and ``truth`` where there is one.
    t1 : dict of str to (list of str, (regions, 2) float)
        By method: tissue of each region, T1 and reference T1 in ms.
    t1_reference : str
        What T1 is compared with.
    """

    scan: str
    device: str
    shape: dict[str, int]
    shared_seconds: dict[str, float]
    rows: list[Row] = field(default_factory=list)
    series: dict[str, NDArray] = field(default_factory=dict)
    t1: dict[str, tuple[list[str], NDArray]] = field(default_factory=dict)
    t1_reference: str = "truth"

    def to_json(self) -> dict:
        """Everything but the images."""
        shared = {"malibu_version": __version__, "scan": self.scan, "device": self.device, "shape": self.shape}
        rows = [asdict(row) | {"total_s": row.total_s} for row in self.rows]
        return shared | {"shared_seconds": self.shared_seconds, "methods": rows}


def run_benchmark(scan: ScanFile, parameters: MultitaskingParameters, methods: list[str], repeat: int = 1) -> Benchmark:
    """Reconstruct the first slice of a scan by each method.

    Parameters
    ----------
    scan : ScanFile
        With ``<scan>.truth.h5`` beside it, errors against the truth are reported too.
    parameters : MultitaskingParameters
    methods : list of str
        Names from :data:`METHODS`.
    repeat : int
        Runs of each method; seconds are medians.

    Returns
    -------
    Benchmark

    Raises
    ------
    ParameterError
        If a method is not known.
    """
    unknown = [method for method in methods if method not in METHODS]
    if unknown or not methods:
        raise ParameterError(f"method {', '.join(unknown) or '(none)'} is not known; choose from {', '.join(METHODS)}")
    device, clock = choose_device(parameters.device), StageClock()
    header = read_header(scan.header, parameters.encoding_space, parameters.matrix)
    measurement = Measurement.of(scan.items())  # a stream has them in memory
    with clock.stage("sort readouts"):
        measured, *others = slices_of(measurement, header, parameters)
    if others:
        log.warning("the scan has %d slices; the benchmark takes the first", 1 + len(others))
    encoded = encode(measured.scan, parameters.settings(), device, clock)
    problem = encoded.problem
    coils, spokes, samples = problem.kspace.shape
    shape = {"matrix": problem.matrix, "rank": problem.rank, "coils": coils, "spokes": spokes, "samples": samples}
    result = Benchmark(scan.path.name, device_name(device), shape, clock.seconds)
    factors: dict[str, NDArray] = {}
    for method in methods:
        result.rows.append(_run(method, problem, parameters, device, repeat, factors))
    truth = known_truth(encoded, measured.scan, truth_path(scan.path))
    _compare(result, factors, encoded, truth, parameters)
    _compare_t1(result, factors, encoded, parameters, truth_path(scan.path))
    return result


def _run(
    method: str,
    problem: SubspaceProblem,
    parameters: MultitaskingParameters,
    device: sigpy.Device,
    repeat: int,
    factors: dict[str, NDArray],
) -> Row:
    chosen = parameters.model_copy(update=METHODS[method])
    network = load_network(chosen, device, problem.matrix)
    runs = []
    _reset_peak_memory()
    for _ in range(repeat):
        clock = StageClock()
        with device:
            factors[method] = estimate(problem, chosen.settings(), clock, network).maps
        runs.append(clock.seconds)
    seconds = {stage: statistics.median(run[stage] for run in runs) for stage in runs[0]}
    return Row(method, seconds, _peak_memory_gb())


def _compare(
    result: Benchmark,
    factors: dict[str, NDArray],
    encoded: EncodedScan,
    truth: Truth | None,
    parameters: MultitaskingParameters,
) -> None:
    basis = encoded.temporal.basis
    spokes = np.linspace(0, basis.shape[1] - 1, _FRAMES).round().astype(int)
    if truth:
        spokes = truth.spokes[np.linspace(0, len(truth.spokes) - 1, _FRAMES).round().astype(int)]
        rows = np.searchsorted(truth.spokes, spokes)
        result.series["truth"] = truth.magnitudes[rows]
    for method, factor in factors.items():
        result.series[method] = np.abs(frames(factor, basis[:, spokes]))
    for row in result.rows:
        images = result.series[row.method]
        if truth:
            row.spatial_factor_nrmse = nrmse(factors[row.method], truth.spatial_factor)
            row.truth = quality(images, result.series["truth"])
            row.bright, row.dark = cine_quality(factors[row.method], truth.spatial_factor, encoded.temporal, parameters)
        if "admm" in factors and row.method != "admm":
            row.admm = quality(images, result.series["admm"])


def _compare_t1(
    result: Benchmark,
    factors: dict[str, NDArray],
    encoded: EncodedScan,
    parameters: MultitaskingParameters,
    path: Path,
) -> None:
    """T1 of regions against the simulated truth, else of blocks of voxels against ADMM."""
    settings = parameters.settings()
    fitted = {method: map_t1(factor, encoded.temporal, settings) for method, factor in factors.items()}
    maps = {method: t1_map for method, t1_map in fitted.items() if t1_map is not None}
    if not maps:
        return
    names: list[str] = []
    if path.is_file():
        with h5py.File(path) as file:
            true_ms = file["t1_ms"][:]
            if "shape" in file and true_ms.shape[-1] == encoded.problem.matrix:
                shape, names = file["shape"][:], list(file["shape"].attrs["names"])
    if not names and "admm" not in maps:
        return
    result.t1_reference = "truth" if names else "ADMM"
    for row in result.rows:
        found = maps[row.method]
        if names:
            regions = compare_regions(found, true_ms, shape, names)
            tissues = [region.tissue for region in regions]
            pairs = np.array([(region.t1_ms, region.true_t1_ms) for region in regions])
        else:
            pairs = block_medians(found.t1_ms, maps["admm"].t1_ms)
            tissues = ["blocks"] * len(pairs)
        if len(pairs) > 1 and not (row.method == "admm" and not names):
            result.t1[row.method] = (tissues, pairs)
            row.t1 = agreement(pairs[:, 0], pairs[:, 1])


def _reset_peak_memory() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        log.debug("peak memory cannot be reset: it is that of the whole run")


def _peak_memory_gb() -> float:
    try:
        status = Path("/proc/self/status").read_text()
        kilobytes = int(status.split("VmHWM:")[1].split()[0])
    except (OSError, IndexError):
        kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes / 2**20
