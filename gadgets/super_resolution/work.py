"""Super-resolution as a task from images to images: what is restored, by what, and what becomes of it."""

from collections.abc import Callable, Iterator

import ismrmrd

from gadgets.image_tasks.kinds import grouped, other_kind, split_by_kind
from gadgets.image_tasks.task import ImageTask, TaskWork
from gadgets.super_resolution.acceleration import check_acceleration
from gadgets.super_resolution.attention import attention_images, check_queries
from gadgets.super_resolution.images import volume_images
from gadgets.super_resolution.network import ArrayRestorer, load_restorer
from gadgets.super_resolution.parameters import SuperResolutionParameters, parse_super_resolution
from gadgets.super_resolution.series import SERIES
from gadgets.super_resolution.slices import MeasuredVolume, volumes_of_images
from recon.stages import StageClock
from recon.super_resolution import restore


class RestorationWork(TaskWork):
    """The volumes of one stream of images."""

    def __init__(
        self,
        header: ismrmrd.xsd.ismrmrdHeader,
        parameters: SuperResolutionParameters,
        network: Callable[[], ArrayRestorer],
    ) -> None:
        self._header, self._parameters, self._network = header, parameters, network

    def passed(self, images: list[ismrmrd.Image]) -> list[ismrmrd.Image]:
        """Give phase images and the like: nothing that is sent stands for them."""
        return [image for group in grouped(images) if other_kind(group) for image in group]

    def finish(self, images: list[ismrmrd.Image], clock: StageClock) -> Iterator[ismrmrd.Image]:
        """Restore each volume of magnitudes."""
        magnitudes, _ = split_by_kind(images)
        if not magnitudes:
            return
        with clock.stage("volume"):
            volumes = volumes_of_images(magnitudes, self._header, self._parameters.matrix)
        for measured in volumes:
            yield from restored_images(measured, self._parameters, self._network(), clock)


def restored_images(
    measured: MeasuredVolume,
    parameters: SuperResolutionParameters,
    network: ArrayRestorer,
    clock: StageClock,
    number: int = 0,
) -> Iterator[ismrmrd.Image]:
    """Restore a volume, of images or of readouts.

    Parameters
    ----------
    measured : MeasuredVolume
    parameters : SuperResolutionParameters
    network : ArrayRestorer
    clock : StageClock
    number : int
        Place of the volume in the stream, for raw scans.

    Yields
    ------
    ismrmrd.Image

    Raises
    ------
    DataError
        If the volume was cut otherwise than in the network's training, a query lies outside of it, or the result is not
        finite.
    """
    check_acceleration(measured.volume, parameters.factors, network.factors, parameters.mismatch)
    check_queries(parameters.queries, measured)
    restored = restore(measured.volume, network, parameters.settings(), clock)
    yield from volume_images(measured, restored, parameters, clock, number)
    yield from attention_images(measured, restored, network, parameters.queries, clock, number)


SUPER_RESOLUTION = ImageTask("super-resolution", SERIES, parse_super_resolution, load_restorer, RestorationWork)
"""The task."""
