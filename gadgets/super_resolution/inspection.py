"""A file as `malibu info` shows it to somebody who wants to restore it: volumes, kinds, and what would be done."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import ismrmrd
import sigpy

from gadgets.errors import MalibuError
from gadgets.image_tasks.kinds import grouped, other_kind
from gadgets.mrd.files import ImageSource, ScanFile, Source
from gadgets.mrd.intake.measurement import Measurement
from gadgets.super_resolution.acceleration import check_acceleration
from gadgets.super_resolution.gadget import measured_volumes
from gadgets.super_resolution.network import ArrayRestorer, load_restorer
from gadgets.super_resolution.parameters import SuperResolutionParameters
from gadgets.super_resolution.series import SERIES
from gadgets.super_resolution.slices import MeasuredVolume, volumes_of_images
from recon.errors import DataError

Result = TypeVar("Result")

_COUNTERS = ("contrast", "phase", "repetition", "set", "average")
"""Counters that make a volume of its own."""


@dataclass
class VolumeInfo:
    """Facts in the order in which they are shown.

    Attributes
    ----------
    properties : dict of str to str
    problems : list of str
        What a restoration would refuse.
    plan : str
        What malibu would do.
    """

    properties: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    plan: str = ""

    def tried(self, action: Callable[[], Result]) -> Result | None:
        """Note what an action refuses; it gives None then."""
        try:
            return action()
        except (DataError, MalibuError) as error:
            if str(error) not in self.problems:
                self.problems.append(str(error))
            return None


def inspect_volumes(source: Source, parameters: SuperResolutionParameters) -> VolumeInfo:
    """Inspect all of a file, of images or of raw Cartesian data.

    Parameters
    ----------
    source : ImageSource or ScanFile
    parameters : SuperResolutionParameters

    Returns
    -------
    VolumeInfo
    """
    if isinstance(source, ImageSource):
        return inspect_images(source, parameters)
    return _inspect_readouts(source, parameters)


def inspect_images(source: ImageSource, parameters: SuperResolutionParameters) -> VolumeInfo:
    """Inspect an image file: its volumes, their kinds, and how each would be restored.

    Parameters
    ----------
    source : ImageSource
    parameters : SuperResolutionParameters

    Returns
    -------
    VolumeInfo
    """
    info = VolumeInfo()
    images = list(source.items())
    info.properties["images"] = f"{len(images)} in {len({image.image_series_index for image in images})} series"
    if source.has_header:
        _describe_header(info, source.header)
    else:
        info.properties["header"] = "none"
    network = info.tried(lambda: load_restorer(parameters, sigpy.cpu_device))
    plans = []
    for group in grouped(images):
        name = _name(group[0])
        kind = other_kind(group)
        info.properties[name] = _contents(group, kind)
        if kind:
            plans.append(f"pass {name} unrestored")
            continue
        for measured in info.tried(partial(volumes_of_images, group, source.header, parameters.matrix)) or ():
            plans += _planned(info, name, group[0].image_series_index, measured, network, parameters)
    info.plan = "refused as it is" if info.problems else "; ".join(plans)
    return info


def _inspect_readouts(scan: ScanFile, parameters: SuperResolutionParameters) -> VolumeInfo:
    info = VolumeInfo()
    _describe_header(info, scan.header)
    measurement = info.tried(lambda: Measurement.of(scan.items()))
    info.properties["readouts"] = f"{len(scan)}"
    volumes = info.tried(lambda: measured_volumes(scan.header, measurement, parameters)) if measurement else None
    network = info.tried(lambda: load_restorer(parameters, sigpy.cpu_device))
    plans = []
    for number, measured in enumerate(volumes or (), start=1):
        plans += _planned(info, f"volume {number}", number, measured, network, parameters)
    info.plan = "refused as it is" if info.problems else "; ".join(plans)
    return info


def _describe_header(info: VolumeInfo, header: ismrmrd.xsd.ismrmrdHeader) -> None:
    if header.encoding:
        size, fov_mm = header.encoding[0].reconSpace.matrixSize, header.encoding[0].reconSpace.fieldOfView_mm
        info.properties["matrix by the header"] = f"{size.z}×{size.y}×{size.x} (z, y, x)"
        info.properties["field of view"] = f"{fov_mm.z:g}×{fov_mm.y:g}×{fov_mm.x:g} mm"


def _name(image: ismrmrd.Image) -> str:
    head = image.getHead()
    counters = [f"{name} {getattr(head, name)}" for name in _COUNTERS if getattr(head, name)]
    return ", ".join([f"series {head.image_series_index}", *counters])


def _contents(group: list[ismrmrd.Image], kind: str) -> str:
    sizes = sorted({image.data.shape[1:] for image in group})
    shown = " and ".join("×".join(map(str, size[1:] if size[0] == 1 else size)) for size in sizes)
    channels = {image.data.shape[0] for image in group}
    coils = "" if channels == {1} else f", {max(channels)} channels"
    return f"{len(group)} {kind or 'magnitude'} images of {shown} {group[0].data.dtype}{coils}"


def _planned(
    info: VolumeInfo,
    name: str,
    series: int,
    measured: MeasuredVolume,
    network: ArrayRestorer | None,
    parameters: SuperResolutionParameters,
) -> list[str]:
    """How one volume would be restored, if nothing is against it."""
    volume, factors = measured.volume, parameters.factors or measured.volume.factors
    cut = "x".join(f"{factor:.3g}" for factor in factors) if factors else "unknown"
    info.properties[f"{name}, cut by"] = f"{cut} (slice x phase){' (set)' if parameters.factors else ''}"
    if network is None:
        return []
    info.tried(lambda: check_acceleration(volume, parameters.factors, network.factors, parameters.mismatch))
    full = "×".join(map(str, volume.zero_filled.shape))
    sent = ", ".join(f"{kind} ({series + SERIES[kind].offset})" for kind in parameters.images)
    return [f"restore {name} to {full} by {network.meta[-1]['MalibuNetwork']}; images (series): {sent}"]
