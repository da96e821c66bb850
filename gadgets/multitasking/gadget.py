"""The Multitasking gadget: a raw golden-angle radial stream in; cine, T1 map, real-time images and basis maps out.

Gadgetron runs it as ``python3 -m gadgetron PORT gadgets.multitasking MultitaskingGadget``.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from xml.etree.ElementTree import Element

import ismrmrd
import sigpy

from gadgets.errors import StreamError
from gadgets.mrd.connection import GadgetStream
from gadgets.mrd.gadget import StreamGadget
from gadgets.mrd.header import expected_matrix, read_header
from gadgets.mrd.intake.measurement import Measurement
from gadgets.mrd.later import Job
from gadgets.mrd.rescue import rescued
from gadgets.multitasking.images import FOLLOWING_SERIES, multitasking_images
from gadgets.multitasking.live.preview import Preview
from gadgets.multitasking.network import ArrayNetwork, load_network
from gadgets.multitasking.parameters import MultitaskingParameters, parse_parameters
from gadgets.multitasking.readouts import MeasuredSlice, slices_of
from recon.errors import DataError
from recon.multitasking import EncodedScan, Result, encode, solve
from recon.multitasking.findings import implausible
from recon.spatial.nufft import choose_backend
from recon.stages import StageClock

log = logging.getLogger(__name__)

_NOT_STATED = {"rescue_folder", "weights", "basis"}
"""Parameters that are no part of an image's Meta: paths of the console."""


class MultitaskingGadget(StreamGadget[MultitaskingParameters, ArrayNetwork | None]):
    """Reconstructs a Multitasking scan as soon as its last readout has arrived."""

    def parse(self, configuration: Element | None) -> MultitaskingParameters:
        """Read the gadget's parameters."""
        return parse_parameters(configuration)

    def load(
        self, parameters: MultitaskingParameters, device: sigpy.Device, header: ismrmrd.xsd.ismrmrdHeader
    ) -> ArrayNetwork | None:
        """Load and warm up the network; None where the parameters want none."""
        choose_backend(parameters.nufft, on_gpu=device.id >= 0)
        return load_network(parameters.at_once(), device, parameters.matrix or expected_matrix(header))

    def accept(self, measurement: Measurement, item: Any) -> None:
        """Keep a readout or a waveform."""
        if isinstance(item, ismrmrd.Acquisition):
            measurement.add(item)
        elif isinstance(item, ismrmrd.Waveform):
            measurement.waveforms.append(item)
        else:
            raise StreamError(
                f"the Multitasking gadget takes readouts and waveforms, but received {type(item).__name__}; "
                "put it directly after the readers"
            )

    def preview(
        self,
        stream: GadgetStream,
        measurement: Measurement,
        parameters: MultitaskingParameters,
        device: sigpy.Device,
        network: Callable[[], ArrayNetwork | None],
    ) -> Callable[[], None]:
        """Show the scan while it arrives, if the parameters ask for it."""
        if not parameters.preview:
            return super().preview(stream, measurement, parameters, device, network)
        return Preview(stream, measurement, parameters, device, network())

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
            slices = slices_of(measurement, header, parameters)
        spokes = max(len(measured.scan.imaging) for measured in slices)
        size = (parameters.rank, spokes) if len(slices) > 1 else None
        first = parameters.at_once()
        for measured in slices:
            encoded = encode(measured.scan, parameters.settings(), device, clock)

            def send(
                result: Result, made: StageClock, stated: MultitaskingParameters, measured: MeasuredSlice = measured
            ) -> None:
                judged, shown = _judged(result, measured), stated.model_dump(mode="json", exclude=_NOT_STATED)
                offset = 0 if stated is first else FOLLOWING_SERIES
                for image in multitasking_images(
                    result, judged, parameters, shown, made, measurement.number, size, offset
                ):
                    stream.send(image)

            result = solve(encoded, first.settings(), network, clock)
            if network is None and first.reconstruction == "mdcn":
                result = replace(result, method=f"{result.method} (no usable weights)")
            send(result, clock, first)
            if first is not parameters:
                stream.later(_following(encoded, parameters, send, measurement, stream.header))


Send = Callable[[Result, StageClock, MultitaskingParameters], None]


def _following(
    encoded: EncodedScan,
    parameters: MultitaskingParameters,
    send: Send,
    measurement: Measurement,
    header: ismrmrd.xsd.ismrmrdHeader,
) -> Job:
    """ADMM of a slice whose fast result was sent."""

    def follow(watch: Callable[[], None]) -> None:
        clock = StageClock()
        with rescued(measurement, header, parameters.rescue_folder):
            send(solve(encoded, parameters.settings(), None, clock, watch), clock, parameters)

    return follow


def _judged(result: Result, measured: MeasuredSlice) -> MeasuredSlice:
    """Mark a slice whose result can hardly be true.

    Raises
    ------
    DataError
        If it can only be wrong: then nothing of the slice is sent.
    """
    found = implausible(result)
    for finding in found:
        log.warning("slice %d: %s", measured.scan.slice_index, finding.text)
    if certain := [finding.text for finding in found if finding.certain]:
        raise DataError(
            f"slice {measured.scan.slice_index}: {'; '.join(certain)}. The images are not sent: they cannot be right"
        )
    return replace(measured, remarks=measured.remarks + [finding.text for finding in found])
