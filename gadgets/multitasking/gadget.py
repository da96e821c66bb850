"""The Multitasking gadget: a raw golden-angle radial stream in; cine, T1 map, real-time images and basis maps out.

Gadgetron runs it as ``python3 -m gadgetron PORT gadgets.multitasking MultitaskingGadget``.
"""

import logging
from typing import TYPE_CHECKING

import ismrmrd
import numpy as np
import sigpy
from gadgetron.external.connection import Connection
from numpy.typing import NDArray

from gadgets.device import choose_device
from gadgets.errors import StreamError
from gadgets.mrd.connection import GadgetStream
from gadgets.mrd.header import ScanHeader, expected_matrix, read_header, repetition_time_ms
from gadgets.mrd.measurement import Measurement
from gadgets.mrd.rescue import prepared, rescued
from gadgets.multitasking.images import multitasking_images
from gadgets.multitasking.network import load_network
from gadgets.multitasking.parameters import MultitaskingParameters, parse_parameters
from gadgets.multitasking.problem import pose, prepare
from gadgets.multitasking.readouts import SliceReadouts
from gadgets.multitasking.selection import t1_state
from gadgets.multitasking.series import MultitaskingResult
from gadgets.multitasking.spatial_factor import solve
from gadgets.multitasking.temporal import Temporal
from recon.errors import DataError
from recon.relaxometry.t1 import T1Map, fit_t1
from recon.spatial.frames import body_mask, frames, time_average
from recon.spatial.nufft import choose_backend
from recon.stages import StageClock

if TYPE_CHECKING:
    from nets.inference.spatial_factor import SpatialFactorNetwork

log = logging.getLogger(__name__)

_T1_STEP = 4


class MultitaskingGadget:
    """Reconstructs a Multitasking scan as soon as its last readout has arrived."""

    def handle(self, connection: Connection) -> None:
        """Serve the measurements of one stream; each ends with ``ACQ_LAST_IN_MEASUREMENT`` or with the stream.

        Parameters
        ----------
        connection : gadgetron.external.connection.Connection
            Config and header are read already; acquisitions and waveforms follow.

        Raises
        ------
        MalibuError, DataError
            On bad parameters, streams or data; the client has received the text as an ERROR message.
        """
        with GadgetStream(connection, type(self).__name__) as stream:
            parameters = parse_parameters(stream.configuration)
            stream.set_timeouts(parameters.message_timeout_s, parameters.idle_timeout_s)
            device = choose_device(parameters.device)
            choose_backend(parameters.nufft, on_gpu=device.id >= 0)
            network = prepared(
                lambda: load_network(parameters, device, parameters.matrix or expected_matrix(stream.header)),
                parameters.rescue_folder,
            )
            measurement, open_ = Measurement(), True
            while open_:
                clock = StageClock()
                with rescued(measurement, stream.header, parameters.rescue_folder):
                    with clock.stage("receive"):
                        open_ = receive(stream, measurement)
                    if measurement.has_imaging or measurement.number == 0:
                        serve(stream, measurement, parameters, device, clock, network())
                measurement = measurement.following()


def serve(
    stream: GadgetStream,
    measurement: Measurement,
    parameters: MultitaskingParameters,
    device: sigpy.Device,
    clock: StageClock,
    network: "SpatialFactorNetwork | None" = None,
) -> None:
    """Reconstruct a measurement slice by slice and send each slice's images."""
    header = read_header(stream.header)
    for readouts, whitening in prepare(measurement, header, parameters, clock):
        result = reconstruct(readouts, whitening, header, parameters, device, clock, network)
        for image in multitasking_images(result, readouts, header, parameters, clock, measurement.number):
            stream.send(image)


def receive(stream: GadgetStream, measurement: Measurement) -> bool:
    """Keep every readout and waveform until the measurement is complete or the stream closes.

    Returns
    -------
    bool
        Whether the stream goes on.

    Raises
    ------
    StreamError
        If something else arrives, or the stream breaks.
    """
    for item in stream:
        if isinstance(item, ismrmrd.Acquisition):
            measurement.add(item)
            if measurement.complete:
                log.info("received %d readouts; the last in measurement is flagged", measurement.received)
                return True
        elif isinstance(item, ismrmrd.Waveform):
            measurement.waveforms.append(item)
        else:
            raise StreamError(
                f"the Multitasking gadget takes readouts and waveforms, but received {type(item).__name__}; "
                "put it directly after the readers"
            )
    if measurement.received or measurement.number == 0:
        log.info("received %d readouts and the end of the stream", measurement.received)
    return False


def reconstruct(
    readouts: SliceReadouts,
    whitening: np.ndarray | None,
    header: ScanHeader,
    parameters: MultitaskingParameters,
    device: sigpy.Device,
    clock: StageClock,
    network: "SpatialFactorNetwork | None" = None,
) -> MultitaskingResult:
    """Navigator → temporal basis → coil maps → back-projection → network (or ADMM) → T1 of one slice.

    Parameters
    ----------
    readouts : SliceReadouts
    whitening : (coils, coils) complex64 or None
    header : ScanHeader
    parameters : MultitaskingParameters
    device : sigpy.Device
    clock : StageClock
    network : SpatialFactorNetwork, optional

    Returns
    -------
    MultitaskingResult
        In host memory.
    """
    posed = pose(readouts, whitening, header, parameters, device, clock)
    with device:
        found = solve(posed.problem, parameters, clock, network)
    with clock.stage("T1 map"):
        t1_map = map_t1(found.maps, posed.temporal, parameters)
    return MultitaskingResult(
        spatial_factor=found.maps,
        back_projection=found.back_projection,
        method=found.method,
        network=found.facts,
        temporal=posed.temporal,
        t1_map=t1_map,
        coils=len(posed.to_coils),
        prewhitened=whitening is not None,
        nufft=posed.problem.backend,
        device="cpu" if device.id < 0 else f"cuda:{device.id}",
        tr_ms=repetition_time_ms(header, parameters.tr_ms),
    )


def map_t1(spatial_factor: NDArray, temporal: Temporal, parameters: MultitaskingParameters) -> T1Map | None:
    """Fit T1 at one state of motion, inside the body; None if no T1 image is wanted or possible.

    What cannot be fitted is logged: it must not cost the other images.
    """
    model = temporal.model
    if model is None or not {"t1_map", "t1_uncertainty"} & set(parameters.images):
        return None
    mixing = model.tensor.recovery_of(*t1_state(model, parameters))
    coordinates = frames(spatial_factor, mixing)
    pulses = np.unique(temporal.imaging.pulse)[::_T1_STEP]
    body = body_mask(np.abs(time_average(spatial_factor, temporal.basis)))
    basis = model.tensor.recovery[pulses]
    try:
        return fit_t1(coordinates, basis, pulses, model.sequence, body, mixing.T @ mixing, parameters.inflow)
    except DataError as error:
        log.warning("no T1 map: %s", error)
        return None
