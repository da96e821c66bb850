"""What the reconstruction of one slice gives: factors, maps, and the frames that are read from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from recon.errors import DataError
from recon.multitasking.selection import (
    Cells,
    bright_blood_pulse,
    dark_blood_pulse,
    frame_spokes,
    recovery_pulses,
    t1_state,
)
from recon.multitasking.settings import Settings
from recon.relaxometry.b1_map import B1Map
from recon.relaxometry.t1 import T1Map
from recon.spatial.frames import frames, time_average
from recon.spatial.trust.misfit import DataMisfit
from recon.temporal.model import GatedTensor, TemporalModel


@dataclass(frozen=True)
class Frames:
    """Magnitude frames of cells of the tensor, and which cells they are.

    Attributes
    ----------
    images : (frames, N, N) float32
    cells : Cells
    inversion_time_ms : (frames,) float64
        Time between the inversion and each frame's excitation; not a number in a scan without inversions.
    """

    images: NDArray[np.float32]
    cells: Cells
    inversion_time_ms: NDArray[np.float64]


@dataclass(frozen=True)
class Result:
    """Everything that was found of one slice, in host memory.

    Attributes
    ----------
    spatial_factor : (L, N, N) complex64
        U; with prewhitening its unit is the standard deviation of the receiver noise.
    back_projection : (L, N, N) complex64
        U₀: what the network or ADMM was given; the same array if nothing was done to it.
    method : str
        What made U of U₀.
    temporal : TemporalModel
        Φ and its model.
    t1_map : T1Map or None
        None if it was not wanted, or could not be fitted.
    coil_maps : (virtual coils, N, N) complex64
        S.
    settings : Settings
    provenance : mapping of str to str
        What the network that was used tells of itself, and what was done about gradient delays.
    prewhitened : bool
    nufft, device : str
        Back end and device that computed it.
    seconds : dict of str to float
        Seconds of each stage so far, in order.
    b1 : B1Map or None
        True flip angle over that of the settings, where it is known as a map.
    samples, error_model, misfit
        As in :class:`recon.multitasking.SpatialFactor`.
    """

    spatial_factor: NDArray[np.complex64]
    back_projection: NDArray[np.complex64]
    method: str
    temporal: TemporalModel
    t1_map: T1Map | None
    coil_maps: NDArray[np.complex64]
    settings: Settings
    provenance: Mapping[str, str]
    prewhitened: bool
    nufft: str
    device: str
    seconds: dict[str, float]
    b1: B1Map | None = None
    samples: tuple[NDArray[np.complex64], ...] = ()
    error_model: Mapping[str, float] = field(default_factory=dict)
    misfit: DataMisfit | None = None

    @property
    def gated(self) -> GatedTensor:
        """The tensor and its gating.

        Raises
        ------
        DataError
            If the temporal basis is not the tensor's.
        """
        if self.temporal.gated is None:
            raise DataError("the real-time basis knows no states of motion; set temporal_model=tensor")
        return self.temporal.gated

    @property
    def recovers(self) -> bool:
        """Whether T1 recovery was modelled."""
        return self.temporal.gated is not None and self.temporal.gated.recovers

    @property
    def beats(self) -> bool:
        """Whether a heartbeat was resolved."""
        return self.temporal.gated is not None and self.temporal.gated.gating.beats is not None

    @property
    def breathes(self) -> bool:
        """Whether breathing was resolved."""
        return self.temporal.gated is not None and self.temporal.gated.gating.respiration is not None

    def before(self) -> "Result":
        """The same slice as the back-projection shows it, to see what network or ADMM changed."""
        return replace(self, spatial_factor=self.back_projection)

    def time_average(self) -> NDArray:
        """Magnitude of the mean over all times: ``(N, N)`` float32."""
        return np.abs(time_average(self.spatial_factor, self.temporal.basis))

    def frames(self, cardiac: NDArray | int, respiratory: NDArray | int, pulse: NDArray | int) -> NDArray:
        """Complex frames of cells of the tensor, ``U · G₍₁₎ (U_c ⊗ U_r ⊗ U_τ)ᵀ``.

        Parameters
        ----------
        cardiac, respiratory, pulse : int or (frames,) int
            Bins, and excitation pulses since the inversion; broadcast against each other.

        Returns
        -------
        (frames, N, N) complex64

        Raises
        ------
        DataError
            If the temporal basis is the real-time one.
        """
        return self._frames(Cells.of(cardiac, respiratory, pulse))

    def _frames(self, cells: Cells) -> NDArray:
        return frames(self.spatial_factor, self.functions(cells))

    def functions(self, cells: Cells) -> NDArray:
        """Columns of Φ of chosen cells: ``(L, frames)`` float32."""
        return self.gated.tensor.cells(cells.cardiac, cells.respiratory, cells.pulse).astype(np.float32)

    def show(self, cells: Cells) -> Frames:
        """Magnitude frames of chosen cells."""
        times_ms = self.gated.sequence.inversion_time_ms(cells.pulse)
        if not self.recovers:
            times_ms = np.full(len(cells.pulse), np.nan)
        return Frames(np.abs(self._frames(cells)), cells, times_ms)

    def cine(self, ti_ms: float | None = None, dark_blood: bool = False, respiratory_bin: int | None = None) -> Frames:
        """The heart over its cycle at one inversion time and one respiratory state.

        Parameters
        ----------
        ti_ms : float, optional
            Default: the end of the recovery, or for dark blood the null of flowing blood.
        dark_blood : bool
        respiratory_bin : int, optional
            Default: end-expiration.

        Returns
        -------
        Frames
            One for each cardiac phase, from end-diastole.

        Raises
        ------
        DataError
            If no heartbeat was resolved, or an inversion time is wanted of a scan without inversions.
        """
        if not self.beats:
            raise DataError("no heartbeat was resolved: there is no cine; show real-time frames instead")
        gated = self.gated
        if dark_blood or ti_ms is not None:
            self._check_recovery()
        if dark_blood:
            efficiency = self.t1_map.efficiency if self.t1_map else None
            pulse = dark_blood_pulse(self.temporal, gated, self.settings.assumed_inflow, ti_ms, efficiency)
        else:
            pulse = bright_blood_pulse(self.temporal, gated, ti_ms)
        state = gated.end_expiration if respiratory_bin is None else respiratory_bin
        return self.show(Cells.of(np.arange(len(gated.tensor.cardiac)), state, pulse))

    def recovery(self, count: int = 20) -> Frames:
        """T1 recovery at the state of motion of the T1 map.

        Parameters
        ----------
        count : int
            Inversion times, spread evenly.

        Returns
        -------
        Frames

        Raises
        ------
        DataError
            If the scan has no inversions.
        """
        self._check_recovery()
        settings = self.settings
        state = t1_state(self.gated, settings.t1_cardiac_bin, settings.t1_respiratory_bin)
        return self.show(Cells.of(*state, recovery_pulses(self.temporal, count)))

    def _check_recovery(self) -> None:
        if not self.gated.recovers:
            raise DataError("the scan has no inversions: there is no T1, no dark blood and no inversion time to choose")

    def respiration(self, ti_ms: float | None = None) -> Frames:
        """The respiratory states at end-diastole.

        Parameters
        ----------
        ti_ms : float, optional
            Default: the end of the recovery.

        Returns
        -------
        Frames
            From end-expiration towards inspiration.

        Raises
        ------
        DataError
            If no breathing was resolved, or an inversion time is wanted of a scan without inversions.
        """
        if not self.breathes:
            raise DataError("no breathing was resolved: there are no respiratory states")
        if ti_ms is not None:
            self._check_recovery()
        pulse = bright_blood_pulse(self.temporal, self.gated, ti_ms)
        return self.show(Cells.of(0, np.arange(len(self.gated.tensor.respiratory)), pulse))

    def realtime(self, selection: str = "auto") -> tuple[NDArray, NDArray]:
        """Magnitude frames at the times of imaging spokes.

        Parameters
        ----------
        selection : str
            See :func:`recon.multitasking.selection.frame_spokes`; counted among the reconstructed spokes.

        Returns
        -------
        (frames, N, N) float32
        (frames,) int
            Imaging spoke of each frame.
        """
        spokes = np.flatnonzero(self.temporal.kept)
        columns = frame_spokes(selection, self.temporal.imaging.inversion[spokes])
        return np.abs(frames(self.spatial_factor, self.temporal.basis[:, columns])), spokes[columns]
