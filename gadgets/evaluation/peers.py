"""Other libraries' gridding, where they are installed: what ``malibu benchmark --operators`` compares with."""

import contextlib
import importlib
import importlib.util
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import sigpy
from numpy.typing import NDArray

from gadgets.errors import shortened
from recon.errors import DataError
from recon.spatial.nufft import choose_backend

LIBRARIES = ("SigPy", "FINUFFT", "cuFINUFFT", "MRpro", "BART")
"""With which malibu is compared."""

_GET_BART = "apt-get install bart"

_FAILURES = (ImportError, OSError, RuntimeError, AttributeError, TypeError, ValueError, subprocess.SubprocessError)


def backends(device: sigpy.Device) -> tuple[dict[str, str], dict[str, str]]:
    """NUFFT back ends of :func:`recon.spatial.nufft.plan_nufft` to compare with, the slowest first.

    Parameters
    ----------
    device : sigpy.Device

    Returns
    -------
    dict of str to str, dict of str to str
        Back ends by the library's name; and why the others are not compared.
    """
    found, missing = {"SigPy": "sigpy"}, {}
    if device.id < 0:
        missing["cuFINUFFT"] = "it needs a GPU: --device cuda:0"
        if importlib.util.find_spec("finufft"):
            found["FINUFFT"] = "finufft"
        else:
            missing["FINUFFT"] = "it is not installed: pip install finufft"
        return found, missing
    missing["FINUFFT"] = "it runs on the CPU: --device cpu"
    try:
        found["cuFINUFFT"] = choose_backend("cufinufft", on_gpu=True)
    except DataError as error:
        missing["cuFINUFFT"] = str(error)
    return found, missing


def grid_elsewhere(
    data: NDArray, trajectory: NDArray, matrix: int, device: sigpy.Device
) -> tuple[dict[str, tuple[NDArray, float]], dict[str, str]]:
    """Grid by the libraries that have no back end of malibu's, on the CPU.

    Parameters
    ----------
    data : (batch, spokes, samples) complex64
        On the device.
    trajectory : (spokes, samples, 2) float32
        In host memory.
    matrix : int
        N.
    device : sigpy.Device

    Returns
    -------
    dict of str to ((batch, N, N) complex64, float), dict of str to str
        Images and seconds by the library's name; and why the others are not compared.
    """
    found, missing = {}, {}
    installed = {"MRpro": bool(importlib.util.find_spec("mrpro")), "BART": bool(shutil.which("bart"))}
    for name, grid, remedy in (("MRpro", grid_by_mrpro, "pip install mrpro"), ("BART", grid_by_bart, _GET_BART)):
        if device.id >= 0:
            missing[name] = "it is compared on the CPU: --device cpu"
        elif not installed[name]:
            missing[name] = f"it is not installed: {remedy}"
        else:
            try:
                found[name] = grid(data, trajectory, matrix)
            except _FAILURES as error:  # its faults are not malibu's, and the other figures stand
                missing[name] = f"it failed: {type(error).__name__}: {shortened(error, 200)}"
    return found, missing


def grid_by_bart(data: NDArray, trajectory: NDArray, matrix: int) -> tuple[NDArray, float]:
    """``bart nufft -a``: the seconds are those of the command, with its start and its files.

    Parameters
    ----------
    data : (batch, spokes, samples) complex64
    trajectory : (spokes, samples, 2) float32
        (kx, ky) in cycles per field of view, which are BART's units.
    matrix : int
        N.

    Returns
    -------
    (batch, N, N) complex64, float
        Images and seconds.

    Raises
    ------
    subprocess.SubprocessError
        If the command fails.
    """
    spokes, samples, _ = trajectory.shape
    points = np.zeros((3, samples, spokes), dtype=np.complex64)
    points[:2] = np.moveaxis(trajectory, (2, 1, 0), (0, 1, 2))
    with tempfile.TemporaryDirectory(prefix="malibu-bart-") as name:
        folder = Path(name)
        _write_cfl(folder / "traj", points)
        _write_cfl(folder / "data", data.transpose(2, 1, 0)[None])  # the batch is BART's fourth axis, that of coils
        command = ["bart", "nufft", "-a", "-d", f"{matrix}:{matrix}:1", "traj", "data", "images"]
        start = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, capture_output=True)  # noqa: S603
        seconds = time.perf_counter() - start
        images = np.fromfile(folder / "images.cfl", np.complex64).reshape((matrix, matrix, len(data)), order="F")
    return images.transpose(2, 1, 0), seconds


def _write_cfl(path: Path, array: NDArray) -> None:
    """BART's format: dimensions in text, complex64 in column-major order."""
    path.with_suffix(".hdr").write_text("# Dimensions\n" + " ".join(map(str, array.shape)) + "\n")
    array.astype(np.complex64).ravel(order="F").tofile(path.with_suffix(".cfl"))


def grid_by_mrpro(data: NDArray, trajectory: NDArray, matrix: int) -> tuple[NDArray, float]:
    """The adjoint of MRpro's ``FourierOp``, whose scale is the orthonormal one of malibu.

    Parameters
    ----------
    data : (batch, spokes, samples) complex64
    trajectory : (spokes, samples, 2) float32
    matrix : int

    Returns
    -------
    (batch, N, N) complex64, float
        Images and seconds, after a warm-up.
    """
    torch, of_data, operators = (importlib.import_module(name) for name in ("torch", "mrpro.data", "mrpro.operators"))
    # (other, coils, k2, k1, k0): spokes lie along k1, samples along k0
    kx, ky = (torch.from_numpy(np.ascontiguousarray(trajectory[None, None, None, ..., axis])) for axis in (0, 1))
    size = of_data.SpatialDimension(1, matrix, matrix)
    k = of_data.KTrajectory(torch.zeros(1, 1, 1, 1, 1), ky, kx)
    adjoint = operators.FourierOp(recon_matrix=size, encoding_matrix=size, traj=k).adjoint
    values = torch.from_numpy(np.ascontiguousarray(data[None, :, None]))
    adjoint(values)
    start = time.perf_counter()
    (images,) = adjoint(values)
    return images.numpy().reshape(-1, matrix, matrix), time.perf_counter() - start


def versions(libraries: Iterable[str]) -> dict[str, str]:
    """Versions of libraries by the names that tables show, and of NumPy and SciPy."""
    found = {}
    for name in ("NumPy", "SciPy", "CuPy", *libraries):
        with contextlib.suppress(ImportError, AttributeError):
            found[name] = str(importlib.import_module(name.lower()).__version__)
    if "BART" in libraries:
        run = subprocess.run(["bart", "version"], check=False, capture_output=True, text=True)  # noqa: S607
        found["BART"] = run.stdout.strip() or "unknown"
    return found
