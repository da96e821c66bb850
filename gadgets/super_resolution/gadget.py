"""The super-resolution gadget: volumes whose phase-encoding directions were cut short come in, restored ones go out.

Gadgetron runs it as ``python3 -m gadgetron PORT gadgets.super_resolution SuperResolutionGadget``, at the end of a
stream of images, or directly after the readers on raw Cartesian k-space.
"""

from typing import Any
from xml.etree.ElementTree import Element

import ismrmrd
import sigpy
from gadgetron.types.image_array import ImageArray

from gadgets.errors import StreamError
from gadgets.image_tasks.kinds import split_by_kind
from gadgets.mrd.connection import GadgetStream
from gadgets.mrd.gadget import StreamGadget
from gadgets.mrd.intake.image_arrays import unpacked
from gadgets.mrd.intake.measurement import Measurement
from gadgets.super_resolution.acceleration import check_acceleration
from gadgets.super_resolution.attention import attention_images, check_queries
from gadgets.super_resolution.images import volume_images
from gadgets.super_resolution.network import ArrayRestorer, load_restorer
from gadgets.super_resolution.parameters import SuperResolutionParameters, parse_super_resolution
from gadgets.super_resolution.readouts import volumes_of_readouts
from gadgets.super_resolution.slices import MeasuredVolume, volumes_of_images
from recon.errors import DataError
from recon.stages import StageClock
from recon.super_resolution import restore


class SuperResolutionGadget(StreamGadget[SuperResolutionParameters, ArrayRestorer]):
    """Restores each volume of a stream as soon as the stream, or its measurement, is complete."""

    def parse(self, configuration: Element | None) -> SuperResolutionParameters:
        """Read the gadget's parameters."""
        return parse_super_resolution(configuration)

    def load(
        self, parameters: SuperResolutionParameters, device: sigpy.Device, header: ismrmrd.xsd.ismrmrdHeader
    ) -> ArrayRestorer:
        """Load the networks of the stages."""
        return load_restorer(parameters, device)

    def accept(self, measurement: Measurement, item: Any) -> None:
        """Keep a readout or an image; waveforms are passed over."""
        if isinstance(item, ismrmrd.Image):
            measurement.images.append(item)
        elif isinstance(item, ImageArray):
            measurement.images.extend(unpacked(item))
        elif isinstance(item, ismrmrd.Acquisition):
            measurement.add(item)
        elif not isinstance(item, ismrmrd.Waveform):
            raise StreamError(
                f"the super-resolution gadget takes images or readouts, but received {type(item).__name__}; "
                "put it directly after the readers, or after a gadget that sends images"
            )
        if measurement.images and measurement.received:
            raise StreamError("readouts and images came in one stream; send either")

    def serve(
        self,
        stream: GadgetStream,
        measurement: Measurement,
        parameters: SuperResolutionParameters,
        device: sigpy.Device,
        network: ArrayRestorer,
        clock: StageClock,
    ) -> None:
        """Restore and send each volume; images that came go back first, whatever happens to the restoration.

        Phase images and the like always go back: nothing that is sent stands for them.
        """
        magnitudes, others = split_by_kind(measurement.images)
        for image in measurement.images if "original" in parameters.images else others:
            stream.send_as_received(image)
        if others and not magnitudes:
            return
        with clock.stage("volume"):
            volumes = _volumes(stream.header, measurement, magnitudes, parameters)
        measurement.volumes = len(volumes)
        for number, measured in enumerate(volumes, start=measurement.volumes_before):
            check_acceleration(measured.volume, parameters.factors, network.factors, parameters.mismatch)
            check_queries(parameters.queries, measured)
            restored = restore(measured.volume, network, parameters.settings(), clock)
            for image in volume_images(measured, restored, parameters, clock, number):
                stream.send(image)
            for image in attention_images(measured, restored, network, parameters.queries, clock, number):
                stream.send(image)


def measured_volumes(
    header: ismrmrd.xsd.ismrmrdHeader, measurement: Measurement, parameters: SuperResolutionParameters
) -> list[MeasuredVolume]:
    """Make volumes of what came: images if there are any, else readouts.

    Raises
    ------
    DataError
        If they make no volume, or all images are of other kinds than magnitudes.
    """
    magnitudes, others = split_by_kind(measurement.images)
    if others and not magnitudes:
        raise DataError(f"none of the {len(others)} images is a magnitude, and no other kind is restored")
    return _volumes(header, measurement, magnitudes, parameters)


def _volumes(
    header: ismrmrd.xsd.ismrmrdHeader,
    measurement: Measurement,
    magnitudes: list[ismrmrd.Image],
    parameters: SuperResolutionParameters,
) -> list[MeasuredVolume]:
    if magnitudes:
        return volumes_of_images(magnitudes, header, parameters.matrix)
    as_slices = parameters.output == "slices"
    return volumes_of_readouts(
        measurement, header, parameters.coil_combination, as_slices, parameters.matrix, parameters
    )
