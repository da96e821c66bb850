"""A spatial factor beside the truth of its simulated scan."""

import logging
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from gadgets.evaluation.truth import Truth, seen_truth
from gadgets.multitasking.parameters import MultitaskingParameters
from gadgets.multitasking.problem import Posed
from gadgets.multitasking.readouts import SliceReadouts
from gadgets.multitasking.selection import bright_blood_pulse, dark_blood_pulse
from recon.quality.metrics import Quality, quality
from recon.spatial.frames import frames

log = logging.getLogger(__name__)


def cine_quality(
    factor: NDArray, true_factor: NDArray, posed: Posed, parameters: MultitaskingParameters
) -> tuple[Quality | None, Quality | None]:
    """Compare the bright- and the dark-blood cardiac cycle of two spatial factors; None without a heartbeat.

    Parameters
    ----------
    factor, true_factor : (L, N, N) complex64
    posed : Posed
    parameters : MultitaskingParameters

    Returns
    -------
    Quality or None, Quality or None
    """
    model, found = posed.temporal.model, []
    if model is None or model.gating.beats is None:
        return None, None
    phases, state = np.arange(len(model.tensor.cardiac)), np.array(model.end_expiration)
    for pulse in (
        bright_blood_pulse(posed.temporal.imaging, model, parameters),
        dark_blood_pulse(posed.temporal.imaging, model, parameters, None),
    ):
        phi = model.tensor.cells(*np.broadcast_arrays(phases, state, np.array(pulse))).astype(np.float32)
        found.append(quality(np.abs(frames(factor, phi)), np.abs(frames(true_factor, phi))))
    return found[0], found[1]


def known_truth(posed: Posed, readouts: SliceReadouts, path: Path) -> Truth | None:
    """Read the truth of a simulated scan, as the reconstruction sees it.

    Parameters
    ----------
    posed : Posed
    readouts : SliceReadouts
    path : Path
        Truth file.

    Returns
    -------
    Truth or None
        None if there is no such file, or it has another matrix.
    """
    if not path.is_file():
        log.info("no %s: nothing is compared with the truth", path.name)
        return None
    with h5py.File(path) as file:
        images, maps, readout = file["images"][:], file["coil_maps"][:], file["image_readout"][:]
    if images.shape[-1] != posed.problem.matrix:
        log.warning("the truth has another matrix (%d): nothing is compared with it", images.shape[-1])
        return None
    return seen_truth(posed, readouts, images, maps, readout)
