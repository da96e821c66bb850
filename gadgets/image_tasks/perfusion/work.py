"""The work of the perfusion gadget: blood flow after every ten pairs while the scan runs, and at its end."""

import json
import logging
import math
from collections.abc import Callable, Iterator
from typing import Any

import ismrmrd
import numpy as np
from numpy.typing import NDArray

from gadgets.image_tasks.images import table_image, task_images
from gadgets.image_tasks.network import ArrayPlanes, load_planes
from gadgets.image_tasks.perfusion.control_label import Key, MeasuredSeries, is_magnitude, key_of, kind_of, series_of
from gadgets.image_tasks.perfusion.parameters import PerfusionParameters, labelling_of, parse_perfusion
from gadgets.image_tasks.perfusion.series import NEEDS_NETWORK, SERIES
from gadgets.image_tasks.task import ImageTask, TaskWork
from gadgets.mrd.header import counter_limits
from recon.perfusion import Labelling, PerfusionMaps, perfusion_maps
from recon.perfusion.guidance import KEEP_BEYOND, denoised_by
from recon.stages import StageClock

log = logging.getLogger(__name__)

WEIGHTS, TASK = "asl_guided", "ASL denoising"
"""Shipped weights, and the task of the registry of architectures that they must be of."""


def denoised(
    network: ArrayPlanes, maps: PerfusionMaps, first: int = 0, last: int | None = None, keep_beyond: float = KEEP_BEYOND
) -> NDArray[np.float32]:
    """Denoise the mean blood flow of some pairs, by a guided network or by one that sees blood flow alone.

    Parameters
    ----------
    network : ArrayPlanes
    maps : PerfusionMaps
    first, last : int, optional
        The pairs from ``first`` to before ``last``; default: all.
    keep_beyond : float
        Standard errors from which on a guided network's blood flow gives way to what was measured.

    Returns
    -------
    (z, y, x) float32
        0 outside of the brain.
    """
    if network.channels == 1:
        return network(maps.mean_of(first, maps.pairs if last is None else last)) * maps.brain
    return denoised_by(network, maps, first, last, keep_beyond)


