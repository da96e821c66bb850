"""When readouts were measured, and at which point of the recovery."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Timeline:
    """Times of readouts, and where each lies between two inversions.

    Attributes
    ----------
    time_s : (readouts,) float64
        Time since the start of the scan.
    pulse : (readouts,) int
        Excitation pulses since the last inversion, the readout's own not counted.
    inversion : (readouts,) int
        Number of the inversion period.
    """

    time_s: NDArray[np.float64]
    pulse: NDArray[np.int_]
    inversion: NDArray[np.int_]
