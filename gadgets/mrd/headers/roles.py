"""What each readout is for: one rule over flags and counters, for a stream, a file and `malibu info` alike."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Protocol

import ismrmrd
import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BeforeValidator, Field

from gadgets.configuration import StreamParameters, as_list
from recon.errors import DataError

HEAD_DTYPE = np.dtype(ismrmrd.AcquisitionHeader)
"""NumPy's view of an acquisition header; the heads of a file have the same names."""

NOT_IMAGING = {
    "ACQ_IS_DUMMYSCAN_DATA": "dummy",
    "ACQ_IS_PARALLEL_CALIBRATION": "parallel calibration",
    "ACQ_IS_PHASECORR_DATA": "phase correction",
    "ACQ_IS_HPFEEDBACK_DATA": "feedback",
    "ACQ_IS_RTFEEDBACK_DATA": "real-time feedback",
    "ACQ_IS_SURFACECOILCORRECTIONSCAN_DATA": "surface coil correction",
    "ACQ_IS_PHASE_STABILIZATION_REFERENCE": "phase stabilisation reference",
    "ACQ_IS_PHASE_STABILIZATION": "phase stabilisation",
}
"""Flags of readouts that are no part of the image, and what they are called."""

_COMPRESSED = ("ACQ_COMPRESSION1", "ACQ_COMPRESSION2", "ACQ_COMPRESSION3", "ACQ_COMPRESSION4")

# Converters set it on the lines that are to be corrected as well as on the scan that corrects them.
_ON_EVERY_LINE = "ACQ_IS_SURFACECOILCORRECTIONSCAN_DATA"


def _named_flags(names: tuple[str, ...]) -> tuple[str, ...]:
    """Take flags by ISMRMRD's names, in any case and without ``ACQ_IS_`` too.

    Raises
    ------
    ValueError
        If a flag is not one of :data:`NOT_IMAGING`.
    """
    known = {flag.lower(): flag for flag in NOT_IMAGING} | {flag[7:].lower(): flag for flag in NOT_IMAGING}
    for name in names:
        if name.lower() not in known:
            raise ValueError(f"{name} is none of {', '.join(NOT_IMAGING)}")
    return tuple(known[name.lower()] for name in names)


class ReadoutParameters(StreamParameters):
    """Parameters of every gadget that takes readouts."""

    ignore_flags: Annotated[tuple[str, ...], BeforeValidator(as_list), AfterValidator(_named_flags)] = Field(
        (), description="flags that say nothing here, by ISMRMRD's names: readouts that have them are imaging readouts"
    )
    encoding_space: int | None = Field(
        None, ge=0, description="encoding space to reconstruct; default: the only one, or the first"
    )
    set_index: int | None = Field(None, ge=0, description="set (idx.set) of raw scans to reconstruct; default: all")


class Rules(Protocol):
    """What a user may set of the rule; the gadgets' parameters do."""

    @property
    def ignore_flags(self) -> tuple[str, ...]:
        """Flags, by ISMRMRD's names, that say nothing."""

    @property
    def encoding_space(self) -> int | None:
        """Encoding space that is reconstructed; None: the only one, or the first."""

    @property
    def contrast(self) -> int | None:
        """Contrast (echo) that is reconstructed; None: all."""

    @property
    def set_index(self) -> int | None:
        """Set (such as a flow encoding) that is reconstructed; None: all."""


@dataclass(frozen=True)
class DefaultRules:
    """The rule as it is when nobody sets anything."""

    ignore_flags: tuple[str, ...] = ()
    encoding_space: int | None = None
    contrast: int | None = None
    set_index: int | None = None


@dataclass
class Roles:
    """What each of some readouts is for.

    Attributes
    ----------
    noise, navigator, imaging : (readouts,) bool
        ``navigator`` is by flag; ``imaging`` are all others that belong to the image.
    dropped : dict of str to int
        Readouts of kinds that are not used, with their count.
    encoding_space : int
        Index of the encoding in the header.
    notes : list of str
        Decisions that a user should know of.
    other_echoes : (readouts,) bool
        Those that were dropped for their contrast: their excitation is that of another readout.
    """

    noise: NDArray[np.bool_]
    navigator: NDArray[np.bool_]
    imaging: NDArray[np.bool_]
    dropped: dict[str, int] = field(default_factory=dict)
    encoding_space: int = 0
    notes: list[str] = field(default_factory=list)
    other_echoes: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))

    @property
    def used(self) -> NDArray[np.bool_]:
        """Imaging readouts and navigators."""
        return self.navigator | self.imaging


def head_bytes(readout: ismrmrd.Acquisition) -> bytes:
    """Copy the head of a readout; ismrmrd's own ``getHead`` copies field by field, which takes as long as the rest."""
    head = getattr(readout, "_head", None)
    return bytes(readout.getHead() if head is None else head)


