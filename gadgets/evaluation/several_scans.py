"""Methods side by side on several scans: each scan by itself, and all of them together."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from gadgets.cluster.needs import need_of_scan
from gadgets.cluster.shared_work import SharedWork
from gadgets.evaluation.multitasking import Benchmark, Row, run_benchmark
from gadgets.mrd.files import ScanFile
from gadgets.multitasking.parameters import MultitaskingParameters
from recon.quality.metrics import Agreement, agreement

_QUALITIES = ("truth", "admm", "bright", "dark")


@dataclass(frozen=True)
class PooledRow:
    """One method over several scans.

    Attributes
    ----------
    method : str
    scans : int
    figures : dict of str to (float, float)
        Mean and standard deviation over the scans of which a figure is known, by its name in :class:`Row`, such as
        ``truth.ssim``; ``seconds`` are those of all stages.
    t1 : Agreement or None
        Over the regions of all scans.
    """

    method: str
    scans: int
    figures: dict[str, tuple[float, float]]
    t1: Agreement | None


def benchmark_scans(
    paths: Sequence[Path],
    group: str,
    parameters: MultitaskingParameters,
    methods: list[str],
    repeat: int,
    work: SharedWork,
) -> list[Benchmark]:
    """Compare methods on each scan.

    Parameters
    ----------
    paths : sequence of Path
    group : str
        HDF5 group of the scans.
    parameters : MultitaskingParameters
    methods : list of str
    repeat : int
        Runs of each method; seconds are medians.
    work : SharedWork
        Who does it; it knows of which scans there are no figures. Seconds are those of who did it.

    Returns
    -------
    list of Benchmark
        Named by their place in the list, so that no file name enters a report.
    """
    gpus = work.crew.gpus_for(parameters.device)
    tasks = [(number, path.resolve()) for number, path in enumerate(paths, start=1)]
    run_one = partial(_run, group, parameters, methods, repeat)
    return list(
        work.values(run_one, tasks, lambda task: f"scan {task[0]}", lambda task: need_of_scan(_size(task[1]), gpus))
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _run(
    group: str, parameters: MultitaskingParameters, methods: list[str], repeat: int, task: tuple[int, Path]
) -> Benchmark:
    number, path = task
    with ScanFile(path, group) as scan:
        result = run_benchmark(scan, parameters, methods, repeat)
    result.scan = f"scan {number}"
    return result


def pooled(results: Sequence[Benchmark]) -> list[PooledRow]:
    """Put the figures of several scans together, method by method.

    Parameters
    ----------
    results : sequence of Benchmark
        Of the same methods.

    Returns
    -------
    list of PooledRow
    """
    return [_pooled([result.rows[number] for result in results], results) for number in range(len(results[0].rows))]


def _pooled(rows: Sequence[Row], results: Sequence[Benchmark]) -> PooledRow:
    found: dict[str, list[float]] = {}
    for row in rows:
        for name, value in _figures(row).items():
            found.setdefault(name, []).append(value)
    spread = {name: (float(np.mean(values)), float(np.std(values))) for name, values in found.items()}
    regions = [result.t1[rows[0].method][1] for result in results if rows[0].method in result.t1]
    pairs = np.concatenate(regions) if regions else None
    t1 = None if pairs is None else agreement(pairs[:, 0], pairs[:, 1])
    return PooledRow(rows[0].method, len(rows), spread, t1)


def _figures(row: Row) -> dict[str, float]:
    """What is known of a method on a scan."""
    figures = {"seconds": row.total_s, "peak_memory_gb": row.peak_memory_gb}
    if row.spatial_factor_nrmse is not None:
        figures["spatial_factor_nrmse"] = row.spatial_factor_nrmse
    for name in _QUALITIES:
        quality = getattr(row, name)
        if quality is not None:
            figures |= {f"{name}.{figure}": value for figure, value in asdict(quality).items()}
    return figures


def to_json(results: Sequence[Benchmark]) -> dict[str, object]:
    """Everything but the images: each scan, and all together."""
    return {"scans": [result.to_json() for result in results], "pooled": [asdict(row) for row in pooled(results)]}
