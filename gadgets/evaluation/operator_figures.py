"""Figures of malibu's operators beside those of other libraries, and beside the limit of the device."""

from dataclasses import asdict, dataclass, field
from typing import Any

import sigpy
from numpy.typing import NDArray


@dataclass(frozen=True)
class Sizes:
    """Of the random problem: N, L, coils and spokes of 2N samples."""

    matrix: int = 160
    rank: int = 32
    coils: int = 8
    spokes: int = 8000


@dataclass(frozen=True)
class Comparison:
    """What another way takes for the whole operator.

    Attributes
    ----------
    library : str
    seconds : float
        Scaled where less than the whole was computed.
    difference : float
        Norm of malibu's result less this one, over this one's.
    computed : str
        Of what.
    """

    library: str
    seconds: float
    difference: float
    computed: str


@dataclass
class Operator:
    """One operator's figures.

    Attributes
    ----------
    name : str
    seconds : float
        Median after a warm-up: plans are ready, code is compiled.
    moved_bytes : int
        What it must move at least: its inputs are read once, its result is written once.
    limit_s : float
        These bytes over the bandwidth of a copy.
    comparisons : list of Comparison
    """

    name: str
    seconds: float
    moved_bytes: int
    limit_s: float
    comparisons: list[Comparison] = field(default_factory=list)

    @property
    def times_limit(self) -> float:
        """How many times the limit it takes."""
        return self.seconds / self.limit_s

    def compare(
        self, library: str, theirs: NDArray, seconds: float, ours: NDArray, times: float, computed: str
    ) -> None:
        """Set another way beside it, whose seconds are scaled by ``times``."""
        xp = sigpy.get_array_module(ours)
        difference = float(xp.linalg.norm(ours - theirs) / xp.linalg.norm(theirs))
        self.comparisons.append(Comparison(library, seconds * times, difference, computed))


@dataclass
class OperatorTable:
    """All operators of one run, and where and with what they were measured.

    Attributes
    ----------
    sizes : Sizes
    machine : str
        Device and cores.
    load : float
        The machine's one-minute load average before the run: processes that wanted a core.
    bandwidth_gb_s : float
        Of a copy, bytes read and written, in 10⁹ bytes per second.
    versions : dict of str to str
        Of the libraries that were compared.
    missing : dict of str to str
        Libraries that were not, and the remedy.
    rows : list of Operator
    """

    sizes: Sizes
    machine: str
    load: float
    bandwidth_gb_s: float
    versions: dict[str, str]
    missing: dict[str, str]
    rows: list[Operator] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """All figures, for scripts."""
        return asdict(self)
