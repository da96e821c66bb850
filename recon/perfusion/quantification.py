"""Cerebral blood flow from the difference of control and label, by the consensus model (`alsop2015`)."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recon.errors import DataError

UNIT = "mL/100 g/min"

_PER_100_G_AND_MINUTE = 6000.0
"""100 g times 60 s: from mL/g/s."""

_RELAXED_TR_S = 5.0
"""From this TR on, Alsop 2015 takes an image for proton density as it is."""

_LONGEST_S = 20.0
"""No TR, labelling or delay of a perfusion scan takes longer: a number above it is of another unit."""


@dataclass(frozen=True)
class Labelling:
    """How the blood was labelled, and what the model assumes of it.

    Attributes
    ----------
    pld_s : float
        Post-labelling delay of the first slice.
    duration_s : float
        Labelling duration τ.
    tr_s : float
        Repetition time of the images.
    slice_time_s : float
        How much later each slice is read than the one before it along the slice direction: 2-D echo-planar slices;
        negative where the last slice is read first; 0 for 3-D read-outs.
    efficiency : float
        Of the labelling, α: 0.85 for pCASL.
    blood_t1_s : float
        1.65 at 3 T, 1.35 at 1.5 T.
    tissue_t1_s : float
        Of grey matter, by which a control image of a TR below 5 s is scaled up to proton density.
    partition_ml_per_g : float
        Blood-brain partition coefficient λ.

    Raises
    ------
    DataError
        If a time is not possible.
    """

    pld_s: float
    duration_s: float
    tr_s: float
    slice_time_s: float = 0.0
    efficiency: float = 0.85
    blood_t1_s: float = 1.65
    tissue_t1_s: float = 1.33
    partition_ml_per_g: float = 0.9

    def __post_init__(self) -> None:
        times = {"TR": self.tr_s, "post-labelling delay": self.pld_s, "labelling duration": self.duration_s}
        for name, seconds in times.items():
            if not 0 < seconds <= _LONGEST_S:
                raise DataError(
                    f"the {name} is {seconds:g} s; a perfusion scan has one above 0 and up to {_LONGEST_S:g} s: "
                    "correct the header, or set the parameter in ms"
                )
        if self.tr_s < self.pld_s + self.duration_s:
            raise DataError(
                f"the TR of {self.tr_s:g} s is shorter than labelling ({self.duration_s:g} s) and delay "
                f"({self.pld_s:g} s) together; correct the header, or set tr_ms, tau_ms and pld_ms"
            )

    def delays_s(self, slices: int) -> NDArray[np.float64]:
        """(slices,) post-labelling delay of each slice, along the slice direction."""
        place = np.arange(slices) if self.slice_time_s >= 0 else np.arange(slices)[::-1]
        return np.asarray(self.pld_s + abs(self.slice_time_s) * place, dtype=np.float64)

    @property
    def saturation(self) -> float:
        """Share of proton density that a control image of this TR shows, as Alsop 2015 corrects it."""
        return 1.0 if self.tr_s >= _RELAXED_TR_S else 1 - math.exp(-self.tr_s / self.tissue_t1_s)


def cbf_of(difference: NDArray, m0: NDArray, labelling: Labelling) -> NDArray[np.float32]:
    """Quantify a difference of control and label, equation 1 of Alsop 2015 with a delay of each slice.

    ``CBF = 6000 λ ΔM exp(PLD/T1b) / (2 α T1b M0 (1 - exp(-τ/T1b)))``.

    Parameters
    ----------
    difference : (..., z, y, x) float
        Control minus label; slices along the slice direction.
    m0 : (..., z, y, x) float
        Proton density on the same scale.
    labelling : Labelling

    Returns
    -------
    (..., z, y, x) float32
        mL/100 g/min; 0 where there is no proton density.
    """
    t1, slices = labelling.blood_t1_s, difference.shape[-3]
    decay = np.exp(labelling.delays_s(slices) / t1)[:, None, None]
    labelled = 2 * labelling.efficiency * t1 * -math.expm1(-labelling.duration_s / t1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(m0 > 0, np.asarray(difference, np.float64) / m0, 0.0)
    gain = _PER_100_G_AND_MINUTE * labelling.partition_ml_per_g * decay / labelled
    return (gain * ratio).astype(np.float32)
