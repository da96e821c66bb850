"""An F and an L of known places in the patient, as images in any orientation; and tools of Debian that read them."""

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import ismrmrd
import nibabel
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

CENTRE_MM = np.array([12.0, -31.0, 47.0])
"""Of the marker, in DICOM's patient coordinates: left, posterior, head."""

PLANES = {
    "axial, turned": Rotation.from_rotvec([0.15, -0.1, 0.5]).as_matrix(),
    "sagittal, tilted": (Rotation.from_rotvec([0.2, 0.3, -0.25]).as_matrix() @ [[0, 1, 0], [0, 0, -1], [-1, 0, 0]]),
    "coronal, tilted": (Rotation.from_rotvec([-0.3, 0.2, 0.1]).as_matrix() @ [[1, 0, 0], [0, 0, -1], [0, 1, 0]]),
}
"""Rows: read, phase and slice direction."""

_STROKES_MM = {
    "F": [((-12, -7), (-18, 18)), ((-12, 11), (-18, -12)), ((-12, 4), (-3, 3))],
    "L": [((-12, -7), (-18, 18)), ((-12, 11), (12, 18))],
}
"""Ranges along the marker's own x and y."""


def marker(points_mm: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Brightness at points (..., 3): an F below the marker's centre along its third axis, an L above it."""
    x, y, z = np.moveaxis((points_mm - CENTRE_MM) @ np.asarray(axes, dtype=float).T, -1, 0)
    value = np.zeros(x.shape)
    for letter, is_there in (("F", z < 0), ("L", z >= 0)):
        for (left, right), (top, bottom) in _STROKES_MM[letter]:
            value[is_there & (left <= x) & (x <= right) & (top <= y) & (y <= bottom)] = 1000.0 + 500 * (letter == "L")
    return value


_BLOBS = (((-6.0, -4.0, -5.0), 1000.0), ((5.0, -3.0, 1.0), 600.0), ((-3.0, 5.0, 4.0), 300.0))
"""Places along the marker's axes, and brightness: no turn or reflection brings them to each other."""
_BLOB_MM = 5.0


def blobs(points_mm: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """A marker without edges, which few samples describe: what interpolates them must be as bright everywhere."""
    own = (points_mm - CENTRE_MM) @ np.asarray(axes, dtype=float).T
    return sum(peak * np.exp(-((own - np.array(place)) ** 2).sum(-1) / (2 * _BLOB_MM**2)) for place, peak in _BLOBS)


def positions_mm(head: ismrmrd.ImageHeader, shape: tuple[int, int, int]) -> np.ndarray:
    """(z, y, x, 3) places of the voxels of an ISMRMRD image: voxel n // 2 of each axis lies at its position."""
    directions = np.array([head.slice_dir[:], head.phase_dir[:], head.read_dir[:]])
    steps = np.array(head.field_of_view[::-1]) / shape
    index = np.stack(np.meshgrid(*[np.arange(n) - n // 2 for n in shape], indexing="ij"), -1)
    return np.array(head.position[:]) + (index * steps) @ directions


def marker_images(
    axes: np.ndarray,
    matrix: tuple[int, int, int] = (5, 32, 27),
    fov_mm: tuple[float, float, float] = (54.0, 48.0, 25.0),
    turned: bool = False,
    as_volume: bool = False,
    dtype: type = np.float32,
    number: int = 1,
    shown: Callable[[np.ndarray, np.ndarray], np.ndarray] = marker,
) -> list[ismrmrd.Image]:
    """Images of the marker in a stack along its axes, off its centre; odd and even sizes, no square pixels."""
    directions = np.asarray(axes, dtype=float).copy()
    if turned:
        directions[2] *= -1
    nz, centre = matrix[0], CENTRE_MM + np.array([3.0, -2.0, 1.5])
    step_mm = fov_mm[2] / nz
    places = [centre] if as_volume else [centre + (k - nz // 2) * step_mm * directions[2] for k in range(nz)]
    images = []
    for index, place in enumerate(places):
        shape = matrix if as_volume else (1, *matrix[1:])
        image = ismrmrd.Image.from_array(np.zeros(shape, dtype), transpose=False)
        head = image.getHead()
        head.position[:], head.field_of_view[:] = place.tolist(), (*fov_mm[:2], fov_mm[2] if as_volume else step_mm)
        for name, direction in zip(("read_dir", "phase_dir", "slice_dir"), directions, strict=True):
            getattr(head, name)[:] = direction.tolist()
        head.slice, head.image_index, head.image_series_index = index, index + 1, number
        head.image_type = ismrmrd.IMTYPE_MAGNITUDE
        image.setHead(head)
        image.data[0] = shown(positions_mm(image.getHead(), shape), axes)
        images.append(image)
    return images


def with_meta(images: list[ismrmrd.Image], **meta: object) -> list[ismrmrd.Image]:
    """The same images with a Meta."""
    for image in images:
        image.meta = {"MalibuVersion": "0", "SeriesDescription": "malibu marker", "DataRole": "Image"} | meta
    return images


def needs(*tools: str) -> pytest.MarkDecorator:
    """Skip a test where a tool of Debian is missing."""
    missing = [tool for tool in tools if found(tool) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} is not installed (Debian: see docs)")


def found(tool: str) -> str | None:
    """Path of a tool, servers included."""
    return shutil.which(tool) or shutil.which(tool, path="/usr/sbin:/usr/local/sbin")


def dcm2niix(folder: Path, output: Path) -> dict[str, nibabel.Nifti1Image]:
    """Convert a DICOM folder by dcm2niix; by the name ``<series number>``, with what dcm2niix adds to tell apart."""
    output.mkdir()
    command = ["dcm2niix", "-b", "n", "-f", "%s", "-o", str(output), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return {path.stem: nibabel.load(path) for path in sorted(output.glob("*.nii"))}


def world_lps(image: nibabel.Nifti1Image) -> np.ndarray:
    """(x, y, z, 3) places of the voxels of a NIfTI image in DICOM's coordinates."""
    index = np.stack(np.meshgrid(*map(np.arange, image.shape[:3]), indexing="ij"), -1)
    return (index @ image.affine[:3, :3].T + image.affine[:3, 3]) * [-1, -1, 1]


def dciodvfy_errors(path: Path) -> list[str]:
    """Errors that dicom3tools finds in an object."""
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False, timeout=60)
    said = (done.stdout + done.stderr).splitlines()
    assert said, "dciodvfy says nothing"
    return [line for line in said if line.startswith("Error") or "rror - " in line]


def free_port() -> int:
    """A port of the loopback interface that nobody listens at."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def listening(command: list[str], port: int) -> Iterator[None]:
    """Run a server until it listens, and end it."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            assert process.poll() is None, f"{command[0]} ended with {process.returncode}"
            with socket.socket() as sock:
                if sock.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(20)
