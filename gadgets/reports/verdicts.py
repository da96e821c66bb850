"""What the quality figures of a reconstruction mean: one table of limits, where each is from, and what to do.

A figure without a limit that was measured or that the code has is shown and not judged.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Meta = Mapping[str, Any]

WORDS = {"good": "good", "fair": "look", "bad": "beware", "unknown": "not known"}
"""The word that stands beside each colour."""

SYMBOLS = {"good": "✓", "fair": "!", "bad": "✕", "unknown": "?"}
"""The sign that stands beside each colour."""


@dataclass(frozen=True)
class Rule:
    """One quality figure.

    Attributes
    ----------
    name : str
    key : str
        Of Meta; the first that the figure is made of.
    read : callable
        The figure from Meta; None where Meta does not hold it, nan where it does not apply.
    fair_from, bad_from : float or None
        Limits: the figure is good on one side of the first, and bad beyond the second; none: there is no such limit.
    is_better_high : bool
        Whether high figures are good ones. A figure at a limit belongs to the better side.
    show : callable
        The figure as text.
    fair, bad : str
        What to do then.
    origin, absent : str
        Where the limits are from, and when the figure is known.
    motion : str
        Name in ``MalibuUnresolved`` of the motion that it judges: unresolved, it is bad, whatever its figure.
    """

    name: str
    key: str
    read: Callable[[Meta, str], float | None]
    fair_from: float | None
    bad_from: float | None
    is_better_high: bool
    show: Callable[[float], str]
    fair: str
    bad: str
    origin: str
    absent: str
    motion: str = ""

    @property
    def limits(self) -> str:
        """The limits as text."""
        sign, other = ("≥", "<") if self.is_better_high else ("≤", ">")
        said = [] if self.fair_from is None else [f"good {sign} {self.show(self.fair_from)}"]
        said += [] if self.bad_from is None else [f"beware {other} {self.show(self.bad_from)}"]
        return ", ".join(said) or "no limit is known"

    def level_of(self, figure: float | None) -> str:
        """Which of :data:`WORDS`."""
        if figure is None or math.isnan(figure) or (self.fair_from is None and self.bad_from is None):
            return "unknown"
        sign = 1.0 if self.is_better_high else -1.0
        if self.bad_from is not None and sign * figure < sign * self.bad_from:
            return "bad"
        if self.fair_from is not None and sign * figure < sign * self.fair_from:
            return "fair"
        return "good"


@dataclass(frozen=True)
class Verdict:
    """What one figure of one scan means.

    Attributes
    ----------
    name, level, value, advice, limits, origin : str
        The level is one of :data:`WORDS`; the value is empty where it is not known; the advice is what to do.
    """

    name: str
    level: str
    value: str
    advice: str
    limits: str
    origin: str


def _number(meta: Meta, key: str) -> float | None:
    return float(meta[key]) if key in meta else None


def _ectopic_share(meta: Meta, key: str) -> float | None:
    beats = int(meta.get("MalibuBeats", 0))
    return int(meta[key]) / beats if beats and key in meta else None


def _fixed(digits: int, unit: str = "") -> Callable[[float], str]:
    return lambda figure: f"{figure:.{digits}f}{unit}"


def _percent(figure: float) -> str:
    return f"{100 * figure:.2g} %"


_T1_FITTED, _T1_CALIBRATED = "T1 deviation of the fit", "T1 deviation, calibrated"
"""Keys of the medians of T1's standard deviation over T1, which are not Meta but from two series."""

