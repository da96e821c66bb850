"""Which readouts of a measurement belong to the image, slice by slice and in the order of acquisition."""

import logging
from dataclasses import dataclass

import ismrmrd
import numpy as np
from numpy.typing import NDArray

from gadgets.mrd.headers.roles import Roles, Rules, roles_of
from gadgets.mrd.intake.store import StoredReadouts
from recon.errors import DataError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Selected:
    """The readouts of a measurement that are used.

    Attributes
    ----------
    slices : dict of int to StoredReadouts
        Imaging readouts and navigators by slice index, each in the order of acquisition.
    counters : dict of int to (readouts,) int64
        Their scan counters, less those of dropped echoes, which are no excitations of their own.
    roles : Roles
        How they were chosen.
    """

    slices: dict[int, StoredReadouts]
    counters: dict[int, NDArray[np.int64]]
    roles: Roles


def selected_readouts(readouts: StoredReadouts, rules: Rules) -> Selected:
    """Choose the readouts that belong to the image, and say what is not used.

    Parameters
    ----------
    readouts : StoredReadouts
        All but noise, in the order of arrival.
    rules : Rules
        What was set of the rule; see :func:`gadgets.mrd.headers.roles.roles_of`.

    Returns
    -------
    Selected

    Raises
    ------
    DataError
        If none is an imaging readout, if they differ in length or coils, or come from several measurements.
    """
    heads = readouts.heads
    roles = roles_of(heads, rules)
    for name, count in roles.dropped.items():
        log.warning("%d readouts of kind %s are not used", count, name)
    for note in roles.notes:
        log.info(note)
    rows = np.flatnonzero(roles.used)
    uids = np.unique(heads["measurement_uid"][rows])
    if len(uids) > 1:
        raise DataError(
            f"readouts of {len(uids)} measurements are mixed (measurement_uid {', '.join(map(str, uids[:4]))}); "
            "send or convert one measurement at a time"
        )
    ordered = rows[_order(heads["scan_counter"][rows])]
    shape = readouts[rows[0]].data.shape
    differs = (heads["active_channels"] != shape[0]) | (heads["number_of_samples"] != shape[1])
    for row in ordered[differs[ordered]][:1]:
        check_shape(readouts[row], shape)
    number = heads["idx"]["slice"][ordered]
    of_slice = {int(one): ordered[number == one] for one in np.unique(number)}
    excited = _without_echoes(heads["scan_counter"], roles)
    slices = {one: readouts.at(mine) for one, mine in of_slice.items()}
    return Selected(slices, {one: excited[mine] for one, mine in of_slice.items()}, roles)


def _without_echoes(counters: NDArray, roles: Roles) -> NDArray[np.int64]:
    """Scan counters as if dropped echoes had none, unless echoes share the counter of their excitation anyway."""
    wide = counters.astype(np.int64)
    echoes = np.sort(wide[roles.other_echoes])
    if not len(echoes) or np.isin(wide[roles.used], echoes).any():
        return wide
    return wide - np.searchsorted(echoes, wide)


def _order(counters: NDArray) -> NDArray:
    """Order of acquisition: that of the scan counters where each readout has its own, else that of arrival."""
    increasing = np.arange(len(counters))
    wide = counters.astype(np.int64)
    if len(np.unique(wide)) < len(wide) or np.all(np.diff(wide) > 0):
        return increasing
    log.warning("readouts arrived in another order than their scan counters have: they are put in that order")
    return np.argsort(wide, kind="stable")


def check_shape(readout: ismrmrd.Acquisition, expected: tuple[int, ...]) -> None:
    """Refuse a readout of another number of coils or samples than those before it.

    Raises
    ------
    DataError
    """
    shape = readout.data.shape
    if shape != expected:
        raise DataError(
            f"the readout with scan counter {readout.scan_counter} has {shape[0]} coils of {shape[1]} samples, those "
            f"before it {expected[0]} of {expected[1]}; send one encoding per measurement, or set encoding_space"
        )
