"""Short scans for batches, and what of their results has to be equal."""

import dataclasses
import re
from pathlib import Path

import ismrmrd

from gadgets.mrd.files import ScanFile, read_images, write_scan
from gadgets.simulated.radial import write_simulation
from recon.simulation.chest import PRESETS, simulate_scan

QUICK = ("reconstruction=backprojection", "rank=4", "images=time_average realtime t1_map")
"""Settings with which a scan of a second takes half a second."""


def short_scans(folder: Path, count: int) -> list[Path]:
    """Scans of 160 readouts, each of another subject."""
    protocol = dataclasses.replace(PRESETS["tiny"], duration_s=0.8, coils=2, noise_readouts=4)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"Doe_{number}.h5" for number in range(count)]
    for number, path in enumerate(paths):
        if not path.exists():
            write_simulation(simulate_scan(protocol, seed=number), path)
    return paths


def with_second_slice(scan: Path, path: Path) -> Path:
    """Write a scan whose readouts come twice, by turns: the second slice lies elsewhere and has shorter periods."""
    with ScanFile(scan) as file:
        header, readouts = file.header, list(file.acquisitions())
    both: list[ismrmrd.Acquisition] = []
    for acquisition in readouts:
        both.append(acquisition)
        if not acquisition.is_flag_set(ismrmrd.ACQ_IS_NOISE_MEASUREMENT):
            second = ismrmrd.Acquisition(bytes(acquisition.getHead()), 2 * acquisition.data, acquisition.traj)
            second.idx.slice = 1
            second.position[2] = 99.0
            acquisition.clear_flag(ismrmrd.ACQ_LAST_IN_MEASUREMENT)
            both.append(second)
    write_scan(path, header, both)
    return path


def content_of(path: Path) -> dict[int, list[tuple[bytes, bytes, str]]]:
    """Heads, pixels and Meta of the images of a file, but for the seconds that were taken."""
    return {
        number: [(_lengthless(image), image.data.tobytes(), _timeless(image.attribute_string)) for image in images]
        for number, images in read_images(path).items()
    }


def _lengthless(image: ismrmrd.Image) -> bytes:
    head = image.getHead()
    head.attribute_string_len = 0  # of the Meta with the seconds
    return bytes(head)


def _timeless(meta: str) -> str:
    return re.sub(r"<meta>\s*<name>MalibuStageSeconds</name>.*?</meta>", "", meta, flags=re.DOTALL)
