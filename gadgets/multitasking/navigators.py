"""Which readouts of a slice are navigators, and whether these share the angle that they must share."""

import numpy as np
from numpy.typing import NDArray

from gadgets.mrd.headers.roles import is_flagged
from gadgets.mrd.intake.store import StoredReadouts
from gadgets.multitasking.parameters import MultitaskingParameters
from recon.errors import DataError
from recon.readouts.clock import excitations_of_scan

_SAME_ANGLE_DEG = 0.5
"""Navigators further apart see different projections; exported trajectories of equal spokes differ by rounding."""

_ZERO_ANGLE = 1e-3
"""Sine of the largest angle of a spoke at 0 or 180 degrees: a twentieth of a degree."""


def find_navigators(readouts: StoredReadouts, parameters: MultitaskingParameters) -> NDArray[np.bool_]:
    """Find the navigators of one slice by the rule that is set.

    Parameters
    ----------
    readouts : StoredReadouts
        Imaging readouts and navigators, in the order of acquisition.
    parameters : MultitaskingParameters

    Returns
    -------
    (readouts,) bool

    Raises
    ------
    DataError
        If the rule needs a trajectory and there is none, or the navigators do not share an angle.
    """
    is_navigator = _by_rule(readouts, readouts.heads, parameters)
    _check_angle(readouts.at(np.flatnonzero(is_navigator)), parameters)
    return is_navigator


def _by_rule(readouts: StoredReadouts, heads: NDArray, parameters: MultitaskingParameters) -> NDArray[np.bool_]:
    if parameters.navigator == "none":
        return np.zeros(len(readouts), dtype=bool)
    if parameters.navigator == "flag":
        return is_flagged(heads, "ACQ_IS_NAVIGATION_DATA")
    if parameters.navigator == "every_nth":
        index = excitations_of_scan(heads["scan_counter"]) - parameters.navigator_offset
        return (index >= 0) & (index % parameters.navigator_every == 0)
    if np.any(heads["trajectory_dimensions"] < 2):
        raise DataError("navigator=zero_angle needs a trajectory, and the readouts carry none; use every_nth")
    along, across = _ends(readouts).T
    level = np.abs(across) < _ZERO_ANGLE * np.abs(along)
    backwards = level & (along < 0)  # of both directions the commoner one: the other is a spoke that came near
    return level & (backwards if 2 * np.count_nonzero(backwards) > np.count_nonzero(level) else ~backwards)


def _ends(readouts: StoredReadouts) -> NDArray[np.float64]:
    """(readouts, 2): from the first to the last sample of each."""
    first, last = (readouts.trajectory(slice(2), samples=place)[:, 0] for place in (slice(1), slice(-1, None)))
    return (last - first).astype(np.float64)


def _check_angle(navigators: StoredReadouts, parameters: MultitaskingParameters) -> None:
    measured = navigators.at(np.flatnonzero(navigators.heads["trajectory_dimensions"] >= 2))
    if not len(measured):
        return
    x, y = _ends(measured).T
    moving = np.hypot(x, y) > 0  # some sequences export no trajectory for navigators: all zeros
    angle_deg = np.rad2deg(np.angle((x + 1j * y)[moving]))
    if not len(angle_deg):
        return
    apart_deg = np.abs((angle_deg - angle_deg[0] + 180) % 360 - 180)
    different = int(np.count_nonzero(apart_deg > _SAME_ANGLE_DEG))
    if different:
        raise DataError(
            f"{different} of {len(navigators)} navigators lie at another angle than the first, by up to "
            f"{apart_deg.max():.1f} degrees: navigators must all be measured at one angle and in one direction. Check "
            f"the rule navigator={parameters.navigator} (flag, every_nth with navigator_every and navigator_offset, "
            "zero_angle, or none for scans without navigators)"
        )
