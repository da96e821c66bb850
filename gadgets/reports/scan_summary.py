"""The summary that a report begins with: what was scanned, what was resolved, how good it is, what to do."""

import html
from collections.abc import Mapping
from typing import Any

import ismrmrd
import numpy as np

from gadgets.pages.page_parts import facts_html
from gadgets.reports.verdicts import SYMBOLS, WORDS, Verdict, verdicts

_TISSUE = 0.5
"""Of the body's mean brightness: lungs and air within it, which have no T1 to tell, are darker."""

_METHODS = {
    "mdcn_unrolled": "networks and steps towards the data by turns (mdcn_unrolled)",
    "mdcn": "one network after the back-projection (mdcn)",
    "admm": "iterations on the data (ADMM)",
    "backprojection": "back-projection",
}

ByKind = Mapping[str, list[ismrmrd.Image]]


def first_of(by_kind: ByKind) -> ismrmrd.Image:
    """The first image of a slice."""
    return next(images[0] for images in by_kind.values() if images)


def scanned_facts(by_kind: ByKind) -> dict[str, str]:
    """What was scanned, by name: from headers, Meta and the times of one slice.

    Parameters
    ----------
    by_kind : mapping of str to list of ismrmrd.Image
        By the names of the series; lists may be empty.

    Returns
    -------
    dict of str to str
        What is not known is left out.
    """
    pixels = next((by_kind[kind][0] for kind in by_kind if by_kind[kind] and _is_picture(kind)), None)
    meta = first_of(by_kind).meta
    facts: dict[str, str] = {}
    if pixels is not None:
        rows, columns = pixels.data.shape[-2:]
        x_mm, y_mm, z_mm = (float(value) for value in pixels.getHead().field_of_view)
        facts["Matrix"] = f"{columns} × {rows} pixels of {x_mm / columns:.2f} × {y_mm / rows:.2f} mm"
        facts["Field of view"] = f"{x_mm:.0f} × {y_mm:.0f} mm, slice {z_mm:.3g} mm"
    facts["Readouts"] = _readouts(meta)
    facts["Duration"] = _duration(by_kind)
    facts["Coils"] = f"{meta['MalibuCoils']} virtual coils" if "MalibuCoils" in meta else ""
    facts["TR"] = f"{meta['RepetitionTimeMs']} ms" if "RepetitionTimeMs" in meta else ""
    facts["Flip angle"] = _flip_angle(by_kind)
    facts["Inversions"] = _inversions(by_kind)
    facts["Gradient delays"] = str(meta.get("MalibuGradientDelays", ""))
    facts["Pixel unit"] = str(meta.get("MalibuPixelUnit", ""))
    return {name: value for name, value in facts.items() if value}


def resolved_facts(by_kind: ByKind) -> dict[str, str]:
    """What was resolved, by name; likewise."""
    meta = first_of(by_kind).meta
    facts = {"Heartbeat": _heartbeat(by_kind), "Breathing": _breathing(by_kind), "Recovery": _recovery(by_kind)}
    facts["States"] = _states(by_kind)
    method = str(meta.get("MalibuReconstruction", ""))
    facts["Reconstruction"] = _METHODS.get(method, method)
    source = f" from {meta['MalibuTemporalSource']}" if "MalibuTemporalSource" in meta else ""
    if "MalibuTemporalModel" in meta:
        facts["Temporal model"] = f"{meta['MalibuTemporalModel']}{source}, rank {meta['MalibuRank']}"
    if "MalibuAirCleared" in meta:
        air = float(meta["MalibuAirCleared"])
        facts["Air"] = f"{air:.0%} of the pixels hold no more than noise and are set to 0 (clear_air)"
    device = meta.get("MalibuNetworkDevice", meta.get("MalibuDevice"))
    facts["Computed on"] = str(device) if device else ""
    return {name: value for name, value in facts.items() if value}


