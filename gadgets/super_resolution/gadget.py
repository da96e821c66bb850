"""The super-resolution gadget: volumes whose phase-encoding directions were cut short come in, restored ones go out.

Gadgetron runs it as ``python3 -m gadgetron PORT gadgets.super_resolution SuperResolutionGadget``, at the end of a
stream of images, or directly after the readers on raw Cartesian k-space.
"""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import ismrmrd
import numpy as np
from gadgetron.external.connection import Connection
from gadgetron.types.image_array import ImageArray
from numpy.typing import NDArray

from gadgets.device import choose_device
from gadgets.errors import ParameterError, StreamError
from gadgets.mrd.connection import GadgetStream
from gadgets.mrd.measurement import Measurement
from gadgets.mrd.rescue import prepared, rescued
from gadgets.super_resolution.images import Restored, volume_images
from gadgets.super_resolution.network import load_restorer
from gadgets.super_resolution.parameters import SuperResolutionParameters, parse_super_resolution
from gadgets.super_resolution.readouts import volumes_of_readouts
from gadgets.super_resolution.slices import MeasuredVolume, unpacked, volumes_of_images
from recon.cartesian import put_back_measured
from recon.errors import DataError
from recon.stages import StageClock

if TYPE_CHECKING:
    from nets.inference.super_resolution import SuperResolution

log = logging.getLogger(__name__)

_TOLERATED = 1.25


class SuperResolutionGadget:
    """Restores each volume of a stream as soon as the stream, or its measurement, is complete."""

    def handle(self, connection: Connection) -> None:
        """Serve one stream of images or of raw readouts.

        Parameters
        ----------
        connection : gadgetron.external.connection.Connection
            Config and header are read already.

        Raises
        ------
        MalibuError, DataError
            On bad parameters, streams or data; the client has received the text as an ERROR message.
        """
        with GadgetStream(connection, type(self).__name__) as stream:
            parameters = parse_super_resolution(stream.configuration)
            stream.set_timeouts(parameters.message_timeout_s, parameters.idle_timeout_s)
            device = choose_device(parameters.device)
            restorer = prepared(lambda: load_restorer(parameters, device), parameters.rescue_folder)
            measurement, open_, served = Measurement(), True, 0
            while open_:
                clock, images = StageClock(), list[ismrmrd.Image]()
                with rescued(measurement, stream.header, parameters.rescue_folder):
                    with clock.stage("receive"):
                        open_ = receive(stream, measurement, images)
                    if images or measurement.has_imaging or measurement.number == 0:
                        served += serve(stream, measurement, images, parameters, restorer(), clock, served)
                measurement = measurement.following()


def receive(stream: GadgetStream, measurement: Measurement, images: list[ismrmrd.Image]) -> bool:
    """Keep every readout or image until the measurement is complete or the stream closes.

    Returns
    -------
    bool
        Whether the stream goes on.

    Raises
    ------
    StreamError
        If something else arrives, readouts and images are mixed, or the stream breaks.
    """
    for item in stream:
        if isinstance(item, ismrmrd.Image):
            images.append(item)
        elif isinstance(item, ImageArray):
            images.extend(unpacked(item))
        elif isinstance(item, ismrmrd.Acquisition):
            measurement.add(item)
        elif not isinstance(item, ismrmrd.Waveform):
            raise StreamError(
                f"the super-resolution gadget takes images or readouts, but received {type(item).__name__}; "
                "put it directly after the readers, or after a gadget that sends images"
            )
        if images and measurement.received:
            raise StreamError("readouts and images came in one stream; send either")
        if measurement.complete:
            log.info("received %d readouts; the last in measurement is flagged", measurement.received)
            return True
    log.info("received %d readouts, %d images and the end of the stream", measurement.received, len(images))
    return False


