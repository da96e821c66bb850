"""What all gadgets of malibu share: one stream, its measurements one after the other, and what must not be lost."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, TypeVar
from xml.etree.ElementTree import Element

import ismrmrd
import sigpy
from gadgetron.external.connection import Connection

from gadgets.configuration import StreamParameters
from gadgets.device import choose_device, memory_limit_bytes, share_gpu_memory
from gadgets.mrd.connection import GadgetStream
from gadgets.mrd.dialects import dialect_of
from gadgets.mrd.header import counter_limits
from gadgets.mrd.intake.measurement import Measurement
from gadgets.mrd.rescue import check_rescue_folder, loaded_early, rescued
from recon.stages import StageClock
from recon.threads import few_blas_threads

Parameters = TypeVar("Parameters", bound=StreamParameters)
Network = TypeVar("Network")


class StreamGadget(ABC, Generic[Parameters, Network]):
    """Reconstructs each measurement of a stream as soon as it is complete; a method says how."""

    def handle(self, connection: Connection) -> None:
        """Serve the measurements of one stream; each ends with ``ACQ_LAST_IN_MEASUREMENT`` or with the stream.

        Parameters
        ----------
        connection : gadgetron.external.connection.Connection
            Config and header are read already; the items follow.

        Raises
        ------
        MalibuError, DataError
            On bad parameters, streams or data; the client has received the text as an ERROR message.
        """
        with few_blas_threads(), GadgetStream(connection, type(self).__name__) as stream:
            configuration, number = self.opened(stream)
            parameters = self.parse(configuration)
            stream.set_timeouts(parameters.message_timeout_s, parameters.idle_timeout_s)
            stream.receive_ahead()
            check_rescue_folder(parameters.rescue_folder)
            stream.speak(dialect_of(parameters.dialect, stream.header))
            device = choose_device(parameters.device)
            share_gpu_memory(device, parameters.gpu_memory_gb)
            network = loaded_early(
                lambda: self.load(parameters, device, stream.header), keep_error=parameters.rescue_folder is not None
            )
            limit_bytes = memory_limit_bytes(parameters.receive_gb)
            measurement, goes_on = Measurement(counter_limits(stream.header), number, limit_bytes=limit_bytes), True
            while goes_on:
                clock = StageClock()
                with rescued(measurement, stream.header, parameters.rescue_folder):
                    with clock.stage("receive"):
                        attend = self.attend(stream, measurement, parameters, device, network)
                        goes_on = measurement.receive(stream, self._accepting(attend), stream.waits)
                    if measurement.holds_data or measurement.number == 0:
                        stream.received(measurement)
                        with stream.turn(device.id):
                            self.serve(stream, measurement, parameters, device, network(), clock)
                measurement = measurement.following()

    def opened(self, stream: GadgetStream) -> tuple[Element | None, int]:
        """Give the ``<configuration>``, and the position in the stream of the measurement that comes first."""
        return stream.configuration, 0

    def _accepting(self, attend: Callable[[], None]) -> Callable[[Measurement, Any], None]:
        def accept(measurement: Measurement, item: Any) -> None:
            self.accept(measurement, item)
            attend()

        return accept

    def attend(
        self,
        stream: GadgetStream,
        measurement: Measurement,
        parameters: Parameters,
        device: sigpy.Device,
        network: Callable[[], Network],
    ) -> Callable[[], None]:
        """Make what is called after each item of a measurement: work and previews while it arrives; by default none."""
        return lambda: None

    @abstractmethod
    def parse(self, configuration: Element | None) -> Parameters:
        """Read the gadget's parameters.

        Raises
        ------
        ParameterError
            If a name is unknown or a value impossible.
        """

    @abstractmethod
    def load(self, parameters: Parameters, device: sigpy.Device, header: ismrmrd.xsd.ismrmrdHeader) -> Network:
        """Load and warm up what a reconstruction needs, before its first readout comes.

        Raises
        ------
        ParameterError
            If it cannot be used.
        """

    @abstractmethod
    def accept(self, measurement: Measurement, item: Any) -> None:
        """Keep one item of the stream.

        Raises
        ------
        StreamError
            If the gadget takes no such item.
        DataError
            If it does not fit the items before it.
        """

    @abstractmethod
    def serve(
        self,
        stream: GadgetStream,
        measurement: Measurement,
        parameters: Parameters,
        device: sigpy.Device,
        network: Network,
        clock: StageClock,
    ) -> None:
        """Reconstruct a measurement and send its images."""
