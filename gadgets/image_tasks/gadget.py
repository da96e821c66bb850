"""The gadget of all tasks from images to images: originals go back first, whatever becomes of the task."""

import logging
from collections.abc import Callable
from typing import Any, ClassVar
from xml.etree.ElementTree import Element

import ismrmrd
import sigpy
from gadgetron.types.image_array import ImageArray

from gadgets.errors import OPERATOR_ERRORS, StreamError
from gadgets.image_tasks.task import ORIGINAL, ImageTask, TaskWork
from gadgets.mrd.connection import GadgetStream
from gadgets.mrd.gadget import StreamGadget
from gadgets.mrd.intake.image_arrays import unpacked
from gadgets.mrd.intake.measurement import Measurement
from recon.errors import DataError
from recon.stages import StageClock

log = logging.getLogger(__name__)


class ImageTaskGadget(StreamGadget[Any, Any]):
    """Runs a task; a subclass names it, so that Gadgetron can start it by its class.

    Attributes
    ----------
    task : ImageTask
    """

    task: ClassVar[ImageTask]

    def parse(self, configuration: Element | None) -> Any:
        """Read the task's parameters."""
        return self.task.parse(configuration, {})

    def load(self, parameters: Any, device: sigpy.Device, header: ismrmrd.xsd.ismrmrdHeader) -> Any:
        """Load the task's network."""
        return self.task.load(parameters, device)

    def accept(self, measurement: Measurement, item: Any) -> None:
        """Keep an image; waveforms are passed over."""
        if isinstance(item, ismrmrd.Image):
            measurement.images.append(item)
        elif isinstance(item, ImageArray):
            measurement.images.extend(unpacked(item))
        elif not isinstance(item, ismrmrd.Waveform):
            raise StreamError(
                f"the gadget of {self.task.name} takes images, but received {type(item).__name__}; put it after a "
                "gadget that sends images"
            )

    def attend(
        self,
        stream: GadgetStream,
        measurement: Measurement,
        parameters: Any,
        device: sigpy.Device,
        network: Callable[[], Any],
    ) -> Callable[[], None]:
        """Send each original back as it comes, and what the task can show by then.

        An error of the data is told at the end: one that ended the stream now would cost the originals that still come.
        """
        measurement.ahead = work = self.task.begin(stream.header, parameters, network)
        sent = 0

        def attend() -> None:
            nonlocal sent
            if ORIGINAL in parameters.images:
                for image in measurement.images[sent:]:
                    stream.send_as_received(image)
            sent = len(measurement.images)
            try:
                shown = list(work.arrived(measurement.images))
            except OPERATOR_ERRORS as error:
                log.warning("nothing can be shown yet: %s", error)
                return
            for image in shown:
                stream.send(image)

        return attend

    def serve(
        self,
        stream: GadgetStream,
        measurement: Measurement,
        parameters: Any,
        device: sigpy.Device,
        network: Any,
        clock: StageClock,
    ) -> None:
        """Send the results of the whole stream; the originals are back already."""
        if not measurement.images:
            raise DataError("no images came: the stream is empty")
        work: TaskWork = measurement.ahead
        for image in () if ORIGINAL in parameters.images else work.passed(measurement.images):
            stream.send_as_received(image)
        for image in work.finish(measurement.images, clock):
            stream.send(image)