def serve(
    stream: GadgetStream,
    measurement: Measurement,
    images: list[ismrmrd.Image],
    parameters: SuperResolutionParameters,
    restorer: "SuperResolution",
    clock: StageClock,
    served: int = 0,
) -> int:
    """Restore and send each volume; images that came go back first, whatever happens to the restoration.

    Parameters
    ----------
    stream : GadgetStream
    measurement : Measurement
    images : list of ismrmrd.Image
        What came instead of readouts.
    parameters : SuperResolutionParameters
    restorer : SuperResolution
    clock : StageClock
    served : int
        Volumes of this stream so far: each volume of a raw scan has series of its own.

    Returns
    -------
    int
        Volumes of this measurement.
    """
    if images and "original" in parameters.images:
        for image in images:
            stream.send_as_received(image)
    with clock.stage("volume"):
        volumes = measured_volumes(stream.header, measurement, images, parameters)
    for number, volume in enumerate(volumes, start=served):
        check_acceleration(volume, parameters, restorer.factors)
        restored = restore(volume, parameters, restorer, clock)
        for image in volume_images(volume, restored, parameters, restorer, clock, number):
            stream.send(image)
    return len(volumes)


def measured_volumes(
    header: Any, measurement: Measurement, images: list[ismrmrd.Image], parameters: SuperResolutionParameters
) -> list[MeasuredVolume]:
    """Make volumes of what came: images if there are any, else readouts."""
    if images:
        return volumes_of_images(images, header, parameters.matrix)
    as_slices = parameters.output == "slices"
    return volumes_of_readouts(measurement, header, parameters.coil_combination, as_slices, parameters.matrix)


def check_acceleration(
    volume: MeasuredVolume, parameters: SuperResolutionParameters, trained: Sequence[tuple[float, float, float]]
) -> None:
    """Compare how a volume was cut with how the network's training volumes were.

    Raises
    ------
    DataError
        If nothing tells how it was cut, it was not cut at all, or otherwise than the training volumes, unless
        ``mismatch=warn``.
    ParameterError
        If the parameter ``acceleration`` contradicts the data.
    """
    found, given = volume.factors, parameters.factors
    if found and given and max(found) > 1.01 and not _alike(found, given):
        raise ParameterError(
            f"acceleration={parameters.acceleration}, but header and data say {_text(found)} (slice x phase); "
            "correct it, or leave it at auto"
        )
    factors = given or found
    try:
        if factors is None:
            raise DataError("neither header nor data tell how much was cut; set acceleration, as 4x4 (slice x phase)")
        if max(factors) < 1.01:
            raise DataError(
                "the volume was not cut at all: nothing is to be restored; if it was zero-filled upstream, "
                "set acceleration, as 4x4 (slice x phase)"
            )
        if not any(_alike(factors, known[:2]) for known in trained):
            raise DataError(
                f"the lines were cut by {_text(factors)} (slice x phase), those of the network's training by "
                f"{' or '.join(_text(known[:2]) for known in trained)}; give weights for that as first_stage "
                "(`malibu nets` lists those shipped), or set mismatch=warn"
            )
    except DataError as error:
        if parameters.mismatch == "error":
            raise
        log.warning("%s", error)


def _alike(found: tuple[float, ...], wanted: tuple[float, ...]) -> bool:
    return all(1 / _TOLERATED <= f / w <= _TOLERATED for f, w in zip(found, wanted, strict=True))


def _text(factors: tuple[float, ...]) -> str:
    return "x".join(f"{factor:.3g}" for factor in factors)


def restore(
    volume: MeasuredVolume, parameters: SuperResolutionParameters, restorer: "SuperResolution", clock: StageClock
) -> Restored:
    """Zero-filled magnitude → first stage → second stage → data consistency, if wanted.

    Parameters
    ----------
    volume : MeasuredVolume
    parameters : SuperResolutionParameters
    restorer : SuperResolution
    clock : StageClock

    Returns
    -------
    Restored
    """
    import torch

    zero_filled = np.abs(volume.zero_filled).astype(np.float32)
    with clock.stage("network"):
        stages = [stage.numpy() for stage in restorer(torch.from_numpy(zero_filled))]
    result: NDArray = stages[-1]
    if parameters.data_consistency and np.ptp(zero_filled) > 0:
        with clock.stage("data consistency"):
            factors = parameters.factors or volume.factors
            result = put_back_measured(result, volume.zero_filled, volume.kept(factors))
    if not np.isfinite(result).all():
        raise DataError(f"the network's result is not finite on {restorer.device}; set precision=float32 or device=cpu")
    return Restored(zero_filled, stages[0], result)
