"""What stands before Gadgetron's ``<distributed>``: hands readouts on, and gives each slice what all of them share.

Gadgetron's AcquisitionDistributor opens a worker for each value of ``idx.slice``, and gives it the readouts of that
value alone: noise goes to slice 0, waveforms and images pass by, and the end of the scan is seen by one slice. On the
way to a worker Gadgetron 4.7 also loses ``target`` and ``<configuration>`` of an ``<external>`` (its serialised
``Config`` leaves out both), so the parameters go the same way as the noise.
"""

import logging
import xml.etree.ElementTree as ElementTree
from typing import Any

import ismrmrd
from gadgetron.external.connection import Connection

from gadgets.errors import StreamError
from gadgets.mrd.connection import GadgetStream
from gadgets.mrd.header import counter_limits, read_header
from gadgets.mrd.headers.roles import NOT_IMAGING
from gadgets.mrd.intake.measurement import Measurement
from gadgets.mrd.wire.gadget_process import as_message
from gadgets.mrd.wire.packed_items import Opening, packed
from gadgets.multitasking.given.b1_file import is_b1_map
from gadgets.multitasking.parameters import MultitaskingParameters, parse_parameters
from gadgets.multitasking.slices.survey import hollow, survey

log = logging.getLogger(__name__)

_ALWAYS_IMAGING = (ismrmrd.ACQ_IS_NAVIGATION_DATA, ismrmrd.ACQ_IS_PARALLEL_CALIBRATION_AND_IMAGING)


class SharingGadget:
    """Passes the readouts of a stream on, each slice's after what the slices share."""

    def handle(self, connection: Connection) -> None:
        """Serve the measurements of one stream.

        Parameters
        ----------
        connection : gadgetron.external.connection.Connection
            Config and header are read already; the items follow.

        Raises
        ------
        MalibuError, DataError
            On bad parameters or streams; the client has received the text as an ERROR message.
        """
        with GadgetStream(connection, type(self).__name__) as stream:
            parameters = parse_parameters(stream.configuration)
            stream.set_timeouts(parameters.message_timeout_s, parameters.idle_timeout_s)
            header = read_header(stream.header, parameters.encoding_space, parameters.matrix)
            sharing = Sharing(stream, parameters)
            measurement, goes_on = Measurement(counter_limits(stream.header)), True
            while goes_on:
                goes_on = measurement.receive(stream, sharing.accept, stream.waits)
                if measurement.holds_data:
                    sharing.tell_all(survey(measurement, header, parameters))
                sharing.next_measurement()
                measurement = measurement.following()


class Sharing:
    """Who has been told what.

    Parameters
    ----------
    stream : GadgetStream
    parameters : MultitaskingParameters
    """

    def __init__(self, stream: GadgetStream, parameters: MultitaskingParameters) -> None:
        self._stream = stream
        configuration = stream.configuration
        self._configuration = None if configuration is None else ElementTree.tostring(configuration, "unicode")
        ignored = (*parameters.ignore_flags, "ACQ_IS_SURFACECOILCORRECTIONSCAN_DATA")  # which is on every line, or none
        self._other = sum(1 << (getattr(ismrmrd, flag) - 1) for flag in NOT_IMAGING if flag not in ignored)
        self._opened: list[int] = []
        self._kept: list[Any] = []
        self._waveforms: list[ismrmrd.Waveform] = []

    def accept(self, measurement: Measurement, item: Any) -> None:
        """Hand a readout on to its slice, and anything else to all.

        Raises
        ------
        StreamError
            If the Multitasking gadget takes no such item.
        """
        if isinstance(item, ismrmrd.Acquisition):
            if item.is_flag_set(ismrmrd.ACQ_IS_NOISE_MEASUREMENT):
                measurement.received += 1
                self._share(item, self._kept)
                return
            measurement.add(hollow(item))
            if self._reaches(item, measurement.number):
                self._stream.pass_on(as_message(item))
        elif isinstance(item, ismrmrd.Waveform):
            self._share(item, self._waveforms)
        elif isinstance(item, ismrmrd.Image) and is_b1_map(item):
            self._share(item, self._kept)
        else:
            raise StreamError(
                "the Multitasking gadget takes readouts and waveforms, and images whose Meta DataRole holds B1MAP, but "
                f"received {type(item).__name__}; put it directly after the readers"
            )

    def tell_all(self, item: Any) -> None:
        """Send something to every slice that came so far."""
        for number in self._opened:
            self._stream.pass_on(packed(item, number))

    def next_measurement(self) -> None:
        """Keep noise and maps, as one gadget does, but no waveforms."""
        self._waveforms.clear()

    def _share(self, item: Any, kept: list[Any]) -> None:
        kept.append(item)
        self.tell_all(item)

    def _reaches(self, readout: ismrmrd.Acquisition, measurement: int) -> bool:
        """Open the way to a readout's slice, unless the readout is of a kind that belongs to no image."""
        number = readout.idx.slice
        if number in self._opened:
            return True
        always = any(readout.is_flag_set(flag) for flag in _ALWAYS_IMAGING)
        if readout.flags & self._other and not always:
            return False
        log.info("slice %d: its first readout came", number)
        opening = Opening(self._configuration, measurement, not self._opened)
        self._opened.append(number)
        for item in (opening, *self._kept, *self._waveforms):
            self._stream.pass_on(packed(item, number))
        return True
