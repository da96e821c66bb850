"""Times of MRD: ISMRMRD v1 and MRD up to 2.1 count ticks, MRD 2.2 nanoseconds.

Versions up to 2.1 take v1's counts as they are (`acquisitionTimeStamp`, `sampleTimeUs`); 2.2 renamed these fields
(`acquisitionTimeStampNs`, `sampleTimeNs`), so that a field's name says its unit. v1 names no unit for its time stamps;
those of scanners count 2.5 ms, which malibu's reader measures against TR anyway.
"""

from collections.abc import Sequence
from typing import Any

from gadgets.consoles.mrd2.said_once import Losses

TICK_NS = 2_500_000
"""Nanoseconds of a tick of ISMRMRD v1's time stamps."""

_WRAPS_AT = 2**32


def ticks(record: dict[str, Any], name: str, losses: Losses) -> int:
    """Time stamp in ticks; 0 where there is none."""
    if name in record:
        return record[name] or 0
    return _ticks(record.get(f"{name}Ns") or 0, losses)


def many_ticks(record: dict[str, Any], name: str, losses: Losses) -> list[int]:
    """Time stamps in ticks."""
    if name in record:
        return list(record[name])
    return [_ticks(value, losses) for value in record.get(f"{name}Ns", ())]


def _ticks(value_ns: int, losses: Losses) -> int:
    if value_ns % TICK_NS:
        losses.say("time stamps are rounded to 2.5 ms, the ticks of ISMRMRD v1")
    count = (value_ns + TICK_NS // 2) // TICK_NS
    if count >= _WRAPS_AT:
        losses.say("time stamps beyond 2^32 ticks of 2.5 ms, which ISMRMRD v1 does not hold, start again at 0")
    return count % _WRAPS_AT


def both_stamps(name: str, value: int | Sequence[int]) -> dict[str, Any]:
    """A time stamp, or several, under the name of either unit: a schema takes the one that it knows."""
    if isinstance(value, int):
        return {name: value, f"{name}Ns": value * TICK_NS}
    return {name: value, f"{name}Ns": [count * TICK_NS for count in value]}


def sample_time_us(record: dict[str, Any]) -> float:
    """Time between two samples; 0 where there is none."""
    if "sampleTimeUs" in record:
        return record["sampleTimeUs"] or 0.0
    return (record.get("sampleTimeNs") or 0) / 1000


def both_sample_times(value_us: float, counts_ns: bool, losses: Losses) -> dict[str, Any]:
    """Time between two samples under the name of either unit.

    Parameters
    ----------
    value_us : float
    counts_ns : bool
        Whether the schema will take whole nanoseconds.
    losses : Losses
    """
    value_ns = round(value_us * 1000)
    if counts_ns and abs(value_us * 1000 - value_ns) > 1e-6 * value_us * 1000:
        losses.say("sample times are rounded to whole nanoseconds, as MRD 2.2 has them")
    return {"sampleTimeUs": value_us, "sampleTimeNs": value_ns}
