"""A simulated 3-D Cartesian scan as an ISMRMRD file: raw lines or the images of an upstream gadget; and its truth."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import ismrmrd
import numpy as np

from gadgets import __version__
from gadgets.files import NewHDF5
from gadgets.mrd.files import ImageFile, write_scan
from gadgets.simulated.radial import truth_path
from recon.cartesian import combine_coils
from recon.simulation.angiogram.scan import CartesianScan, scan_angiogram
from recon.simulation.angiogram.volume import Angiogram, Domain, simulate_angiogram

# Sampling interval of simulated Cartesian scans in microseconds.
_DWELL_US = 5.0
# Side of a voxel in mm, as of the coronary volumes of Chen 2021.
_VOXEL_MM = 1.0
# Off centre, and differently along each axis, so that a mixed-up axis shows.
_POSITION_MM = (12.0, -7.0, 25.0)


@dataclass(frozen=True)
class VolumeProtocol:
    """What is simulated.

    Attributes
    ----------
    domain : {"coronary", "brain"}
    shape : (3,) tuple of int
        Full matrix (z, y, x), voxels of 1 mm.
    factors : (2,) tuple of float
        How many times fewer lines along slice and phase direction.
    coils : int
    snr : float
    """

    domain: Domain = "coronary"
    shape: tuple[int, int, int] = (48, 96, 96)
    factors: tuple[float, float] = (4, 4)
    coils: int = 4
    snr: float = 50.0


def write_volume_scan(protocol: VolumeProtocol, seed: int, path: Path, as_images: bool = False) -> None:
    """Simulate a scan and write it with its truth.

    Parameters
    ----------
    protocol : VolumeProtocol
    seed : int
    path : Path
        Raw data, or images at the low resolution.
    as_images : bool
        Write what a reconstruction upstream would send: magnitude slices at the measured matrix.
    """
    angiogram = simulate_angiogram(protocol.domain, protocol.shape, seed)
    scan = scan_angiogram(angiogram, protocol.factors, protocol.coils, protocol.snr, seed)
    if as_images:
        with ImageFile(path, ismrmrd.xsd.ToXML(volume_header(protocol, scan)).encode()) as file:
            for image in low_resolution_images(scan, protocol):
                file.append(image)
    else:
        write_scan(path, volume_header(protocol, scan), volume_acquisitions(scan, seed))
    with NewHDF5(truth_path(path)) as file:
        _write_truth(file, angiogram, protocol)


def volume_header(protocol: VolumeProtocol, scan: CartesianScan) -> ismrmrd.xsd.ismrmrdHeader:
    """ISMRMRD header, without any subject information."""
    xsd = ismrmrd.xsd
    (z, y, x), (ez, ey, ex) = protocol.shape, scan.encoded
    lines = scan.kspace.shape[1:3]

    def limit(size: int, measured: int) -> ismrmrd.xsd.limitType:
        first = size // 2 - measured // 2
        return xsd.limitType(minimum=first, maximum=first + measured - 1, center=size // 2)

    def space(sizes: tuple[int, int, int], x_mm: float) -> ismrmrd.xsd.encodingSpaceType:
        return xsd.encodingSpaceType(
            matrixSize=xsd.matrixSizeType(x=sizes[2], y=sizes[1], z=sizes[0]),
            fieldOfView_mm=xsd.fieldOfViewMm(x=x_mm, y=y * _VOXEL_MM, z=z * _VOXEL_MM),
        )

    encoding = xsd.encodingType(
        encodedSpace=space((ez, ey, ex), ex * _VOXEL_MM),
        reconSpace=space((z, y, x), x * _VOXEL_MM),
        encodingLimits=xsd.encodingLimitsType(
            kspace_encoding_step_1=limit(ey, lines[1]), kspace_encoding_step_2=limit(ez, lines[0])
        ),
        trajectory=xsd.trajectoryType.CARTESIAN,
    )
    return xsd.ismrmrdHeader(
        measurementInformation=xsd.measurementInformationType(patientPosition=xsd.patientPositionType.HFS),
        acquisitionSystemInformation=xsd.acquisitionSystemInformationType(
            systemVendor="malibu simulator", systemModel=__version__, receiverChannels=protocol.coils
        ),
        experimentalConditions=xsd.experimentalConditionsType(H1resonanceFrequency_Hz=123_200_000),
        encoding=[encoding],
    )


def volume_acquisitions(scan: CartesianScan, seed: int = 0) -> Iterator[ismrmrd.Acquisition]:
    """Make the readouts, the noise scan first."""
    coils, partitions, phases, samples = scan.kspace.shape
    head = ismrmrd.AcquisitionHeader()
    head.version, head.measurement_uid = 1, 1 + seed % 2**31
    head.active_channels = head.available_channels = coils
    head.sample_time_us = _DWELL_US
    head.position[:] = _POSITION_MM
    head.read_dir[0] = head.phase_dir[1] = head.slice_dir[2] = 1.0
    head.number_of_samples, head.center_sample = samples, samples // 2
    noise = ismrmrd.Acquisition(_sized(head, scan.noise.shape[1]), np.ascontiguousarray(scan.noise))
    noise.set_flag(ismrmrd.ACQ_IS_NOISE_MEASUREMENT)
    yield noise
    first_z, first_y = (size // 2 - n // 2 for size, n in zip(scan.encoded, (partitions, phases), strict=False))
    for z in range(partitions):
        for y in range(phases):
            readout = ismrmrd.Acquisition(bytes(head), np.ascontiguousarray(scan.kspace[:, z, y]))
            readout.idx.kspace_encode_step_1, readout.idx.kspace_encode_step_2 = first_y + y, first_z + z
            readout.scan_counter = 2 + z * phases + y
            if z == partitions - 1 and y == phases - 1:
                readout.set_flag(ismrmrd.ACQ_LAST_IN_MEASUREMENT)
            yield readout


def _sized(head: ismrmrd.AcquisitionHeader, samples: int) -> bytes:
    sized = ismrmrd.AcquisitionHeader.from_buffer_copy(bytes(head))
    sized.number_of_samples, sized.center_sample = samples, samples // 2
    return bytes(sized)


def low_resolution_images(scan: CartesianScan, protocol: VolumeProtocol) -> Iterator[ismrmrd.Image]:
    """Magnitude slices at the measured matrix, as a reconstruction upstream sends them."""
    combined = combine_coils(scan.kspace, "maps")
    x = protocol.shape[2]
    start = combined.shape[2] // 2 - x // 2
    gain = np.sqrt(np.prod(scan.encoded) / np.prod(scan.kspace.shape[1:]))
    magnitude = np.abs(combined)[..., start : start + x] / gain
    step_mm = protocol.shape[0] * _VOXEL_MM / len(magnitude)
    for index, voxels in enumerate(magnitude.astype(np.float32)):
        image = ismrmrd.Image.from_array(np.ascontiguousarray(voxels), transpose=False)
        head = image.getHead()
        head.field_of_view[:] = (x * _VOXEL_MM, protocol.shape[1] * _VOXEL_MM, step_mm)
        head.position[:] = (*_POSITION_MM[:2], _POSITION_MM[2] + (index - len(magnitude) // 2) * step_mm)
        head.read_dir[0] = head.phase_dir[1] = head.slice_dir[2] = 1.0
        head.image_series_index, head.image_index, head.slice = 1, index + 1, index
        head.image_type = ismrmrd.IMTYPE_MAGNITUDE
        image.setHead(head)
        yield image


def _write_truth(file: h5py.File, angiogram: Angiogram, protocol: VolumeProtocol) -> None:
    file["volume"] = angiogram.image
    file.attrs.update({"domain": angiogram.domain, "seed": angiogram.seed, "version": __version__})
    file.attrs["factors"] = protocol.factors
    for number, vessel in enumerate(angiogram.vessels):
        group = file.create_group(f"vessels/{number:03d}")
        group["centreline"], group["radius"] = vessel.centreline, vessel.radius
        group["stenosis_point"] = [stenosis.point for stenosis in vessel.stenoses]
        group["stenosis_depth"] = [stenosis.depth for stenosis in vessel.stenoses]
