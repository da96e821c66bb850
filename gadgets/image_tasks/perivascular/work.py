"""The work of the perivascular gadget: one volume is enhanced, its spaces are mapped and counted."""

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import ismrmrd
import numpy as np
import sigpy
from numpy.typing import NDArray

from gadgets.image_tasks.images import task_images
from gadgets.image_tasks.perivascular.network import ArrayEnhancer, load_enhancer
from gadgets.image_tasks.perivascular.parameters import PerivascularParameters, parse_perivascular
from gadgets.image_tasks.perivascular.series import NEEDS_NETWORK, SERIES
from gadgets.image_tasks.perivascular.white_matter_mask import mask_for, parted
from gadgets.image_tasks.stacks import Stack, one_volume
from gadgets.image_tasks.task import ImageTask, TaskWork
from recon.errors import DataError
from recon.perivascular.enhancement import Enhancement, check_voxels, enhance_spaces
from recon.stages import StageClock

log = logging.getLogger(__name__)

NAME = "perivascular spaces"


class PerivascularWork(TaskWork):
    """A T2-weighted brain of one stream."""

    def __init__(
        self,
        header: ismrmrd.xsd.ismrmrdHeader,
        parameters: PerivascularParameters,
        network: Callable[[], ArrayEnhancer | None],
    ) -> None:
        self._parameters, self._network = parameters, network

    def finish(self, images: list[ismrmrd.Image], clock: StageClock) -> Iterator[ismrmrd.Image]:
        """Give the enhanced volume, the map of its spaces, and the mask."""
        network = self._network()
        with clock.stage("sort images"):
            brain = brain_of(images, self._parameters, network)
        stack, threshold = brain.stack, self._parameters.threshold
        with clock.stage("enhance and map"):
            magnitude = np.maximum(stack.voxels, 0)  # Fourier transforms upstream leave rounding below zero
            found = enhance_spaces(magnitude, stack.voxel_mm, network or _as_it_is, brain.mask, threshold)
        results = {"spaces": found.response, "mask": found.mask}
        if network is not None:
            enhanced = np.where(found.mask, found.enhanced, stack.voxels)
            results |= {"enhanced": enhanced, "difference": enhanced - stack.voxels}
        meta = self._meta(found, brain.mismatch, clock)
        for kind in self._parameters.images:
            if kind in results:
                is_generated = network is not None and kind != "mask"
                told = meta | (network.meta if network and is_generated else {})
                yield from task_images(results[kind], stack, replace(SERIES[kind], is_generated=is_generated), told)
            elif kind in NEEDS_NETWORK:
                log.warning("%s: left out, since there is no network", kind)

    def _meta(self, found: Enhancement, mismatch: str, clock: StageClock) -> dict[str, Any]:
        spaces = found.spaces
        seconds = {name: round(value, 4) for name, value in clock.seconds.items()}
        told = {"MalibuVoxelMismatch": mismatch} if mismatch else {}
        log.info(
            "%d perivascular spaces of %.3g mL in %.4g mL of white matter (threshold %g)",
            spaces.count,
            spaces.volume_ml,
            spaces.white_matter_ml,
            spaces.threshold,
        )
        return told | {
            "MalibuReconstruction": NAME,
            "MalibuMaskSource": {"auto": "found by brightness"}.get(found.mask_source, self._given()),
            "MalibuWhiteMatterMl": f"{spaces.white_matter_ml:.4g}",
            "MalibuSpacesCount": str(spaces.count),
            "MalibuSpacesMl": f"{spaces.volume_ml:.4g}",
            "MalibuSpacesThreshold": f"{spaces.threshold:g}",
            "MalibuStageSeconds": json.dumps(seconds),
        }

    def _given(self) -> str:
        """How the mask was given; a file is not named, since names tell of people."""
        return "a series" if self._parameters.mask in ("auto", "series") else "a file"


@dataclass(frozen=True)
class Brain:
    """What came.

    Attributes
    ----------
    stack : Stack
    mask : (z, y, x) bool, or None
        White matter as it was given; None: it is to be found by brightness.
    mismatch : str
        How the voxels differ from those of the training, where that is only warned of.
    """

    stack: Stack
    mask: NDArray[np.bool_] | None
    mismatch: str = ""


def brain_of(images: list[ismrmrd.Image], parameters: PerivascularParameters, network: ArrayEnhancer | None) -> Brain:
    """Put the one volume of a stream in order, with its mask.

    Raises
    ------
    DataError
        If images or mask cannot be used, or the network does not know voxels of this size.
    ParameterError
        If the file of a mask cannot be read.
    """
    volume, of_mask = parted(images, parameters)
    stack = one_volume(volume, f"the gadget of {NAME}")
    mask, mismatch = mask_for(stack, of_mask, parameters), ""
    if network is not None and network.voxel_mm:
        try:
            check_voxels(stack.voxel_mm, network.voxel_mm)
        except DataError as error:
            if parameters.mismatch == "error":
                raise
            mismatch = str(error).partition(";")[0]  # without the remedy
            log.warning("%s", mismatch)
    return Brain(stack, mask, mismatch)


def _as_it_is(volume: NDArray, mask: NDArray) -> NDArray:
    return volume


def _load(parameters: PerivascularParameters, device: sigpy.Device) -> ArrayEnhancer | None:
    return load_enhancer(parameters.weights, device)


PERIVASCULAR = ImageTask(NAME, SERIES, parse_perivascular, _load, PerivascularWork)
"""The task."""
