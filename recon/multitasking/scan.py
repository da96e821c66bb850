"""A radial Multitasking scan of one slice as arrays: what a console, a file or a notebook hands to the method."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recon.errors import DataError
from recon.readouts.geometry import Geometry
from recon.readouts.timeline import Timeline
from recon.temporal.fitting.profiles import NavigatorProfiles
from recon.temporal.navigator import navigator_of_spokes

_TR_MS = (0.5, 1000.0)
"""No FLASH readout is shorter, and a smaller number is one of seconds; longer ones are microseconds."""

_TI_MS = (0.0, 10_000.0)
"""After ten seconds, five times the T1 of blood, nothing is left of an inversion."""

_FLIP_ANGLES_DEG = (0.2, 90.0)
"""Below lie angles in radians: 5 degrees are 0.087."""


@dataclass(frozen=True)
class Sequence:
    """Inversion-recovery FLASH as the protocol has it; None stands for what nobody said.

    Attributes
    ----------
    tr_ms : float or None
        Repetition time.
    ti_ms : float or None
        From the inversion to the first excitation.
    flip_angle_deg : float or None
        Nominal flip angle.
    inverts : bool or None
        False if the sequence is said to have no inversions; None: the timeline tells.
    field_t : float or None
        Of the magnet.
    """

    tr_ms: float | None
    ti_ms: float | None = None
    flip_angle_deg: float | None = None
    inverts: bool | None = None
    field_t: float | None = None

    @property
    def known_tr_ms(self) -> float:
        """The repetition time.

        Raises
        ------
        DataError
            If it is not known, or cannot be milliseconds.
        """
        if not self.tr_ms:
            raise DataError("the header's sequenceParameters have no TR; set the parameter tr_ms")
        low, high = _TR_MS
        if not low <= self.tr_ms <= high:
            raise DataError(
                f"TR = {self.tr_ms:g} cannot be milliseconds; ISMRMRD headers give TR in ms (3.6, not 0.0036); "
                "correct the header, or set the parameter tr_ms"
            )
        return self.tr_ms

    @property
    def known_ti_ms(self) -> float:
        """The inversion time, which the tensor model needs.

        Raises
        ------
        DataError
            If it is not known, or cannot be milliseconds.
        """
        if self.ti_ms is None:
            raise DataError(
                "the header's sequenceParameters have no TI; set the parameter ti_ms, or temporal_model=realtime, or "
                "inversion_counter=none if the sequence does not invert"
            )
        low, high = _TI_MS
        if not low <= self.ti_ms <= high:
            raise DataError(
                f"TI = {self.ti_ms:g} cannot be milliseconds from an inversion to the first excitation; correct the "
                "header, or set the parameter ti_ms"
            )
        return self.ti_ms

    @property
    def known_flip_angle_deg(self) -> float:
        """The nominal flip angle, which the tensor model needs.

        Raises
        ------
        DataError
            If it is not known, or cannot be degrees.
        """
        if not self.flip_angle_deg:
            raise DataError(
                "the header's sequenceParameters have no flipAngle_deg; "
                "set the parameter flip_angle_deg, or temporal_model=realtime"
            )
        low, high = _FLIP_ANGLES_DEG
        if not low <= self.flip_angle_deg <= high:
            raise DataError(
                f"flip angle {self.flip_angle_deg:g} cannot be degrees; ISMRMRD headers give degrees (5, not 0.087); "
                "correct the header, or set the parameter flip_angle_deg"
            )
        return self.flip_angle_deg

    def timeline(self, index: NDArray, pulse: NDArray, inversion: NDArray) -> Timeline:
        """Times of readouts at constant TR between inversions, each of which is followed by TI.

        Parameters
        ----------
        index : (readouts,) int
            Position of each among all readouts.
        pulse : (readouts,) int
            Excitation pulses since the inversion.
        inversion : (readouts,) int
            Number of the inversion.

        Returns
        -------
        Timeline

        Raises
        ------
        DataError
            If TR is not known.
        """
        time_ms = index * self.known_tr_ms + (inversion + 1) * (self.ti_ms or 0.0)
        return Timeline(time_ms / 1000, pulse, inversion)


@dataclass(frozen=True)
class NoiseScan:
    """Receiver noise without excitation.

    Attributes
    ----------
    samples : (coils, samples) complex64
    dwell_ratio : float
        Dwell time of the imaging readouts over that of the noise scan, times the receiver's relative noise bandwidth.
    """

    samples: NDArray[np.complex64]
    dwell_ratio: float = 1.0


@dataclass(frozen=True)
class Signal:
    """A waveform on the time axis of the scan.

    Attributes
    ----------
    time_s : (samples,) float64
    values : (samples,) float64
    """

    time_s: NDArray[np.float64]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Readouts:
    """Readouts of one kind, in the order of acquisition.

    Attributes
    ----------
    kspace : (readouts, coils, samples) complex64
    timeline : Timeline
    index : (readouts,) int
        Position of each among all readouts of the slice, those of the other kind and dropped ones included; rising.
    """

    kspace: NDArray[np.complex64]
    timeline: Timeline
    index: NDArray[np.int_]

    def __len__(self) -> int:
        """Count the readouts."""
        return len(self.kspace)


@dataclass(frozen=True)
class LeadingSpokes:
    """Imaging spokes of the scan's first inversion period, where it is not reconstructed: it starts from equilibrium.

    Attributes
    ----------
    readouts : Readouts
    trajectory : (spokes, samples, 2) float32
    """

    readouts: Readouts
    trajectory: NDArray[np.float32]


@dataclass(frozen=True)
class RadialScan:
    """One slice of a golden-angle radial scan, with navigators or without.

    Attributes
    ----------
    imaging : Readouts
        Imaging spokes.
    navigators : Readouts or None
        Spokes that were all measured at one angle.
    trajectory : (spokes, samples, 2) float32
        (kx, ky) of the imaging spokes in cycles per field of view.
    matrix : int
        Image matrix N that the protocol asks for.
    sequence : Sequence
    geometry : Geometry
    noise : NoiseScan or None
        Without one, coils are not prewhitened, and pixel values are in the receiver's units.
    ecg, respiration : Signal or None
        Waveforms; used only if the settings ask for them.
    basis : (L, spokes) array or None
        A temporal basis that is used in place of one from the scan.
    profiles : NavigatorProfiles or None
        Of the navigators, where they were made while these came; else they are made of ``navigators``, with equal bits.
    slice_index : int
        Number of the slice in the scan, from 0.
    leading : LeadingSpokes or None
        They tell B1.
    b1 : (N, N) float array or None
        Measured B1, the true flip angle over the nominal one, on the image matrix of the reconstruction.

    Raises
    ------
    DataError
        If the arrays do not fit together.
    """

    imaging: Readouts
    navigators: Readouts | None
    trajectory: NDArray[np.float32]
    matrix: int
    sequence: Sequence
    geometry: Geometry
    noise: NoiseScan | None = None
    ecg: Signal | None = None
    respiration: Signal | None = None
    slice_index: int = 0
    basis: NDArray | None = None
    profiles: NavigatorProfiles | None = None
    leading: LeadingSpokes | None = None
    b1: NDArray | None = None

    def __post_init__(self) -> None:
        spokes, coils, samples = self.imaging.kspace.shape
        if self.trajectory.shape != (spokes, samples, 2):
            raise DataError(
                f"the trajectory has shape {self.trajectory.shape}; {spokes} spokes of {samples} samples need "
                f"({spokes}, {samples}, 2)"
            )
        for name, number in (
            ("the navigators have", coils if self.navigators is None else self.navigators.kspace.shape[1]),
            ("the noise scan has", coils if self.noise is None else len(self.noise.samples)),
        ):
            if number != coils:
                raise DataError(f"{name} {number} coils, the imaging readouts {coils}; give the same coils in both")
        for kind, readouts in (("imaging spokes", self.imaging), ("navigators", self.navigators or self.imaging)):
            lengths = {len(readouts.index), len(readouts.timeline.time_s), len(readouts.timeline.pulse)}
            if lengths | {len(readouts.timeline.inversion)} != {len(readouts)}:
                raise DataError(f"index and timeline of the {len(readouts)} {kind} are not of that length")

    @cached_property
    def navigator_of_spoke(self) -> NDArray:
        """(spokes,) int: the navigator that saw the state of each imaging spoke.

        Raises
        ------
        DataError
            If there are no navigators.
        """
        if self.navigators is None:
            raise DataError("the scan has no navigators; set temporal_model=realtime or static")
        return navigator_of_spokes(
            self.navigators.index, self.navigators.timeline, self.imaging.index, self.imaging.timeline
        )
