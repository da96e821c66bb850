"""A simulated perfusion scan as an ISMRMRD file of the images that a reconstruction upstream sends; and its truth."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import ismrmrd
import numpy as np

from gadgets import __version__
from gadgets.files import NewHDF5
from gadgets.mrd.files import ImageFile
from gadgets.simulated.radial import truth_path
from recon.simulation.perfusion import AslProtocol, AslScan, Brain, scan_brain, simulate_brain, true_cbf
from recon.simulation.perfusion.brain import VOXEL_MM

# Off centre, and differently along each axis, so that a mixed-up axis shows.
_POSITION_MM = (4.0, -9.0, 15.0)
# Images come as uint16, as scanners send them; so bright that rounding is far below the noise.
_GAIN = 16.0
_SERIES, _M0_SERIES = 1, 2


@dataclass(frozen=True)
class PerfusionScan:
    """What is simulated.

    Attributes
    ----------
    shape : (3,) tuple of int
        (z, y, x) voxels of 6 × 3.4 × 3.4 mm.
    protocol : AslProtocol
    lesions : int
        Small ones, of 1 × 2 × 2 voxels.
    with_m0 : bool
        Add a proton density, as a series of its own before the pairs.
    with_meta : bool
        Let Meta ASL_Contrast say which images are controls.
    """

    shape: tuple[int, int, int] = (20, 64, 64)
    protocol: AslProtocol = field(default_factory=AslProtocol)
    lesions: int = 2
    with_m0: bool = False
    with_meta: bool = True


def write_perfusion_scan(simulation: PerfusionScan, seed: int, path: Path) -> None:
    """Simulate a scan and write it with its truth.

    Parameters
    ----------
    simulation : PerfusionScan
    seed : int
    path : Path
        Image file; the truth goes to ``NAME.truth.h5``.
    """
    brain = simulate_brain(simulation.shape, seed, simulation.lesions)
    scan = scan_brain(brain, simulation.protocol, seed)
    with ImageFile(path, ismrmrd.xsd.ToXML(perfusion_header(simulation)).encode()) as file:
        for image in perfusion_images(scan, simulation):
            file.append(image)
    _write_truth(truth_path(path), brain, scan, simulation, seed)


def perfusion_header(simulation: PerfusionScan) -> ismrmrd.xsd.ismrmrdHeader:
    """ISMRMRD header, without any subject information; delay and labelling are its user parameters, in ms."""
    xsd, protocol = ismrmrd.xsd, simulation.protocol
    z, y, x = simulation.shape
    space = xsd.encodingSpaceType(
        matrixSize=xsd.matrixSizeType(x=x, y=y, z=1),
        fieldOfView_mm=xsd.fieldOfViewMm(x=x * VOXEL_MM[2], y=y * VOXEL_MM[1], z=VOXEL_MM[0]),
    )

    def limit(size: int) -> ismrmrd.xsd.limitType:
        return xsd.limitType(minimum=0, maximum=size - 1, center=0)

    limits = xsd.encodingLimitsType(slice=limit(z), repetition=limit(2 * protocol.pairs))
    encoding = xsd.encodingType(
        encodedSpace=space, reconSpace=space, encodingLimits=limits, trajectory=xsd.trajectoryType.EPI
    )
    times = {"pld_ms": protocol.pld_s, "tau_ms": protocol.duration_s, "slice_time_ms": protocol.slice_time_s}
    return xsd.ismrmrdHeader(
        measurementInformation=xsd.measurementInformationType(patientPosition=xsd.patientPositionType.HFS),
        acquisitionSystemInformation=xsd.acquisitionSystemInformationType(
            systemVendor="malibu simulator", systemModel=__version__, systemFieldStrength_T=3.0
        ),
        experimentalConditions=xsd.experimentalConditionsType(H1resonanceFrequency_Hz=123_200_000),
        encoding=[encoding],
        sequenceParameters=xsd.sequenceParametersType(TR=[1000 * protocol.tr_s], TE=[11.0], flipAngle_deg=[90.0]),
        userParameters=xsd.userParametersType(
            userParameterDouble=[
                xsd.userParameterDoubleType(name=name, value=round(1000 * seconds, 3))
                for name, seconds in times.items()
            ]
        ),
    )


def perfusion_images(scan: AslScan, simulation: PerfusionScan) -> Iterator[ismrmrd.Image]:
    """Make the slices of all images in the order in which they were measured: one repetition for each image."""
    if simulation.with_m0:
        yield from _slices(scan.m0, simulation, _M0_SERIES, 0, "M0")
    for number, (frame, is_control) in enumerate(zip(scan.frames, scan.is_control, strict=True)):
        yield from _slices(frame, simulation, _SERIES, number, "CONTROL" if is_control else "LABEL")


def _slices(
    frame: np.ndarray, simulation: PerfusionScan, series: int, number: int, contrast: str
) -> Iterator[ismrmrd.Image]:
    z, y, x = frame.shape
    for place, plane in enumerate(frame):
        pixels = np.clip(np.rint(_GAIN * plane), 0, 65535).astype(np.uint16)
        image = ismrmrd.Image.from_array(pixels, transpose=False)
        head = image.getHead()
        head.field_of_view[:] = (x * VOXEL_MM[2], y * VOXEL_MM[1], VOXEL_MM[0])
        head.position[:] = (*_POSITION_MM[:2], _POSITION_MM[2] + (place - z // 2) * VOXEL_MM[0])
        head.read_dir[0] = head.phase_dir[1] = head.slice_dir[2] = 1.0
        head.image_series_index, head.image_index = series, number * z + place + 1
        head.slice, head.repetition = place, number
        head.image_type = ismrmrd.IMTYPE_MAGNITUDE
        image.setHead(head)
        if simulation.with_meta:
            image.meta = {"ASL_Contrast": contrast}
        yield image


def _write_truth(path: Path, brain: Brain, scan: AslScan, simulation: PerfusionScan, seed: int) -> None:
    with NewHDF5(path) as file:
        for name in ("grey", "white", "fluid", "cbf", "arrival_s"):
            file[name] = getattr(brain, name)
        file["visible_cbf"] = true_cbf(brain, simulation.protocol)
        file["m0"], file["movement"], file["spoiled_pairs"] = scan.m0, scan.movement, scan.spoiled_pairs
        for number, lesion in enumerate(brain.lesions):
            group = file.create_group(f"lesions/{number:03d}")
            group["centre"], group["size"], group["factor"] = lesion.centre, lesion.size, lesion.factor
        file.attrs.update({"seed": seed, "version": __version__, "unit": "mL/100 g/min"})
