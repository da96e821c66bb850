"""The answer to a scan, slice by slice: its images at once, and those of a slower method after them."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from gadgets.mrd.connection import GadgetStream
from gadgets.mrd.intake.measurement import Measurement
from gadgets.mrd.rescue import rescued
from gadgets.multitasking.images import FOLLOWING_SERIES, multitasking_images
from gadgets.multitasking.network import ArrayNetwork
from gadgets.multitasking.parameters import MultitaskingParameters
from gadgets.multitasking.readouts import MeasuredSlice
from gadgets.multitasking.slices.survey import shared_size
from gadgets.multitasking.trust.unlike_training import checked_result
from recon.errors import DataError
from recon.multitasking import EncodedScan, Result, solve
from recon.multitasking.findings import implausible
from recon.stages import StageClock

log = logging.getLogger(__name__)

_NOT_STATED = {"rescue_folder", "weights", "basis", "dialect"}
"""Parameters that are no part of an image's Meta: paths of the console, and what it is."""


class Answers:
    """Solves the slices of one measurement and sends their images.

    Parameters
    ----------
    stream : GadgetStream
    measurement : Measurement
    slices : sequence of MeasuredSlice
        All of it, since series of several slices share one size.
    parameters : MultitaskingParameters
    network : ArrayNetwork or None
        Of the result that is sent first.
    following : callable
        Gives the network of a result that follows; None for ADMM.
    """

    def __init__(
        self,
        stream: GadgetStream,
        measurement: Measurement,
        slices: Sequence[MeasuredSlice],
        parameters: MultitaskingParameters,
        network: ArrayNetwork | None,
        following: Callable[[], ArrayNetwork | None],
    ) -> None:
        self._stream, self._measurement = stream, measurement
        self._parameters, self._network, self._following = parameters, network, following
        self._size = _size_for_all(slices, measurement, parameters.rank)

    def answer(self, measured: MeasuredSlice, encoded: EncodedScan, clock: StageClock) -> None:
        """Send the images of a slice; where slower ones are to follow, they are made beside what comes next.

        Raises
        ------
        DataError
            If the result is not finite, or can only be wrong.
        """
        first = self._parameters.at_once()
        self._send(*_solved(measured, encoded, first, self._network, clock), first, clock)
        if first is self._parameters:
            return

        def follow(watch: Callable[[], None]) -> None:
            later = StageClock()
            with rescued(self._measurement, self._stream.header, self._parameters.rescue_folder):
                watch()
                slow = _solved(measured, encoded, self._parameters, self._following(), later, watch)
                self._send(*slow, self._parameters, later, FOLLOWING_SERIES)

        self._stream.later(follow)

    def _send(
        self,
        result: Result,
        measured: MeasuredSlice,
        parameters: MultitaskingParameters,
        clock: StageClock,
        first_series: int = 0,
    ) -> None:
        judged = _judged(result, measured)
        stated = parameters.model_dump(mode="json", exclude=_NOT_STATED)
        if parameters.b1 not in ("estimate", "nominal"):
            stated["b1"] = "measured"  # a path of the console
        number = self._measurement.number
        for image in multitasking_images(result, judged, parameters, stated, clock, number, self._size, first_series):
            self._stream.send(image)


def _size_for_all(slices: Sequence[MeasuredSlice], measurement: Measurement, rank: int) -> tuple[int, int, int] | None:
    """Size that series of several slices share, those that are reconstructed elsewhere included."""
    if measurement.whole is not None:
        return measurement.whole.size
    if len(slices) == 1:
        return None
    scans = [measured.scan for measured in slices]
    return shared_size(
        rank,
        (
            (scan.sequence, scan.imaging.timeline, None if scan.navigators is None else scan.navigators.timeline)
            for scan in scans
        ),
    )


def _solved(
    measured: MeasuredSlice,
    encoded: EncodedScan,
    parameters: MultitaskingParameters,
    network: ArrayNetwork | None,
    clock: StageClock,
    watch: Callable[[], None] = lambda: None,
) -> tuple[Result, MeasuredSlice]:
    """Reconstruct a slice, and compare it with the network's training."""
    result = solve(encoded, parameters.settings(), network, clock, watch)
    if network is None and parameters.wants_network:
        result = replace(result, method=f"{result.method} (no usable weights)")
    return checked_result(result, measured, encoded, parameters, network, clock)


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
