"""The Multitasking gadget: a raw golden-angle radial stream in; cine, T1 map, real-time images and basis maps out.

Gadgetron runs it as ``python3 -m gadgetron PORT gadgets.multitasking MultitaskingGadget``.
"""

import logging
from collections.abc import Callable
from functools import cache
from typing import Any
from xml.etree.ElementTree import Element

import ismrmrd
import sigpy

from gadgets.errors import StreamError
from gadgets.mrd.connection import GadgetStream
from gadgets.mrd.gadget import StreamGadget
from gadgets.mrd.header import ScanHeader, expected_matrix, read_header
from gadgets.mrd.intake.measurement import Measurement
from gadgets.multitasking.given.b1_file import is_b1_map
from gadgets.multitasking.live.ahead import Ahead
from gadgets.multitasking.live.answers import Answers
from gadgets.multitasking.live.plans_ahead import PlansAhead
from gadgets.multitasking.live.preview import Preview
from gadgets.multitasking.network import ArrayNetwork, load_network
from gadgets.multitasking.parameters import MultitaskingParameters, parse_parameters
from gadgets.multitasking.readouts import MeasuredSlice, slices_of
from recon.multitasking import EncodedScan, encode
from recon.spatial.nufft import choose_backend
from recon.stages import StageClock
from recon.temporal.fitting.warm_up import warm_up
from recon.threads import one_ahead

log = logging.getLogger(__name__)


class MultitaskingGadget(StreamGadget[MultitaskingParameters, ArrayNetwork | None]):
    """Reconstructs a Multitasking scan as soon as its last readout has arrived.

    Parameters
    ----------
    only_slice : int, optional
        The only slice that is reconstructed, of a scan that is shared out: the images are those of the whole scan.
    """

    def __init__(self, only_slice: int | None = None) -> None:
        self._only_slice = only_slice

    def parse(self, configuration: Element | None) -> MultitaskingParameters:
        """Read the gadget's parameters."""
        return parse_parameters(configuration)

    def load(
        self, parameters: MultitaskingParameters, device: sigpy.Device, header: ismrmrd.xsd.ismrmrdHeader
    ) -> ArrayNetwork | None:
        """Load and warm up the network; None where the parameters want none."""
        choose_backend(parameters.nufft, on_gpu=device.id >= 0)
        warm_up()
        matrix = parameters.matrix or expected_matrix(header)
        if parameters.fast_first:
            load_network(parameters, device, matrix)  # of what follows; loaded networks are kept
        return load_network(parameters.at_once(), device, matrix)

    def accept(self, measurement: Measurement, item: Any) -> None:
        """Keep a readout, a waveform or a measured B1 map."""
        if isinstance(item, ismrmrd.Acquisition):
            measurement.add(item)
        elif isinstance(item, ismrmrd.Waveform):
            measurement.waveforms.append(item)
        elif isinstance(item, ismrmrd.Image) and is_b1_map(item):
            measurement.maps.append(item)
        else:
            raise StreamError(
                "the Multitasking gadget takes readouts and waveforms, and images whose Meta DataRole holds B1MAP, but "
                f"received {type(item).__name__}; put it directly after the readers"
            )

    def attend(
        self,
        stream: GadgetStream,
        measurement: Measurement,
        parameters: MultitaskingParameters,
        device: sigpy.Device,
        network: Callable[[], ArrayNetwork | None],
    ) -> Callable[[], None]:
        """Work on the scan while it arrives, and show it if the parameters ask for it."""

        @cache
        def header() -> ScanHeader:
            return read_header(stream.header, parameters.encoding_space, parameters.matrix)

        measurement.ahead = Ahead(measurement, parameters, header)
        attending: list[Callable[[], None]] = [
            measurement.ahead,
            PlansAhead(measurement, parameters, device, header),
        ]
        if parameters.preview:
            attending.append(Preview(stream, measurement, parameters, device, header, network))

        def attend() -> None:
            for one in attending:
                one()

        return attend

    def serve(
        self,
        stream: GadgetStream,
        measurement: Measurement,
        parameters: MultitaskingParameters,
        device: sigpy.Device,
        network: ArrayNetwork | None,
        clock: StageClock,
    ) -> None:
        """Reconstruct a measurement slice by slice and send each slice's images as soon as they are made."""
        header = read_header(stream.header, parameters.encoding_space, parameters.matrix)
        with clock.stage("sort readouts"):
            slices = [measurement.ahead.lent_to(one) for one in slices_of(measurement, header, parameters)]
        if parameters.rescue_folder is None:
            measurement.release()
        matrix = slices[0].scan.matrix

        @cache
        def following() -> ArrayNetwork | None:
            return load_network(parameters, device, matrix)

        answers = Answers(stream, measurement, slices, parameters, network, following)

        def encoded(measured: MeasuredSlice) -> tuple[MeasuredSlice, EncodedScan]:
            return measured, encode(measured.scan, parameters.settings(), device, clock)

        wanted = [one for one in slices if self._only_slice in (None, one.scan.slice_index)]
        # The host finds the temporal basis of the next slice while a GPU works on the last; cores are busy anyway.
        for measured, problem in map(encoded, wanted) if device.id < 0 else one_ahead(encoded, wanted):
            answers.answer(measured, problem, clock)
