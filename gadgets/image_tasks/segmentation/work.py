"""The work of the segmentation gadget: organs of one volume, on the voxels that came."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import ismrmrd
import numpy as np
import sigpy

from gadgets.image_tasks.images import task_images
from gadgets.image_tasks.segmentation.network import ArrayOutliner, load_outliner
from gadgets.image_tasks.segmentation.parameters import SegmentationParameters, parse_segmentation
from gadgets.image_tasks.segmentation.series import COLOUR_MAP, SERIES, label_colour, organ_series
from gadgets.image_tasks.stacks import Stack, one_volume
from gadgets.image_tasks.task import ImageTask, TaskWork
from gadgets.mrd.headers.places import oriented
from recon.organs.outlining import OrganMap, outline_organs
from recon.organs.patient_grid import PatientGrid, patient_grid, upright_grid
from recon.stages import StageClock

log = logging.getLogger(__name__)

NAME = "segmentation"


class SegmentationWork(TaskWork):
    """A volume of one stream."""

    def __init__(
        self,
        header: ismrmrd.xsd.ismrmrdHeader,
        parameters: SegmentationParameters,
        network: Callable[[], ArrayOutliner],
    ) -> None:
        self._parameters, self._network = parameters, network

    def finish(self, images: list[ismrmrd.Image], clock: StageClock) -> Iterator[ismrmrd.Image]:
        """Give the label map, the disagreement of the views, and a mask of each organ."""
        network = self._network()
        with clock.stage("sort images"):
            stack = one_volume(images, f"the gadget of {NAME}")
            grid = grid_of(stack)
        padding = padding_for(grid, network)
        if padding:
            log.warning("%s", padding)
        with clock.stage("outline organs"):
            found = outline_organs(stack.voxels, grid, network, network.organs, network.spacing_mm)
        meta = _meta(found, network, padding, clock)
        kinds = self._parameters.images
        if "labels" in kinds:
            yield from task_images(found.labels, stack, SERIES["labels"], meta | _legend(network.organs))
        if "disagreement" in kinds:
            yield from task_images(found.disagreement, stack, SERIES["disagreement"], meta)
        for number, name in enumerate(network.organs if "organs" in kinds else ()):
            if number:  # 0 is the background
                yield from task_images(found.labels == number, stack, organ_series(number, name), meta)


def grid_of(stack: Stack) -> PatientGrid:
    """Where the voxels of a volume lie in the patient.

    Parameters
    ----------
    stack : Stack
        Pixel i of n lies at (i - n // 2) spacings from ISMRMRD's position, as the Fourier transform has it.

    Raises
    ------
    DataError
        If position or directions are impossible.
    """
    head = oriented(ismrmrd.ImageHeader.from_buffer_copy(stack.images[0].getHead()))
    along_slices, along_rows = np.array(head.slice_dir[:]), np.array(head.phase_dir[:])
    directions = np.stack([along_slices, along_rows, np.array(head.read_dir[:])])
    z, y, x = stack.voxels.shape
    before = np.array([z // 2 if stack.is_volume else 0, y // 2, x // 2]) * stack.voxel_mm
    return patient_grid((z, y, x), np.array(head.position[:]) - before @ directions, directions, stack.voxel_mm)


def padding_for(grid: PatientGrid, network: ArrayOutliner) -> str:
    """Say how a volume is padded that is thinner than the network sees at once; empty if it is not."""
    shape = upright_grid(grid, network.spacing_mm).shape
    if all(size >= least for size, least in zip(shape, network.least_shape, strict=True)):
        return ""
    found, least = ("x".join(map(str, sizes)) for sizes in (shape, network.least_shape))
    edges = "x".join(f"{edge:g}" for edge in network.spacing_mm)
    return (
        f"the volume has {found} voxels of {edges} mm (head, back, left), and the network sees {least} at least: its "
        "outermost slices are repeated"
    )


def _legend(organs: tuple[str, ...]) -> dict[str, Any]:
    """Names of the labels, and their colours for Gadgetron's writers and for malibu's pages."""
    return {
        "MalibuLabels": [f"{number}:{name}" for number, name in enumerate(organs)],
        "MalibuLabelColours": [f"{number}:{label_colour(number)}" for number in range(1, len(organs))],
        "ColorMap": COLOUR_MAP,
        "GADGETRON_ColorMap": COLOUR_MAP,
    }


def _meta(found: OrganMap, network: ArrayOutliner, padding: str, clock: StageClock) -> dict[str, Any]:
    seconds = {name: round(value, 4) for name, value in clock.seconds.items()}
    told = {"MalibuPadding": padding} if padding else {}
    return (
        network.meta
        | told
        | {
            "MalibuReconstruction": NAME,
            "MalibuOrganVolumesMl": json.dumps({name: round(volume, 2) for name, volume in found.volumes_ml.items()}),
            "MalibuStageSeconds": json.dumps(seconds),
        }
    )


def _load(parameters: SegmentationParameters, device: sigpy.Device) -> ArrayOutliner:
    return load_outliner(parameters.weights, parameters.views, device)


SEGMENTATION = ImageTask(NAME, SERIES, parse_segmentation, _load, SegmentationWork)
"""The task."""
