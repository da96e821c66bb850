"""The Multitasking gadget where it sees one slice of a scan, behind Gadgetron's ``<distributed>``."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element

import sigpy

from gadgets.errors import StreamError
from gadgets.mrd.connection import GadgetStream
from gadgets.mrd.intake.measurement import Measurement
from gadgets.mrd.wire.packed_items import Opening, WholeScan, unpacked
from gadgets.multitasking.gadget import MultitaskingGadget
from gadgets.multitasking.network import ArrayNetwork
from gadgets.multitasking.parameters import MultitaskingParameters
from recon.stages import StageClock


class SliceGadget(MultitaskingGadget):
    """Reconstructs the slices that come, as :class:`MultitaskingGadget` does where all of them come."""

    def opened(self, stream: GadgetStream) -> tuple[Element | None, int]:
        """Read parameters and place in the stream from what :class:`SharingGadget` sent first.

        Raises
        ------
        StreamError
            If something else came first.
        """
        first = unpacked(next(iter(stream), None))
        if not isinstance(first, Opening):
            raise StreamError(
                "a slice came without its parameters: <distributed> needs SharingGadget before it, as in "
                "multitasking_distributed.xml"
            )
        self._is_first = first.is_first
        text = first.configuration
        return None if text is None else ElementTree.fromstring(text), first.measurement  # noqa: S314 - malibu wrote it

    def accept(self, measurement: Measurement, item: Any) -> None:
        """Keep an item, whether it came as it is or packed; whoever sees all slices tells when the scan has ended."""
        item = unpacked(item)
        if isinstance(item, WholeScan):
            measurement.end(item)
            return
        super().accept(measurement, item)
        measurement.complete = False

    def attend(
        self,
        stream: GadgetStream,
        measurement: Measurement,
        parameters: MultitaskingParameters,
        device: sigpy.Device,
        network: Callable[[], ArrayNetwork | None],
    ) -> Callable[[], None]:
        """Work on the scan while it arrives; the preview is that of the slice which came first."""
        if not self._is_first:
            parameters = parameters.model_copy(update={"preview": False})
        return super().attend(stream, measurement, parameters, device, network)

    def serve(
        self,
        stream: GadgetStream,
        measurement: Measurement,
        parameters: MultitaskingParameters,
        device: sigpy.Device,
        network: ArrayNetwork | None,
        clock: StageClock,
    ) -> None:
        """Reconstruct the slices and send their images.

        Raises
        ------
        StreamError
            If nobody said that the scan had ended.
        """
        if measurement.whole is None:
            raise StreamError("the stream closed before the scan had ended: what came first of it says why")
        super().serve(stream, measurement, parameters, device, network, clock)
