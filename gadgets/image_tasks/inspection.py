"""A file as ``malibu info`` shows it to somebody who has one volume for a task."""

from collections.abc import Callable, Collection
from typing import Any

import ismrmrd
import sigpy

from gadgets.errors import MalibuError
from gadgets.image_tasks.task import ORIGINAL, ImageTask, TaskInfo
from gadgets.mrd.files import ImageSource, Source
from recon.errors import DataError


def inspect_volume(
    task: ImageTask,
    source: Source,
    parameters: Any,
    describe: Callable[[list[ismrmrd.Image], Any, Any], dict[str, str]],
    needs_network: Collection[str],
) -> TaskInfo:
    """Inspect an image file: its volume, what would be refused, and which series would come.

    Parameters
    ----------
    task : ImageTask
    source : ImageSource or ScanFile
    parameters : object
        Of the task.
    describe : callable
        Images, parameters and network → properties to show; it raises what the task would.
    needs_network : collection of str
        Kinds that are left out where there is no network.

    Returns
    -------
    TaskInfo
    """
    info = TaskInfo()
    if not isinstance(source, ImageSource):
        info.problems.append(f"the file holds readouts; {task.name} needs images: reconstruct them first")
        return info
    images = list(source.items())
    numbers = sorted({int(image.image_series_index) for image in images})
    info.properties["images"] = f"{len(images)} in {len(numbers)} series"
    try:
        network = task.load(parameters, sigpy.cpu_device)
        info.properties.update(describe(images, parameters, network))
    except (DataError, MalibuError) as error:
        info.problems.append(str(error))
        return TaskInfo(info.properties, info.problems, "refused as it is; the originals go back")
    kinds = [kind for kind in parameters.images if network is not None or kind not in needs_network]
    offsets = {ORIGINAL: 0} | {kind: record.offset for kind, record in task.series.items()}
    sent = ", ".join(f"{kind} ({numbers[0] + offsets[kind]})" for kind in kinds)
    by = f" by {network.meta['MalibuNetwork']}" if network is not None else ""
    return TaskInfo(info.properties, [], f"{task.name}{by}; images (series): {sent}")


def size_of(shape: tuple[int, ...], spacing_mm: tuple[float, ...]) -> str:
    """Matrix and voxels of a volume (z, y, x), for people."""
    return f"{'×'.join(map(str, shape))} voxels of {'×'.join(f'{mm:.3g}' for mm in spacing_mm)} mm (z, y, x)"