def summary_html(by_kind: ByKind) -> str:
    """Facts and verdicts of one slice."""
    uncertain = by_kind["frame_uncertainty"]
    is_calibrated = bool(uncertain) and uncertain[0].meta.get("MalibuUncertaintyCalibrated") == "yes"
    judged = verdicts(first_of(by_kind).meta, t1_deviation_share(by_kind), is_calibrated)
    cards = facts_html("What was scanned", scanned_facts(by_kind)) + facts_html(
        "What was resolved", resolved_facts(by_kind)
    )
    return f'{_lead(judged)}<div class="cards">{cards}</div><h3>Quality figures</h3>{_verdict_list(judged)}'


def t1_deviation_share(by_kind: ByKind) -> float | None:
    """Median over tissue of T1's standard deviation over T1; None where T1, its deviation or the average is missing."""
    needed = [by_kind[kind] for kind in ("t1_map", "t1_uncertainty", "time_average")]
    if not all(needed):
        return None
    t1_ms, deviation_ms, average = (np.abs(images[0].data[0, 0]).astype(float) for images in needed)
    fitted = t1_ms > 0
    if not fitted.any():
        return None
    tissue = fitted & (average > _TISSUE * average[fitted].mean())
    return float(np.median(deviation_ms[tissue] / t1_ms[tissue]))


def remarks_html(series: Mapping[int, list[ismrmrd.Image]]) -> str:
    """What a user must know before looking at anything else; empty if there is nothing."""
    said = (image.meta.get("MalibuRemarks") for images in series.values() for image in images)
    lines = [f"<p><strong>Beware:</strong> {html.escape(str(one))}</p>" for one in dict.fromkeys(said) if one]
    return f'<div class="remarks" role="note">{"".join(lines)}</div>' if lines else ""


def _lead(judged: list[Verdict]) -> str:
    by_level = {level: [one.name for one in judged if one.level == level] for level in WORDS}
    said = []
    if by_level["bad"]:
        said.append(f"Beware of: {', '.join(by_level['bad'])}.")
    if by_level["fair"]:
        said.append(f"Worth a look: {', '.join(by_level['fair'])}.")
    if by_level["good"]:
        said.append(f"{'Good' if said else 'All that is judged is good'}: {', '.join(by_level['good'])}.")
    unlimited = [f"{one.name} ({one.value})" for one in judged if one.level == "unknown" and one.value]
    if unlimited:
        said.append(f"Without a limit: {', '.join(unlimited)}.")
    return f'<p class="lead">{html.escape(" ".join(said) or "No quality figure of this scan is known.")}</p>'


def _verdict_list(judged: list[Verdict]) -> str:
    limits = "".join(
        f"<tr><td>{html.escape(one.name)}</td><td>{html.escape(one.limits)}</td><td>{html.escape(one.origin)}</td></tr>"
        for one in judged
    )
    table = f"<table><tr><th>figure</th><th>limits</th><th>where they are from</th></tr>{limits}</table>"
    return (
        f'<ul class="verdicts">{"".join(map(_verdict_line, judged))}</ul>'
        "<details><summary>Limits, and where they are from</summary>"
        f'<div class="scroll" tabindex="0" role="region" aria-label="table of limits">{table}</div></details>'
    )


def _verdict_line(one: Verdict) -> str:
    word = "no limit" if one.level == "unknown" and one.value else WORDS[one.level]
    mark = f'<span class="mark"><i aria-hidden="true">{SYMBOLS[one.level]}</i>{word}</span>'
    name, value, advice = (html.escape(text) for text in (one.name, one.value or "–", one.advice))
    advice += f' <span class="quiet">{html.escape(_limits(one))}</span>'
    cells = f'<span class="name">{name}</span><span class="value">{value}</span><span class="advice">{advice}</span>'
    return f'<li class="verdict {one.level}">{mark}{cells}</li>'


def _limits(one: Verdict) -> str:
    return "" if one.level == "unknown" and not one.value else f"({one.limits})"


def _is_picture(kind: str) -> bool:
    return kind not in ("temporal_basis", "gating")