class PerfusionWork(TaskWork):
    """Control and label images of one stream, counted as they come."""

    def __init__(
        self,
        header: ismrmrd.xsd.ismrmrdHeader,
        parameters: PerfusionParameters,
        network: Callable[[], ArrayPlanes | None],
    ) -> None:
        self._header, self._parameters, self._network = header, parameters, network
        self._slices = counter_limits(header).get("slice", 0) + 1
        self._counted, self._of_volume = 0, dict[Key, int]()
        self._tried, self._shown = 0, 0
        self._has_told = False
        self._last: tuple[MeasuredSeries, PerfusionMaps] | None = None

    def arrived(self, images: list[ismrmrd.Image]) -> Iterator[ismrmrd.Image]:
        """Give blood flow of all pairs so far, when another ten of them are whole."""
        self._count(images)
        every = self._parameters.pairs
        pairs = self._whole_volumes() // 2 // every * every
        if pairs <= self._tried:
            return
        self._tried = pairs  # whatever comes of it: it is not tried again with each image
        first = set(list(self._of_volume)[: 2 * pairs])
        wanted = [image for image in images if not self._is_frame(image) or key_of(image) in first]
        clock = StageClock()
        self._last = measured, maps = self._maps(wanted, clock)
        yield from self._blood_flow(measured, maps, clock)
        self._shown = pairs

    def finish(self, images: list[ismrmrd.Image], clock: StageClock) -> Iterator[ismrmrd.Image]:
        """Give blood flow of all pairs, unless that was shown, what was left out, and the mean control image."""
        is_known = self._last is not None and 2 * self._last[1].pairs == len(self._of_volume)
        measured, maps = self._last if self._last and is_known else self._maps(images, clock)
        if maps.pairs != self._shown:
            yield from self._blood_flow(measured, maps, clock)
        meta = self._meta(measured.series.labelling, maps, clock)
        if "outliers" in self._parameters.images:
            yield table_image(maps.left_out[None], measured.like, SERIES["outliers"], meta)
        if "control_mean" in self._parameters.images:
            yield from task_images(maps.control, measured.like, SERIES["control_mean"], meta)

    def _is_frame(self, image: ismrmrd.Image) -> bool:
        return is_magnitude(image) and kind_of(image, self._parameters.m0_series) != "m0"

    def _count(self, images: list[ismrmrd.Image]) -> None:
        for image in images[self._counted :]:
            self._counted += 1
            if self._is_frame(image):
                key = key_of(image)
                self._of_volume[key] = self._of_volume.get(key, 0) + image.data.shape[1]

    def _whole_volumes(self) -> int:
        """Volumes that no image will be added to: all but the last, and that if it has the header's slices."""
        count = len(self._of_volume)
        is_whole = count and next(reversed(self._of_volume.values())) >= self._slices > 1
        return count if is_whole else max(0, count - 1)

    def _maps(self, images: list[ismrmrd.Image], clock: StageClock) -> tuple[MeasuredSeries, PerfusionMaps]:
        labelling = labelling_of(self._header, self._parameters)
        with clock.stage("sort images"):
            measured = series_of(images, labelling, self._parameters)
        return measured, perfusion_maps(measured.series, self._parameters.settings(), clock)

    def _blood_flow(self, measured: MeasuredSeries, maps: PerfusionMaps, clock: StageClock) -> Iterator[ismrmrd.Image]:
        kinds = [kind for kind in ("cbf", *NEEDS_NETWORK) if kind in self._parameters.images]
        network = self._network() if set(kinds) & set(NEEDS_NETWORK) else None
        results = {"cbf": maps.cbf}
        if network is None:
            left = [kind for kind in kinds if kind in NEEDS_NETWORK]
            if left and not self._has_told:
                log.warning("%s: left out, since there is no network", " and ".join(left))
                self._has_told = True
        else:
            with clock.stage("network"):
                results["denoised"] = denoised(network, maps, keep_beyond=self._parameters.keep_beyond or math.inf)
            results["difference"] = results["denoised"] - maps.cbf
        meta = self._meta(measured.series.labelling, maps, clock)
        for kind in kinds:
            if kind in results:
                told = meta | (self._meta_of(network) if network and SERIES[kind].is_generated else {})
                yield from task_images(results[kind], measured.like, SERIES[kind], told, maps.pairs)

    def _meta_of(self, network: ArrayPlanes) -> dict[str, str]:
        """What made a denoised image, and what it may not take away."""
        beyond = self._parameters.keep_beyond
        is_kept = network.channels > 1 and beyond > 0
        return network.meta | ({"MalibuKeptBeyond": f"{beyond:g} standard errors"} if is_kept else {})

    def _meta(self, labelling: Labelling, maps: PerfusionMaps, clock: StageClock) -> dict[str, Any]:
        seconds = {name: round(value, 4) for name, value in clock.seconds.items()}
        settings = self._parameters.settings()
        return {
            "MalibuReconstruction": "perfusion",
            "MalibuPairs": str(maps.pairs),
            "MalibuSlicesLeftOut": f"{int((~maps.kept).sum())} of {maps.kept.size}",
            "MalibuProtonDensity": _DENSITY[maps.m0],
            "MalibuPerfusionModel": "Alsop 2015, single compartment",
            "MalibuLabelling": json.dumps({name: round(value, 6) for name, value in vars(labelling).items()}),
            "MalibuStages": json.dumps(vars(settings)),
            "MalibuLargestMovementMm": f"{float(maps.movement.distance_mm.max()):.3g}",
            "MalibuStageSeconds": json.dumps(seconds),
        }


_DENSITY = {
    "measured": "a scan of its own",
    "control": "the control image of each pair, scaled up to full relaxation of grey matter",
}
"""What the Meta say stood for proton density."""


def _load(parameters: PerfusionParameters, device: Any) -> ArrayPlanes | None:
    wanted = set(NEEDS_NETWORK) & set(parameters.images)
    return load_planes(parameters.weights, WEIGHTS, TASK, device) if wanted else None


PERFUSION = ImageTask("perfusion", SERIES, parse_perfusion, _load, PerfusionWork)
"""The task."""
