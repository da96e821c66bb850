"""Replays through a gadget, and scans that a test may spoil."""

import importlib.util
from pathlib import Path

import h5py
import ismrmrd
import numpy as np
import pytest

from gadgets.configuration import configuration_of
from gadgets.mrd.files import ScanFile, read_images
from gadgets.mrd.replay import Progress, configuration_message, hosted, replay

ROOT = Path(__file__).parents[2]
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
SHIPPED_XML = (ROOT / "configs/xml/multitasking.xml").read_text()


def replay_here(scan: Path, output: Path, **overrides: str) -> dict[int, list[ismrmrd.Image]]:
    """Replay a file through the gadget with the shipped configuration; return the images by series.

    Unless a test asks for the network, the back-projection is taken: its gain and geometry are known.
    """
    from gadgets.multitasking.gadget import MultitaskingGadget

    overrides = {"reconstruction": "backprojection"} | overrides
    element = configuration_of(SHIPPED_XML, "MultitaskingGadget")
    with ScanFile(scan) as file, hosted(MultitaskingGadget()) as sock:
        replay(file, output, configuration_message(element, overrides), sock, 120.0, Progress())
    return read_images(output)


def rewrite_readouts(path: Path, change) -> None:
    """Apply ``change(row number, HDF5 record)`` to every readout record of a file."""
    with h5py.File(path, "r+") as file:
        records = file["dataset/data"][:]
        for number, record in enumerate(records):
            change(number, record)
        file["dataset/data"][:] = records


def whitened_shading(truth: h5py.File) -> np.ndarray:
    """Root sum of squares of the coil maps after prewhitening: the shading that unit coil maps leave in the image."""
    whitening = np.linalg.inv(np.linalg.cholesky(truth["noise_covariance"][:]))
    return np.linalg.norm(np.einsum("ij,jyx->iyx", whitening, truth["coil_maps"][:]), axis=0)