def _readouts(meta: Mapping[str, Any]) -> str:
    if "MalibuSpokes" not in meta:
        return ""
    spokes, used = int(meta["MalibuSpokes"]), int(meta.get("MalibuSpokesUsed", meta["MalibuSpokes"]))
    said = f"{spokes:,} imaging spokes" + ("" if used == spokes else f", of which {used:,} were used")
    navigators = int(meta.get("MalibuNavigators", 0))
    return said + (f"; {navigators:,} navigators" if navigators else "; no navigators")


def _duration(by_kind: ByKind) -> str:
    if by_kind["gating"]:
        return f"{float(by_kind['gating'][0].data[0, 0, 0].max()):.1f} s, counted from the first readout"
    meta = first_of(by_kind).meta
    if "RepetitionTimeMs" not in meta or "MalibuSpokes" not in meta:
        return ""
    readouts = int(meta["MalibuSpokes"]) + int(meta.get("MalibuNavigators", 0))
    return f"{readouts * float(meta['RepetitionTimeMs']) / 1000:.1f} s of used readouts (their number times TR)"


def _flip_angle(by_kind: ByKind) -> str:
    meta = first_of(by_kind).meta
    if "FlipAngleDeg" not in meta:
        return ""
    said = f"{meta['FlipAngleDeg']}°"
    true = by_kind["t1_map"][0].meta.get("TrueFlipAngleDeg") if by_kind["t1_map"] else None
    return said if true is None or float(true) == float(meta["FlipAngleDeg"]) else f"{said}, taken as {true}° for T1"


def _times_ms(by_kind: ByKind) -> list[float]:
    recovery = by_kind["t1_recovery"] or by_kind["realtime"]
    return [float(image.meta["InversionTime"]) for image in recovery if "InversionTime" in image.meta]


def _inversions(by_kind: ByKind) -> str:
    times = _times_ms(by_kind)
    if not times:
        return "none" if str(first_of(by_kind).meta.get("MalibuTemporalModel")) == "tensor without recovery" else ""
    said = f"about every {max(times) / 1000:.2f} s"
    if by_kind["t1_map"] and "InversionEfficiency" in by_kind["t1_map"][0].meta:
        said += f", efficiency {float(by_kind['t1_map'][0].meta['InversionEfficiency']):.2f} (fitted)"
    return said


def _is_unresolved(by_kind: ByKind, motion: str) -> bool:
    return motion in str(first_of(by_kind).meta.get("MalibuUnresolved", "")).split()


def _heartbeat(by_kind: ByKind) -> str:
    meta = first_of(by_kind).meta
    if _is_unresolved(by_kind, "heartbeat"):
        return "not resolved: images average over it"
    if "MalibuHeartRatePerMinute" not in meta:
        return ""
    beats, ectopic = int(meta["MalibuBeats"]), int(meta["MalibuEctopicBeats"])
    return f"{float(meta['MalibuHeartRatePerMinute']):.0f} per minute, {beats} beats, {ectopic} of them ectopic"


def _breathing(by_kind: ByKind) -> str:
    if _is_unresolved(by_kind, "respiration"):
        return "not resolved: images average over it"
    states = len(by_kind["respiratory"])
    if states:
        return f"{states} states, by displacement"
    return "resolved" if "MalibuUnresolved" in first_of(by_kind).meta else ""


def _recovery(by_kind: ByKind) -> str:
    times = _times_ms(by_kind) if by_kind["t1_recovery"] else []
    if not times:
        return ""
    return f"{min(times):.0f} to {max(times):.0f} ms after the inversion, shown at {len(times)} times"


def _states(by_kind: ByKind) -> str:
    """How many states the temporal model tells apart, where it has axes to count."""
    cardiac, respiratory = max(1, len(by_kind["cine_bright"])), max(1, len(by_kind["respiratory"]))
    pulses = max((int(image.meta.get("PulsesSinceInversion", 0)) for image in by_kind["t1_recovery"]), default=0) + 1
    if "MalibuUnresolved" not in first_of(by_kind).meta:
        return ""
    said = f"{cardiac} cardiac × {respiratory} respiratory"
    return said + (f", each at any of {pulses:,} pulses after the inversion" if pulses > 1 else "")
