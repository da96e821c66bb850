"""The image series of the super-resolution gadget: one record each."""

from collections.abc import Callable
from dataclasses import dataclass

from numpy.typing import NDArray

from recon.super_resolution import RestoredVolume


@dataclass(frozen=True)
class VolumeSeries:
    """One output series of a volume.

    Attributes
    ----------
    offset : int
        Added to the series index of what came; each has a series of its own, since each has one matrix size.
    description : str
        Name for people.
    make : callable
        Gives the voxels.
    is_generated : bool
        Whether networks made what it shows.
    is_signed : bool
        Whether its values may be negative: then its image type is real, not magnitude.
    """

    offset: int
    description: str
    make: Callable[[RestoredVolume], NDArray]
    is_generated: bool = True
    is_signed: bool = False


SERIES = {
    "original": VolumeSeries(0, "zero-filled", lambda restored: restored.zero_filled, is_generated=False),
    "super_resolved": VolumeSeries(100, "super-resolved", lambda restored: restored.result),
    "first_stage": VolumeSeries(200, "super-resolved, first stage", lambda restored: restored.first_stage),
    "difference": VolumeSeries(
        300,
        "super-resolved minus zero-filled",
        lambda restored: restored.result - restored.zero_filled,
        is_signed=True,
    ),
}
"""Every kind of image that the parameter ``images`` may name."""
