"""A picture before it becomes ISMRMRD's, and the record of a series of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

if TYPE_CHECKING:
    from recon.multitasking import RadialScan, Result


@dataclass
class Picture:
    """One image before it becomes ISMRMRD's.

    Attributes
    ----------
    array : (N, N) or (rows, columns) array
    spoke : int
        Imaging spoke whose counters and times it takes.
    meta : dict
    """

    array: NDArray
    spoke: int = 0
    meta: dict[str, Any] = field(default_factory=dict)


class Choices(Protocol):
    """What the parameters choose among the frames of a result."""

    @property
    def frames(self) -> str:
        """Real-time frames, as first:last:step of the imaging spokes, or auto."""

    @property
    def bright_blood_ti_ms(self) -> float | None:
        """Inversion time of the bright-blood cine."""

    @property
    def dark_blood_ti_ms(self) -> float | None:
        """Inversion time of the dark-blood cine."""

    @property
    def t1_frames(self) -> int:
        """Inversion times of the T1-recovery series."""


Maker = Callable[["Result", "RadialScan", Choices], list[Picture]]


@dataclass(frozen=True)
class Series:
    """One output series.

    Attributes
    ----------
    number : int
        Series index; further measurements of a stream add 20 each. Every series has one matrix size.
    description : str
        Name for people.
    make : callable
        Makes the pictures; an empty list says that the scan did not resolve what they would show.
    needs_tensor : bool
        Whether only the temporal tensor can give it.
    needs_recovery : bool
        Whether only a scan with inversions can give it.
    needs_times : bool
        Whether a static temporal model, which has but one image, cannot give it.
    needs_t1 : bool
        Whether the fit of T1 gives it.
    on_request : bool
        Whether it is sent only if it is named.
    animation : str
        Caption of the report's animation, if there is one.
    """

    number: int
    description: str
    make: Maker
    needs_tensor: bool = True
    needs_recovery: bool = False
    needs_times: bool = False
    needs_t1: bool = False
    on_request: bool = False
    animation: str = ""

    def is_possible(self, result: "Result") -> bool:
        """Whether the temporal model of a result can give it, if the scan resolves it."""
        has_tensor, is_static = result.temporal.gated is not None, result.temporal.source == "static"
        possible = (has_tensor or not self.needs_tensor) and (result.recovers or not self.needs_recovery)
        return possible and not (is_static and self.needs_times)
