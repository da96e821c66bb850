"""Core-seconds, memory and bytes of a Multitasking scan by its sizes, from what other scans took."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import log2
from typing import Any

import numpy as np
from scipy.optimize import nnls

from gadgets.errors import ParameterError

_FEWEST_SIZES = 3
"""Of which something can be learned: a stage has up to three kinds of work."""

_HEAD_BYTES = 340
"""ISMRMRD's head of a readout."""


@dataclass(frozen=True)
class ScanSizes:
    """What the cost of one slice depends on.

    Attributes
    ----------
    matrix, samples, coils : int
        N; samples of a readout, 2N where the readout is oversampled twofold.
    imaging, navigators : int
        Readouts.
    rank : int
        Basis functions L.
    """

    matrix: int = 160
    samples: int = 320
    coils: int = 8
    imaging: int = 8333
    navigators: int = 8333
    rank: int = 32

    @property
    def readouts(self) -> int:
        """Imaging readouts and navigators."""
        return self.imaging + self.navigators

    @property
    def raw_bytes(self) -> int:
        """Bytes on the wire: heads, complex64 samples, float32 trajectories of two dimensions."""
        return self.readouts * (_HEAD_BYTES + 8 * self.samples * (self.coils + 1))

    @property
    def kernel_bytes(self) -> int:
        """Bytes of the Toeplitz kernel: a Hermitian L×L matrix, complex64, at each of (2N)² frequencies."""
        return 8 * self.rank**2 * (2 * self.matrix) ** 2

    @property
    def factor_bytes(self) -> int:
        """Bytes of U and Φ, complex64."""
        return 8 * self.rank * (self.matrix**2 + self.imaging)


def _transforms(sizes: ScanSizes, images: int) -> float:
    return images * (2 * sizes.matrix) ** 2 * log2(2 * sizes.matrix)


WORK: dict[str, Callable[[ScanSizes], tuple[float, ...]]] = {
    "receive": lambda s: (s.raw_bytes,),
    "sort readouts": lambda s: (s.raw_bytes,),
    "prewhiten and compress coils": lambda s: (s.raw_bytes,),
    "gradient delays": lambda s: (s.coils * s.matrix,),
    # found side by side, so that only their sum is known
    "coil maps and temporal basis": lambda s: (s.coils * s.matrix**2, s.navigators * s.coils * s.matrix),
    # d → the fan's lines, L·C·P·S; their gridding, L·C transforms
    "back-projection": lambda s: (s.rank * s.coils * s.imaging * s.samples, _transforms(s, s.rank * s.coils)),
    # L² products of basis functions on the fan, and as many transforms
    "Toeplitz kernel": lambda s: (s.rank**2 * s.imaging, _transforms(s, s.rank**2)),
    # a product with the kernel, L² at each frequency; L·C transforms; convolutions, L at each pixel
    "network": lambda s: (s.kernel_bytes, _transforms(s, s.rank * s.coils), s.rank * s.matrix**2),
    "data misfit": lambda s: (s.rank * s.coils * s.imaging * s.samples, _transforms(s, s.rank * s.coils)),
    "T1 map": lambda s: (s.matrix**2,),
    "make images": lambda s: (s.rank * s.matrix**2,),
}
"""What the seconds of each stage grow with, beside what it always takes; another stage always takes the same."""

OPERATORS = ("back-projection", "Toeplitz kernel")
"""Rows of ``malibu benchmark --operators`` that are a stage of a scan."""


@dataclass(frozen=True)
class Run:
    """What one slice took.

    Attributes
    ----------
    sizes : ScanSizes
    core_s : dict of str to float
        Core-seconds by stage; ``start`` is that of the process. What was not done has no entry.
    peak_bytes : int
        Most memory of the process.
    image_bytes : int
        What was written.
    """

    sizes: ScanSizes
    core_s: Mapping[str, float]
    peak_bytes: int
    image_bytes: int


@dataclass(frozen=True)
class Cost:
    """What one slice takes.

    Attributes
    ----------
    core_s : dict of str to float
        Core-seconds by stage.
    peak_bytes, raw_bytes, image_bytes : int
    """

    core_s: dict[str, float]
    peak_bytes: int
    raw_bytes: int
    image_bytes: int

    @property
    def total_core_s(self) -> float:
        """Core-seconds in all."""
        return sum(self.core_s.values())