def heads_of(readouts: Sequence[ismrmrd.Acquisition]) -> NDArray:
    """Heads of readouts as one structured array, by the names of ISMRMRD's fields."""
    return np.frombuffer(b"".join(map(head_bytes, readouts)), dtype=HEAD_DTYPE)


def is_flagged(heads: NDArray, name: str) -> NDArray[np.bool_]:
    """Whether each readout has a flag, such as ``ACQ_IS_NOISE_MEASUREMENT``."""
    return (heads["flags"] & np.uint64(1 << (getattr(ismrmrd, name) - 1))) != 0  # flags count from 1, bits from 0


def roles_of(heads: NDArray, rules: Rules) -> Roles:
    """Decide what each readout is for.

    A readout is noise if flagged so. It is dropped for a flag of :data:`NOT_IMAGING` that is not ignored, except that

    - a navigator may be flagged as real-time feedback too: Siemens has one bit for both;
    - calibration lines that are imaging lines as well (``ACQ_IS_PARALLEL_CALIBRATION_AND_IMAGING``) are kept;
    - surface coil correction drops nothing if all imaging readouts have it.

    Of several encoding spaces or contrasts one is kept; navigators that have only another contrast are kept.

    Parameters
    ----------
    heads : (readouts,) structured array
        Fields of ISMRMRD's acquisition header.
    rules : Rules
        What was set.

    Returns
    -------
    Roles

    Raises
    ------
    DataError
        If readouts came and none of them belongs to the image, or not the encoding space or contrast that was set.
    """
    noise = is_flagged(heads, "ACQ_IS_NOISE_MEASUREMENT")
    navigator = is_flagged(heads, "ACQ_IS_NAVIGATION_DATA") & ~noise
    roles = Roles(noise, navigator, ~noise & ~navigator)
    for flag, name in NOT_IMAGING.items():
        if flag not in rules.ignore_flags:
            _drop(roles, _flagged_away(heads, flag, roles), name)
    if not roles.used.any():
        raise DataError(_nothing_left(roles, heads))
    roles.encoding_space = _keep_one(roles, heads["encoding_space_ref"], rules.encoding_space, "encoding_space")
    before = roles.used
    if rules.contrast is not None:
        _keep_one(roles, heads["idx"]["contrast"], rules.contrast, "contrast")
    roles.other_echoes = before & ~roles.used
    if rules.set_index is not None:
        _keep_one(roles, heads["idx"]["set"], rules.set_index, "set_index")
    _refuse_compressed(heads[roles.used])
    return roles


def _refuse_compressed(heads: NDArray) -> None:
    for flag in _COMPRESSED:
        if is_flagged(heads, flag).any():
            raise DataError(f"readouts are flagged {flag}: their samples are compressed; decompress them upstream")


def _flagged_away(heads: NDArray, flag: str, roles: Roles) -> NDArray[np.bool_]:
    flagged = is_flagged(heads, flag) & roles.used
    if flag == "ACQ_IS_RTFEEDBACK_DATA":
        return flagged & ~roles.navigator
    if flag == "ACQ_IS_PARALLEL_CALIBRATION":
        return flagged & ~is_flagged(heads, "ACQ_IS_PARALLEL_CALIBRATION_AND_IMAGING")
    if flag == _ON_EVERY_LINE and flagged[roles.imaging].all() and roles.imaging.any():
        roles.notes.append(f"all imaging readouts are flagged {flag}: it tells nothing apart and is passed over")
        return np.zeros_like(flagged)
    return flagged


def _drop(roles: Roles, rows: NDArray[np.bool_], name: str) -> None:
    count = int(np.count_nonzero(rows))
    if count:
        roles.dropped[name] = roles.dropped.get(name, 0) + count
        roles.navigator &= ~rows
        roles.imaging &= ~rows


def _keep_one(roles: Roles, values: NDArray, wanted: int | None, parameter: str) -> int:
    known = np.unique(values[roles.imaging if roles.imaging.any() else roles.navigator])
    if wanted is None or (wanted == 0 and 0 not in known and len(known) == 1):  # 0 is what a default asks for
        wanted = int(known[0])
    if wanted not in known:
        raise DataError(
            f"no imaging readout has {parameter} {wanted}; it counts {', '.join(map(str, known[:8]))}: "
            f"set {parameter} to one of them"
        )
    other = roles.imaging & (values != wanted)
    if (values[roles.navigator] == wanted).any():
        other |= roles.navigator & (values != wanted)
    _drop(roles, other, f"{parameter} other than {wanted}")
    return wanted


def _nothing_left(roles: Roles, heads: NDArray) -> str:
    noise = int(np.count_nonzero(roles.noise))
    what = [f"{count} {name}" for name, count in (roles.dropped | ({"noise": noise} if noise else {})).items()]
    flags = [flag for flag, name in NOT_IMAGING.items() if name in roles.dropped]
    remedy = f"; if these are imaging readouts, set ignore_flags={' '.join(flags)}" if flags else ""
    return f"no imaging readouts among the {len(heads)} that came ({', '.join(what) or 'none'}){remedy}"
