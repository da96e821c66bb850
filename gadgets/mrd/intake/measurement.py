"""The readouts of a stream, kept as they arrive."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

import ismrmrd
import numpy as np
from numpy.typing import NDArray

from gadgets.device import give_memory_back
from gadgets.errors import StreamError
from gadgets.mrd.headers.roles import NOT_IMAGING, DefaultRules, Rules
from gadgets.mrd.intake.selected import Selected, check_shape, selected_readouts
from gadgets.mrd.intake.store import ReadoutStore
from gadgets.mrd.wire.packed_items import WholeScan
from recon.errors import DataError

log = logging.getLogger(__name__)

_SPECIAL_MASK = sum(1 << (getattr(ismrmrd, flag) - 1) for flag in NOT_IMAGING)
_NOISE_MASK = 1 << (ismrmrd.ACQ_IS_NOISE_MEASUREMENT - 1)
_NAVIGATOR_MASK = 1 << (ismrmrd.ACQ_IS_NAVIGATION_DATA - 1)
_LAST_MASK = 1 << (ismrmrd.ACQ_LAST_IN_MEASUREMENT - 1)

_GRACE_S = 1.0
"""How long to wait after a readout flagged as last, where nothing tells whether more will come: readouts of a scan
that goes on follow within a repetition time, or an inversion time."""


class Measurement:
    """Collects the readouts of a stream; receiving only keeps them, so it never blocks the scanner.

    Attributes
    ----------
    received : int
        Readouts so far, of every kind.
    waveforms : list of ismrmrd.Waveform
    complete : bool
        Whether the readout that came last was flagged ``ACQ_LAST_IN_MEASUREMENT``.
    images : list of ismrmrd.Image
        What came instead of readouts.
    maps : list of ismrmrd.Image
        Maps that were measured before the readouts; the stream's later measurements keep them, as the noise scan.
    number : int
        Position in the stream, from 0.
    ahead : object
        What a gadget has computed of the readouts while they came.
    whole : WholeScan or None
        What is known of the scan of which only some slices came here; None where all did.
    volumes, volumes_before : int
        Volumes that were made of this measurement, and of those before it.

    Parameters
    ----------
    limits : dict of str to int, optional
        Largest value of each counter, from the header. Converters flag the last readout of each repetition or slice,
        too: it ends the scan at once only where repetitions alone are counted and all came.
    number, volumes_before : int
    limit_bytes : int, optional
        Memory that the readouts may take.
    """

    def __init__(
        self,
        limits: dict[str, int] | None = None,
        number: int = 0,
        volumes_before: int = 0,
        limit_bytes: int | None = None,
    ) -> None:
        self.number = number
        self.ahead: Any = None
        self.whole: WholeScan | None = None
        self.volumes_before, self.volumes = volumes_before, 0
        self.images: list[ismrmrd.Image] = []
        self.maps: list[ismrmrd.Image] = []
        self.complete = False
        self.received = 0
        self.waveforms: list[ismrmrd.Waveform] = []
        self._limits = {name: limit for name, limit in (limits or {}).items() if limit > 0}
        self._repetition = 0
        self._noise: list[ismrmrd.Acquisition] = []
        self._readouts = ReadoutStore(limit_bytes)
        self._plain: ismrmrd.Acquisition | None = None
        self._latest: ismrmrd.Acquisition | None = None
        self._following: list[Any] = []
        self._broken: StreamError | None = None
        self._deadline_s = 0.0

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
    def stored(self) -> ReadoutStore:
        """All readouts that came so far but noise, in the order of arrival."""
        return self._readouts

    def release(self) -> None:
        """Give the readouts' memory back to the system: they are arrays elsewhere, and nobody will rescue them."""
        self._readouts = ReadoutStore(self._readouts.limit_bytes)
        give_memory_back()

    @property
    def acquisitions(self) -> list[ismrmrd.Acquisition]:
        """All readouts that came, noise first."""
        return [*self._noise, *self._readouts.all()]

    def add(self, acquisition: ismrmrd.Acquisition) -> None:
        """Take a readout.

        Raises
        ------
        DataError
            If it is an imaging readout whose length or coil count differs from the ones before it, or the memory that
            readouts may take is full.
        """
        self.received += 1
        flags = acquisition.flags
        if flags & _NOISE_MASK:
            self._noise.append(acquisition)
            return
        self._readouts.append(acquisition, kind=bool(flags & _NAVIGATOR_MASK))
        self._latest = acquisition
        self._repetition = max(self._repetition, acquisition.idx.repetition)
        self.complete = bool(flags & _LAST_MASK)
        if self.complete:
            self._deadline_s = time.monotonic() + _GRACE_S
        if not flags & _SPECIAL_MASK:
            first = self._plain = self._plain or acquisition
            same = first.encoding_space_ref, first.idx.contrast
            if same == (acquisition.encoding_space_ref, acquisition.idx.contrast):
                check_shape(acquisition, first.data.shape)

    def receive(
        self,
        items: Iterable[Any],
        accept: "Callable[[Measurement, Any], None]",
        more: Callable[[float], bool] = lambda seconds: False,
    ) -> bool:
        """Keep every item until the measurement is complete or the stream closes.

        Parameters
        ----------
        items : iterable
            The stream.
        accept : callable
            Keeps an item here, or refuses it.
        more : callable
            Whether the stream goes on, or ends, within some seconds.

        Returns
        -------
        bool
            Whether the stream goes on, or broke after the scan: then the next measurement raises what broke it.

        Raises
        ------
        StreamError
            If the stream breaks, or holds something that the gadget does not take.
        """
        if self._broken is not None:
            raise self._broken
        held, self._following = self._following, []
        for item in self._whole_before(chain(held, items)):
            if self.complete and self._begins_another(item):
                self._following = [item]
                return True
            accept(self, item)
            if self.whole is not None:
                return True
            if self.complete and (self._has_everything() or not more(self._grace_s())):
                log.info("received %d readouts; the last in measurement is flagged", self.received)
                return True
        if self._broken is not None:
            return True
        if self.holds_data or self.number == 0:
            log.info("received %d readouts, %d images and the end of the stream", self.received, len(self.images))
        if len(self._readouts) and not self.complete:
            log.warning("the stream ended without ACQ_LAST_IN_MEASUREMENT: the scan may be incomplete")
        return False

    def _whole_before(self, items: Iterable[Any]) -> Iterator[Any]:
        """Give items until the stream breaks: where that is after the last readout of a scan, the scan comes first."""
        try:
            yield from items
        except StreamError as error:
            if not self.complete:
                raise
            log.warning("the stream broke after the last readout: the scan is reconstructed all the same")
            self._broken = error

    def end(self, whole: WholeScan) -> None:
        """Take the word of who saw all slices that the measurement has ended, and how."""
        self.whole, self.complete = whole, whole.complete

    def _has_everything(self) -> bool:
        """Whether nothing can follow: the last of several slices or averages is not told by the largest counters."""
        return set(self._limits) == {"repetition"} and self._repetition >= self._limits["repetition"]

    def _grace_s(self) -> float:
        """What is left of the time to wait; waveforms that come meanwhile do not prolong it."""
        return max(0.0, self._deadline_s - time.monotonic())

    def _begins_another(self, item: Any) -> bool:
        """Whether an item after a readout flagged as last belongs to another scan: its counters start anew."""
        last = self._latest
        if last is None or not isinstance(item, ismrmrd.Acquisition):
            return False
        if item.measurement_uid != last.measurement_uid or item.is_flag_set(ismrmrd.ACQ_IS_NOISE_MEASUREMENT):
            return True
        if item.scan_counter or last.scan_counter:
            return item.scan_counter <= last.scan_counter
        return (item.idx.repetition, item.idx.average) <= (last.idx.repetition, last.idx.average)

    @property
    def holds_data(self) -> bool:
        """Whether there is anything to reconstruct."""
        return bool(len(self._readouts) or self.images)

    def select(self, rules: Rules | None = None) -> Selected:
        """Choose the readouts that belong to the image, and say what is not used.

        Parameters
        ----------
        rules : Rules, optional
            What was set of the rule; see :func:`gadgets.mrd.headers.roles.roles_of`.

        Returns
        -------
        Selected

        Raises
        ------
        DataError
            If there are no imaging readouts, if they differ in length or coils, or come from several measurements.
        """
        if not len(self._readouts):
            raise DataError(f"no imaging readouts among the {self.received} that came: the stream is empty")
        return selected_readouts(self._readouts.all(), rules or DefaultRules())

    def following(self) -> "Measurement":
        """Start the next measurement of the stream; it keeps the noise scan and the maps."""
        before, limit_bytes = self.volumes_before + self.volumes, self._readouts.limit_bytes
        following = Measurement(self._limits, self.number + 1, before, limit_bytes)
        following._noise, following._following = list(self._noise), self._following
        following._broken, following.maps = self._broken, list(self.maps)
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
        if not self._noise or not len(self._readouts):
            return None
        imaging = self._plain or self._readouts.all()[0]
        if {readout.data.shape[0] for readout in self._noise} != {imaging.data.shape[0]}:
            raise DataError(f"the noise scan does not have the {imaging.data.shape[0]} coils of the imaging readouts")
        samples = np.concatenate([readout.data for readout in self._noise], axis=1)
        if not np.isfinite(samples).all():
            raise DataError("the noise scan holds NaN or Inf; repeat it")
        dwell_us, noise_dwell_us = imaging.sample_time_us, self._noise[0].sample_time_us
        ratio = float(dwell_us / noise_dwell_us) if dwell_us > 0 and noise_dwell_us > 0 else 1.0
        return samples, relative_bandwidth * ratio
