"""Scans without inversions or navigators, and scans with a given temporal basis: what is possible, and what is not."""

import logging
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gadgets.errors import ParameterError
from gadgets.mrd.files import read_images
from gadgets.multitasking.parameters import MultitaskingParameters
from gadgets.multitasking.series import SERIES
from gadgets.multitasking.timing import Timing
from recon.errors import DataError
from recon.multitasking.scan import Timeline
from recon.multitasking.temporal_basis import has_inversions
from recon.temporal.plain import SETTLING_S

log = logging.getLogger(__name__)


def inverts(timing: Timing, has_navigators: bool) -> bool:
    """Whether a slice's readouts follow inversions from which T1 can be told."""
    timeline = Timeline(timing.time_s, timing.excitation, timing.period)
    return has_inversions(timeline, timing.sequence, has_navigators)


def check_wishes(
    number: int, readouts: int, has_navigators: bool, is_inverting: bool, parameters: MultitaskingParameters
) -> None:
    """Refuse what a scan without navigators or inversions cannot give, before it is reconstructed.

    Parameters
    ----------
    number : int
        Slice.
    readouts : int
    has_navigators, is_inverting : bool
    parameters : MultitaskingParameters

    Raises
    ------
    DataError
        If navigators are missing by a rule that finds some in other scans, if the tensor of a scan with inversions has
        no navigators, or if images or inversion times were set that need inversions.
    """
    models_motion = parameters.temporal_model == "tensor" and parameters.basis is None
    if not has_navigators:
        none_found = (
            f"slice {number}: none of {readouts} readouts is a navigator by the rule navigator={parameters.navigator}"
        )
        if parameters.navigator in ("every_nth", "zero_angle"):
            raise DataError(f"{none_found}; correct the rule, or set navigator=none for a scan without navigators")
        if is_inverting and models_motion:
            raise DataError(
                f"{none_found}, and the scan has inversions: without navigators, motion and T1 recovery cannot be told "
                "apart. Set navigator to every_nth or zero_angle if the sequence flags none; else set "
                "temporal_model=realtime, or inversion_counter=none if the sequence does not invert"
            )
    if is_inverting:
        return
    wanted = [
        kind for kind in parameters.images if "images" in parameters.model_fields_set and SERIES[kind].needs_recovery
    ]
    wanted += [name for name in ("bright_blood_ti_ms", "dark_blood_ti_ms") if getattr(parameters, name) is not None]
    if wanted and models_motion:
        raise DataError(
            f"slice {number}: the scan has no inversions, so that {', '.join(wanted)} cannot be given; leave them out, "
            "or say what counts the inversions by inversion_counter or readouts_per_inversion, and ti_ms"
        )


def settled(time_s: NDArray, parameters: MultitaskingParameters) -> NDArray[np.bool_]:
    """Readouts of a scan without inversions that are used: for the tensor, those near the steady state.

    Parameters
    ----------
    time_s : (readouts,) float64
    parameters : MultitaskingParameters
        ``skip_inversions=0`` keeps all; so do other temporal models, which follow the approach to the steady state.

    Returns
    -------
    (readouts,) bool
        No more than half of the readouts are dropped.
    """
    everything = np.ones(len(time_s), dtype=bool)
    if parameters.temporal_model != "tensor" or not parameters.skip_inversions:
        return everything
    keep = time_s >= time_s[0] + SETTLING_S
    if 2 * np.count_nonzero(keep) < len(keep):
        log.warning("the scan is short: readouts before the steady state are kept")
        return everything
    dropped = np.count_nonzero(~keep)
    log.info("%d readouts of the first %g s are dropped: not in the steady state", dropped, SETTLING_S)
    return keep


def remarks_on(has_navigators: bool, is_inverting: bool, parameters: MultitaskingParameters) -> list[str]:
    """What a user of the images must know."""
    remarks = []
    if not has_navigators:
        remarks.append("no navigators: motion is seen in low-resolution images of a sliding window")
    if not is_inverting and (not has_navigators or parameters.temporal_model == "tensor"):
        remarks.append("no inversions: T1, T1 recovery and dark blood are not known")
    return remarks


def given_basis(parameters: MultitaskingParameters, number: int, keep: NDArray) -> NDArray | None:
    """Read the temporal basis that the parameters give.

    Parameters
    ----------
    parameters : MultitaskingParameters
    number : int
        Slice.
    keep : (spokes,) bool
        Imaging spokes that are used.

    Returns
    -------
    (L, used spokes) array or None
        Columns of spokes that are not used are left out, if the file has those.

    Raises
    ------
    ParameterError
        If the file cannot be read.
    """
    if parameters.basis is None:
        return None
    path = Path(parameters.basis)
    basis = _from_images(path, number) if path.suffix == ".h5" else _from_array(path)
    if basis.ndim == 2 and basis.shape[1] == len(keep):
        return basis[:, keep]
    return basis


def _from_array(path: Path) -> NDArray:
    try:
        loaded = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ParameterError(f"basis: {path} cannot be read: {error}; give a .npy of (rank, spokes)") from error
    if not isinstance(loaded, np.ndarray):
        raise ParameterError(f"basis: {path} holds several arrays; give a .npy of one, (rank, spokes)")
    return loaded


def _from_images(path: Path, number: int) -> NDArray:
    series = SERIES["temporal_basis"].number
    for image in read_images(path).get(series, []):
        if image.slice == number:
            return np.asarray(image.data[0, 0])
    raise ParameterError(f"basis: {path} has no temporal basis (series {series}) of slice {number}")
