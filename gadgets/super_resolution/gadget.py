"""The super-resolution gadget: volumes whose phase-encoding directions were cut short come in, restored ones go out.

Gadgetron runs it as ``python3 -m gadgetron PORT gadgets.super_resolution SuperResolutionGadget``, at the end of a
stream of images, or directly after the readers on raw Cartesian k-space.
"""

from typing import Any

import ismrmrd
import sigpy
from gadgetron.types.image_array import ImageArray

from gadgets.errors import StreamError
from gadgets.image_tasks.gadget import ImageTaskGadget
from gadgets.image_tasks.kinds import split_by_kind
from gadgets.mrd.connection import GadgetStream
from gadgets.mrd.intake.measurement import Measurement
from gadgets.super_resolution.parameters import SuperResolutionParameters
from gadgets.super_resolution.readouts import volumes_of_readouts
from gadgets.super_resolution.slices import MeasuredVolume, volumes_of_images
from gadgets.super_resolution.work import SUPER_RESOLUTION, restored_images
from recon.errors import DataError
from recon.stages import StageClock


class SuperResolutionGadget(ImageTaskGadget):
    """Restores each volume of a stream as soon as the stream, or its measurement, is complete.

    Images are a task as others are; raw k-space is this gadget's alone.
    """

    task = SUPER_RESOLUTION

    def accept(self, measurement: Measurement, item: Any) -> None:
        """Keep a readout or an image; waveforms are passed over."""
        if isinstance(item, ismrmrd.Acquisition):
            measurement.add(item)
        elif isinstance(item, ismrmrd.Image | ImageArray | ismrmrd.Waveform):
            super().accept(measurement, item)
        else:
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
        parameters: Any,
        device: sigpy.Device,
        network: Any,
        clock: StageClock,
    ) -> None:
        """Restore and send each volume; images that came are back by then."""
        if measurement.images:
            super().serve(stream, measurement, parameters, device, network, clock)
            return
        with clock.stage("volume"):
            volumes = _volumes(stream.header, measurement, parameters)
        measurement.volumes = len(volumes)
        for number, measured in enumerate(volumes, start=measurement.volumes_before):
            for image in restored_images(measured, parameters, network, clock, number):
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
    if magnitudes:
        return volumes_of_images(magnitudes, header, parameters.matrix)
    return _volumes(header, measurement, parameters)


def _volumes(
    header: ismrmrd.xsd.ismrmrdHeader, measurement: Measurement, parameters: SuperResolutionParameters
) -> list[MeasuredVolume]:
    as_slices = parameters.output == "slices"
    return volumes_of_readouts(
        measurement, header, parameters.coil_combination, as_slices, parameters.matrix, parameters
    )
