"""The Multitasking gadget: a raw golden-angle radial stream in; cine, T1 map, real-time images and basis maps out.

Gadgetron runs it as ``python3 -m gadgetron PORT gadgets.multitasking MultitaskingGadget``.
"""

import logging
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
from gadgets.multitasking.images import multitasking_images
from gadgets.multitasking.network import ArrayNetwork, load_network
from gadgets.multitasking.parameters import MultitaskingParameters, parse_parameters
from gadgets.multitasking.readouts import MeasuredSlice, slices_of
from recon.errors import DataError
from recon.multitasking import Result, reconstruct
from recon.multitasking.findings import implausible
from recon.spatial.nufft import choose_backend
from recon.stages import StageClock

log = logging.getLogger(__name__)


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
        return load_network(parameters, device, parameters.matrix or expected_matrix(header))

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

    def serve(
        self,
        stream: GadgetStream,
        measurement: Measurement,
        parameters: MultitaskingParameters,
        device: sigpy.Device,
        network: ArrayNetwork | None,
        clock: StageClock,
    ) -> None:
        """Reconstruct a measurement slice by slice and send each slice's images."""
        header = read_header(stream.header, parameters.encoding_space, parameters.matrix)
        stated = parameters.model_dump(mode="json", exclude={"rescue_folder", "weights", "basis"})
        with clock.stage("sort readouts"):
            slices = slices_of(measurement, header, parameters)
        spokes = max(len(measured.scan.imaging) for measured in slices)
        size = (parameters.rank, spokes) if len(slices) > 1 else None
        for measured in slices:
            result = reconstruct(measured.scan, parameters.settings(), network, device, clock)
            if network is None and parameters.reconstruction == "mdcn":
                result = replace(result, method=f"{result.method} (no usable weights)")
            measured = _judged(result, measured)
            for image in multitasking_images(result, measured, parameters, stated, clock, measurement.number, size):
                stream.send(image)


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
