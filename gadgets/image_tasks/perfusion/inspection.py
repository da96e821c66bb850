"""A file as ``malibu info`` shows it to somebody who wants its blood flow."""

import sigpy

from gadgets.errors import MalibuError
from gadgets.image_tasks.perfusion.control_label import series_of
from gadgets.image_tasks.perfusion.parameters import PerfusionParameters, labelling_of
from gadgets.image_tasks.perfusion.series import NEEDS_NETWORK, SERIES
from gadgets.image_tasks.perfusion.work import PERFUSION
from gadgets.image_tasks.task import ORIGINAL, TaskInfo
from gadgets.mrd.files import ImageSource, Source
from recon.errors import DataError
from recon.perfusion import PerfusionSettings, perfusion_maps


def inspect_perfusion(source: Source, parameters: PerfusionParameters) -> TaskInfo:
    """Inspect an image file: its pairs, its labelling, and what would be refused.

    Parameters
    ----------
    source : ImageSource or ScanFile
    parameters : PerfusionParameters

    Returns
    -------
    TaskInfo
    """
    info = TaskInfo()
    if not isinstance(source, ImageSource):
        info.problems.append("the file holds readouts; the perfusion gadget takes images: reconstruct them first")
        return info
    images = list(source.items())
    numbers = sorted({int(image.image_series_index) for image in images})
    info.properties["images"] = f"{len(images)} in {len(numbers)} series"
    network = None
    try:
        labelling = labelling_of(source.header, parameters)
        info.properties["TR, labelling, delay"] = (
            f"{labelling.tr_s:g} s, {labelling.duration_s:g} s, {labelling.pld_s:g} s, and "
            f"{1000 * labelling.slice_time_s:g} ms more for each slice"
        )
        measured = series_of(images, labelling, parameters)
        frames = measured.series.frames
        info.properties["pairs"] = f"{len(frames) // 2} of {'×'.join(map(str, frames.shape[1:]))} (z, y, x)"
        info.properties["proton density"] = "the control images" if measured.series.m0 is None else "measured"
        maps = perfusion_maps(measured.series, PerfusionSettings(motion_correction=False, regression=False))
        mean = float(maps.cbf[maps.brain].mean())
        info.properties["mean blood flow"] = f"{mean:.1f} mL/100 g/min in the head, uncorrected"
        network = PERFUSION.load(parameters, sigpy.cpu_device)
    except (DataError, MalibuError) as error:
        info.problems.append(str(error))
        return TaskInfo(info.properties, info.problems, "refused as it is; the originals go back")
    kinds = [kind for kind in parameters.images if network is not None or kind not in NEEDS_NETWORK]
    offsets = {ORIGINAL: 0} | {kind: record.offset for kind, record in SERIES.items()}
    sent = ", ".join(f"{kind} ({numbers[0] + offsets[kind]})" for kind in kinds)
    by = f", denoised by {network.meta['MalibuNetwork']}" if network is not None else ""
    plan = f"blood flow after every {parameters.pairs} pairs{by}; images (series): {sent}"
    return TaskInfo(info.properties, [], plan)