RULES = (
    Rule(
        "Heartbeat",
        "MalibuHeartQuality",
        _number,
        0.6,
        0.35,
        True,
        _fixed(2),
        "Look at the beats in the gating picture; one in nine such rates was wrong. An ECG (heart_source=ecg) settles "
        "it.",
        "Do not rely on a cine; a motion that was not resolved is averaged over. Scan for 25 s or more, give the ECG "
        "(heart_source=ecg), or set lowest_heart_rate and highest_heart_rate around the true rate.",
        "docs/figures.md, Quality figures: no rate of 0.6 to 0.8 was wrong, 1 of 9 below; below 0.35 only long scans "
        "are believed (recon/temporal/heart_rate.py, confirming_trust)",
        "Known where the heartbeat was found in the navigators or spokes; an ECG has no such figure.",
        motion="heartbeat",
    ),
    Rule(
        "Breathing",
        "MalibuRespirationQuality",
        _number,
        0.8,
        0.5,
        True,
        _fixed(2),
        "Look at the respiratory signal in the gating picture, and whether the diaphragm moves with it.",
        "Do not rely on respiratory states: they may be turned round; a motion that was not resolved is averaged over. "
        "Scan for 25 s or more, or give the waveform (respiration_source=waveform).",
        "docs/figures.md, Quality figures: all 55 signals above 0.8 follow the displacement (least correlation 0.84), "
        "and so do those above 0.5, of which there were 3; the 2 below do not",
        "Known where breathing was found in the navigators or spokes; a respiration waveform has no such figure.",
        motion="respiration",
    ),
    Rule(
        "Ectopic beats",
        "MalibuEctopicBeats",
        _ectopic_share,
        0.05,
        None,
        False,
        _percent,
        "Ectopic beats are left out of the cine. Malibu was measured up to 5 % of them: look at the beats in the "
        "gating picture.",
        "",
        "docs/figures.md, Motion and T1: measured with up to 5 % ectopic beats",
        "Known where a heartbeat was resolved.",
    ),
    Rule(
        "Gradient delay left in the spokes",
        "MalibuGradientDelayLeft",
        _number,
        0.02,
        0.5,
        False,
        _fixed(3, " samples"),
        "gradient_delays says otherwise than the spokes do: set gradient_delays=auto, or check what you set.",
        "gradient_delays says otherwise than the spokes do: set gradient_delays=auto, or check what you set.",
        "recon/readouts/gradient_delays.py: 0.02 samples turn the phase at the field of view's edge by 2°, half a "
        "sample by 45° (recon/multitasking/played_out.py)",
        "Known where the spokes tell it: from 40 angles all round the circle on.",
    ),
    Rule(
        "What is left of the data",
        "MalibuMisfitOverNoise",
        _number,
        2.0,
        4.0,
        False,
        _fixed(1, " × noise"),
        "Part of the data is not explained: series 18 (images=… data_misfit) shows where. Motion, fat and "
        "off-resonance also leave data.",
        "Much of the data is not explained. Compare with reconstruction=admm; check trajectory, delays and gating.",
        "1 is what noise alone leaves; 2 and 4 are the middle and the end of the window of series 18 "
        "(gadgets/multitasking/pictures/trust_maps.py), chosen and not measured",
        "Known with reconstruction=unrolled or images=… data_misfit, where a noise scan was sent.",
    ),
    Rule(
        "Unlike the network's training",
        "MalibuUnlikeTraining",
        _number,
        None,
        1.0,
        False,
        _fixed(2, " of the limit"),
        "",
        "The network may be wrong here. Let ADMM reconstruct the scan (unlike_training=admm), and compare.",
        "docs/multitasking.md, How much to trust it: 95 % of the training's pairs stay below 1 "
        "(gadgets/multitasking/trust/familiarity.py)",
        "Known where a network was used whose model card knows its training.",
    ),
    Rule(
        "T1's deviation by its fit",
        _T1_FITTED,
        _number,
        0.02,
        0.08,
        False,
        _percent,
        "The median error of such voxels was 10 %. Compare regions, not voxels; scan longer; uncertainty_samples=4 "
        "tells an honest deviation.",
        "The median error of such voxels was 35 % and more, upwards. Do not use this T1 map where it is so; check TR, "
        "TI and flip angle.",
        "docs/figures.md, Quality figures (voxels after ADMM): below 2 % the median error is 2.6 %, to 8 % about 10 %, "
        "above 35 % and more; the fit's deviation is some five times too small",
        "Known where T1 and its deviation were sent (series 9 and 10).",
    ),
    Rule(
        "T1's deviation, calibrated",
        _T1_CALIBRATED,
        _number,
        None,
        None,
        False,
        _percent,
        "",
        "",
        "none: it is the error to expect of a voxel (docs/figures.md, Error bars and strange scans: of 88 to 98 % of "
        "the voxels, the error is less than twice of it)",
        "Known with uncertainty_samples.",
    ),
    Rule(
        "Cells that the model filled",
        "MalibuEmptyCells",
        _number,
        None,
        None,
        False,
        _percent,
        "",
        "",
        "none: a scan of a minute sees a sixth of its cells, by construction",
        "Known with the temporal tensor.",
    ),
)
"""Every quality figure, in the order in which a reader should meet them."""


def verdicts(meta: Meta, t1_deviation_share: float | None = None, t1_is_calibrated: bool = False) -> list[Verdict]:
    """Judge one slice.

    Parameters
    ----------
    meta : mapping of str to object
        Meta of its first image.
    t1_deviation_share : float, optional
        Median over tissue of T1's standard deviation over T1.
    t1_is_calibrated : bool
        Whether that deviation counts the network's turned inputs, too, and not the fit alone.

    Returns
    -------
    list of Verdict
        One for each of :data:`RULES`, but for that of the other kind of T1's deviation.
    """
    kind, other = (_T1_CALIBRATED, _T1_FITTED) if t1_is_calibrated else (_T1_FITTED, _T1_CALIBRATED)
    known = dict(meta) | ({} if t1_deviation_share is None else {kind: t1_deviation_share})
    unresolved = str(meta.get("MalibuUnresolved", "")).split()
    chosen = [rule for rule in RULES if rule.key != other]
    return [
        _judged(rule, rule.read(known, rule.key), bool(rule.motion) and rule.motion in unresolved) for rule in chosen
    ]


def _judged(rule: Rule, figure: float | None, is_unresolved: bool) -> Verdict:
    level = "bad" if is_unresolved else rule.level_of(figure)
    value = "" if figure is None or math.isnan(figure) else rule.show(figure)
    advice = {"good": "", "fair": rule.fair, "bad": rule.bad, "unknown": "" if value else rule.absent}[level]
    if is_unresolved:
        value = f"not resolved ({value})" if value else "not resolved"
    return Verdict(rule.name, level, value, advice, rule.limits, rule.origin)
