"""The readouts of a stream, kept as they arrive."""

import logging
from collections.abc import Callable, Iterable
from typing import Any

import ismrmrd
import numpy as np
from numpy.typing import NDArray

from recon.errors import DataError

log = logging.getLogger(__name__)

_SKIPPED = {
    ismrmrd.ACQ_IS_PARALLEL_CALIBRATION: "parallel calibration",
    ismrmrd.ACQ_IS_PHASECORR_DATA: "phase correction",
    ismrmrd.ACQ_IS_HPFEEDBACK_DATA: "feedback",
    ismrmrd.ACQ_IS_DUMMYSCAN_DATA: "dummy scan",
    ismrmrd.ACQ_IS_RTFEEDBACK_DATA: "feedback",
    ismrmrd.ACQ_IS_SURFACECOILCORRECTIONSCAN_DATA: "surface coil correction",
    ismrmrd.ACQ_IS_PHASE_STABILIZATION_REFERENCE: "phase stabilisation",
    ismrmrd.ACQ_IS_PHASE_STABILIZATION: "phase stabilisation",
}
_SKIPPED_MASK = sum(1 << (flag - 1) for flag in _SKIPPED)
_NOISE_MASK = 1 << (ismrmrd.ACQ_IS_NOISE_MEASUREMENT - 1)
_LAST_MASK = 1 << (ismrmrd.ACQ_LAST_IN_MEASUREMENT - 1)


class Measurement:
    """Collects the readouts of a stream; receiving only keeps them, so it never blocks the scanner.

    Attributes
    ----------
    received : int
        Readouts so far, of every kind.
    waveforms : list of ismrmrd.Waveform
    skipped : dict of str to int
        Readouts of kinds that the reconstruction does not use.
    complete : bool
        Whether the last imaging readout was flagged ``ACQ_LAST_IN_MEASUREMENT``.
    images : list of ismrmrd.Image
        What came instead of readouts.
    number : int
        Position in the stream, from 0.
    volumes, volumes_before : int
        Volumes that were made of this measurement, and of those before it.
    """

    def __init__(self, number: int = 0, volumes_before: int = 0) -> None:
        self.number = number
        self.volumes_before, self.volumes = volumes_before, 0
        self.images: list[ismrmrd.Image] = []
        self.complete = False
        self.received = 0
        self.waveforms: list[ismrmrd.Waveform] = []
        self.skipped: dict[str, int] = {}
        self._noise: list[ismrmrd.Acquisition] = []
        self._slices: dict[int, list[ismrmrd.Acquisition]] = {}
        self._shape: tuple[int, int] | None = None

    @classmethod
    def of(cls, items: Iterable[ismrmrd.Acquisition | ismrmrd.Waveform]) -> "Measurement":
        """Take a whole scan, such as that of a file."""
        measurement = cls()
        for item in items:
            if isinstance(item, ismrmrd.Waveform):
                measurement.waveforms.append(item)
            else:
                measurement.add(item)
        return measurement

    @property
    def slices(self) -> dict[int, list[ismrmrd.Acquisition]]:
        """Imaging readouts and navigators by slice index, each in the order of arrival."""
        return self._slices

    @property
    def acquisitions(self) -> list[ismrmrd.Acquisition]:
        """All readouts that were kept, noise first."""
        return self._noise + [readout for slice_ in self._slices.values() for readout in slice_]

    def add(self, acquisition: ismrmrd.Acquisition) -> None:
        """Take a readout.

        Raises
        ------
        DataError
            If its length or coil count differs from the readouts before it.
        """
        self.received += 1
        flags = acquisition.flags
        if flags & _NOISE_MASK:
            self._noise.append(acquisition)
            return
        if flags & _SKIPPED_MASK:
            for flag, name in _SKIPPED.items():
                if acquisition.is_flag_set(flag):
                    self.skipped[name] = self.skipped.get(name, 0) + 1
            return
        shape = acquisition.data.shape
        if self._shape is None:
            self._shape = shape
        if shape != self._shape:
            raise DataError(
                f"readout {self.received} (scan counter {acquisition.scan_counter}) has {shape[0]} coils of {shape[1]} "
                f"samples, those before it {self._shape[0]} of {self._shape[1]}; send one encoding per measurement"
            )
        self._slices.setdefault(acquisition.idx.slice, []).append(acquisition)
        self.complete = bool(flags & _LAST_MASK)

    def receive(self, items: Iterable[Any], accept: "Callable[[Measurement, Any], None]") -> bool:
        """Keep every item until the measurement is complete or the stream closes.

        Parameters
        ----------
        items : iterable
            The stream.
        accept : callable
            Keeps an item here, or refuses it.

        Returns
        -------
        bool
            Whether the stream goes on.

        Raises
        ------
        StreamError
            If the stream breaks, or holds something that the gadget does not take.
        """
        for item in items:
            accept(self, item)
            if self.complete:
                log.info("received %d readouts; the last in measurement is flagged", self.received)
                return True
        if self.holds_data or self.number == 0:
            images = f", {len(self.images)} images" if self.images else ""
            log.info("received %d readouts%s and the end of the stream", self.received, images)
        return False

    @property
    def holds_data(self) -> bool:
        """Whether there is anything to reconstruct."""
        return bool(self._slices or self.images)

    def check_imaging(self) -> None:
        """Warn of readouts that are not used.

        Raises
        ------
        DataError
            If there are no imaging readouts.
        """
        if not self._slices:
            raise DataError(f"no imaging readouts among the {self.received} that came: the stream is empty")
        for name, count in self.skipped.items():
            log.warning("%d readouts of kind %s are not used", count, name)

    def following(self) -> "Measurement":
        """Start the next measurement of the stream; it keeps the noise scan."""
        following = Measurement(self.number + 1, self.volumes_before + self.volumes)
        following._noise = list(self._noise)
        return following

    def noise(self, relative_bandwidth: float = 1.0) -> tuple[NDArray, float] | None:
        """Noise scan, if there was one.

        Parameters
        ----------
        relative_bandwidth : float
            Receiver's relative noise bandwidth, from the header.

        Returns
        -------
        (coils, samples) complex64, float; or None
            The samples; the imaging over the noise dwell time, times the relative bandwidth.

        Raises
        ------
        DataError
            If its coils are not those of the imaging readouts, or it is not finite.
        """
        if not self._noise or self._shape is None:
            return None
        if {readout.data.shape[0] for readout in self._noise} != {self._shape[0]}:
            raise DataError(f"the noise scan does not have the {self._shape[0]} coils of the imaging readouts")
        samples = np.concatenate([readout.data for readout in self._noise], axis=1)
        if not np.isfinite(samples).all():
            raise DataError("the noise scan holds NaN or Inf; repeat it")
        imaging = next(iter(self._slices.values()))[0]
        dwell_us, noise_dwell_us = imaging.sample_time_us, self._noise[0].sample_time_us
        known = dwell_us > 0 and noise_dwell_us > 0
        return samples, relative_bandwidth * (float(dwell_us / noise_dwell_us) if known else 1.0)
