"""The trajectory that the gradients played out, and how far the one that is used is from what the spokes tell."""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from recon.errors import DataError
from recon.multitasking.scan import RadialScan
from recon.readouts.gradient_delays import (
    LARGEST_DELAY,
    MOST_SPOKES,
    SIGNIFICANT,
    GradientDelays,
    corrected_trajectory,
    estimate_delays,
    what_hinders,
)
from recon.readouts.noise import apply_to_coils

log = logging.getLogger(__name__)

DELAY_LIMIT = 0.5
"""Samples of a delay that nothing corrects, above which a scan is spoiled: at a readout oversampling of two, they turn
the phase at the edge of the field of view by 45°."""

_NONE = GradientDelays(0.0, 0.0, 0.0, (0.0, 0.0, 0.0))


@dataclass(frozen=True)
class PlayedOut:
    """What takes the scan's trajectory to the one that the gradients played out.

    Attributes
    ----------
    correct : callable
        ``(spokes, samples, 2)`` float32 → the same.
    said : str
        What was found and done, for people.
    left_samples : float
        Largest delay that the spokes tell and that is not corrected: 0 within four standard errors, and nan where the
        spokes tell nothing, or four standard errors are above :data:`DELAY_LIMIT`.
    """

    correct: Callable[[NDArray], NDArray]
    said: str
    left_samples: float


def played_out(scan: RadialScan, to_coils: NDArray, setting: str) -> PlayedOut:
    """Find the delays of the gradients, or take those that are set and compare them with the spokes.

    Parameters
    ----------
    scan : RadialScan
    to_coils : (virtual coils, coils) complex64
    setting : str
        ``auto``, ``off``, or ``"sx sxy sy"`` in samples.

    Returns
    -------
    PlayedOut

    Raises
    ------
    DataError
        If the delays that are set are too large to be some.
    """
    if setting not in ("auto", "off"):
        return _as_set(_known(setting), f"{setting} (set)", _told(scan, to_coils)[0])
    found, obstacle = _told(scan, to_coils)
    if setting == "off":
        return _as_set(_NONE, "off", found)
    if found is None:
        return PlayedOut(_unchanged, obstacle, math.nan)
    if not found.significant:
        log.info("no gradient delays: %s", found)
        return PlayedOut(_unchanged, f"{found}, left alone", _left(found))
    log.info("gradient delays corrected: %s", found)
    return PlayedOut(partial(corrected_trajectory, delays=found), f"{found}, corrected", 0.0)


def _known(setting: str) -> GradientDelays:
    sx, sxy, sy = map(float, setting.split())
    if max(abs(sx), abs(sxy), abs(sy)) > LARGEST_DELAY:
        raise DataError(f"gradient_delays = {setting!r}: delays are samples, and at most {LARGEST_DELAY:g}")
    log.info("gradient delays as set: sx=%g sxy=%g sy=%g samples", sx, sxy, sy)
    return GradientDelays(sx, sxy, sy, (0.0, 0.0, 0.0))


def _as_set(used: GradientDelays, said: str, found: GradientDelays | None) -> PlayedOut:
    """What was set wins over what the spokes tell; that they disagree is said."""
    correct = _unchanged if used is _NONE else partial(corrected_trajectory, delays=used)
    if found is None:
        return PlayedOut(correct, said, math.nan)
    apart = GradientDelays(found.sx - used.sx, found.sxy - used.sxy, found.sy - used.sy, found.standard_errors)
    if not apart.significant:
        return PlayedOut(correct, said, _left(apart))
    left = _left(apart)
    text = "gradient_delays is %s, but the spokes tell %s: gradient_delays=auto would correct them"
    log.log(logging.WARNING if left > DELAY_LIMIT else logging.INFO, text, said, found)
    return PlayedOut(correct, f"{said}, but the spokes tell {found}", left)


def _told(scan: RadialScan, to_coils: NDArray) -> tuple[GradientDelays | None, str]:
    """Delays as the spokes tell them, or why they do not."""
    pulse = scan.imaging.timeline.pulse
    steady = np.flatnonzero(pulse >= np.median(pulse))[-MOST_SPOKES:]  # the contrast changes most after inversions
    obstacle = what_hinders(scan.trajectory[steady])
    if obstacle:
        return None, f"not estimated: {obstacle}"
    delays = estimate_delays(apply_to_coils(to_coils, scan.imaging.kspace[steady]), scan.trajectory[steady])
    if not delays.plausible:
        log.warning("gradient delays could not be estimated")
        return None, "not found"
    return delays, ""


def _left(delays: GradientDelays) -> float:
    if delays.significant:
        return max(abs(delays.sx), abs(delays.sxy), abs(delays.sy))
    return 0.0 if SIGNIFICANT * max(delays.standard_errors) < DELAY_LIMIT else math.nan


def _unchanged(trajectory: NDArray) -> NDArray:
    return trajectory