@dataclass(frozen=True)
class CostModel:
    """Each figure as a sum of amounts of work, none of which costs less than nothing.

    Attributes
    ----------
    stages : dict of str to (1 + kinds,) float
        Core-seconds that a stage always takes, and for each unit of its :data:`WORK`.
    peak, image : (1 + kinds,) float
        Bytes that are always taken, and for each raw byte and kernel byte; for each pixel and byte of U and Φ.
    """

    stages: Mapping[str, Sequence[float]]
    peak: Sequence[float]
    image: Sequence[float]

    def estimate(self, sizes: ScanSizes) -> Cost:
        """Estimate what one slice takes.

        Parameters
        ----------
        sizes : ScanSizes

        Returns
        -------
        Cost
        """
        seconds = {name: float(np.dot(unit, _work(name, sizes))) for name, unit in self.stages.items()}
        peak, image = np.dot(self.peak, _peak(sizes)), np.dot(self.image, _image(sizes))
        return Cost(seconds, round(peak), sizes.raw_bytes, round(image))


def fit(runs: Sequence[Run]) -> CostModel:
    """Learn from runs of several sizes what a unit of each kind of work takes.

    Parameters
    ----------
    runs : sequence of Run
        At least three, of sizes that differ in coils, matrix and duration.

    Returns
    -------
    CostModel

    Raises
    ------
    ParameterError
        If there are fewer, or they are of one size.
    """
    if len({run.sizes for run in runs}) < _FEWEST_SIZES:
        raise ParameterError(
            f"a cost model needs runs of three sizes at least, and {len(runs)} runs are too much alike"
        )
    names = {name: None for run in runs for name in run.core_s}
    stages = {name: _stage(name, [run for run in runs if name in run.core_s]) for name in names}
    peak = _solved([(_peak(run.sizes), float(run.peak_bytes)) for run in runs])
    image = _solved([(_image(run.sizes), float(run.image_bytes)) for run in runs])
    return CostModel(stages, peak, image)


def _stage(name: str, runs: Sequence[Run]) -> tuple[float, ...]:
    """Units of a stage, from the runs that have it: in others it was not done, which is no measurement of it.

    Few runs do not tell its kinds of work apart, which then share its seconds alike, as in :func:`from_operators`.
    """
    if len({run.sizes for run in runs}) >= _FEWEST_SIZES:
        return _solved([(_work(name, run.sizes), run.core_s[name]) for run in runs])
    kinds = len(_work(name, runs[0].sizes)) - 1
    if not kinds:
        return (float(np.mean([run.core_s[name] for run in runs])),)
    units = np.mean([run.core_s[name] / np.array(_work(name, run.sizes)[1:]) for run in runs], axis=0) / kinds
    return 0.0, *map(float, units)


def _work(name: str, sizes: ScanSizes) -> tuple[float, ...]:
    return (1.0, *WORK.get(name, lambda sizes: ())(sizes))


def _peak(sizes: ScanSizes) -> tuple[float, ...]:
    return 1.0, sizes.raw_bytes, sizes.kernel_bytes


def _image(sizes: ScanSizes) -> tuple[float, ...]:
    return 1.0, sizes.matrix**2, sizes.factor_bytes


def _solved(equations: Sequence[tuple[tuple[float, ...], float]]) -> tuple[float, ...]:
    """Non-negative least squares of relative errors: small scans count as much as large ones."""
    work = np.array([row for row, _ in equations])
    taken = np.maximum([value for _, value in equations], 1e-3)  # a millisecond: stages are not timed more finely
    units = work.max(axis=0)
    solution, _ = nnls(work / units / taken[:, None], np.ones(len(taken)))
    return tuple(float(value) for value in solution / units)


def from_operators(table: Mapping[str, Any], cores: float, sizes: ScanSizes) -> dict[str, float]:
    """Core-seconds of the stages that are an operator, from ``malibu benchmark --operators --json``.

    Parameters
    ----------
    table : mapping
        ``sizes``, and ``rows`` of ``name`` and ``seconds``.
    cores : float
        That were kept busy.
    sizes : ScanSizes
        Of the scan; the stage's amounts of work are scaled together.

    Returns
    -------
    dict of str to float
        By stage.
    """
    given = table["sizes"]
    measured = ScanSizes(
        given["matrix"], 2 * given["matrix"], given["coils"], given["spokes"], given["spokes"], given["rank"]
    )
    found = {}
    for row in table["rows"]:
        if (stage := row["name"]) in OPERATORS:
            times = np.mean(
                [mine / theirs for mine, theirs in zip(WORK[stage](sizes), WORK[stage](measured), strict=True)]
            )
            found[stage] = cores * row["seconds"] * float(times)
    return found
