"""What is wrong with the result of a slice: its numbers and images against recon.quality.plausibility."""

import numpy as np

from recon.multitasking.result import Result
from recon.quality import plausibility
from recon.quality.plausibility import Finding
from recon.relaxometry.curve_fit import T1_RANGE_MS
from recon.spatial.frames import body_mask


def implausible(result: Result) -> list[Finding]:
    """Look for what no scan of a living heart can show.

    Parameters
    ----------
    result : Result

    Returns
    -------
    list of Finding
        Empty if all is well.
    """
    average = result.time_average()
    found = plausibility.images("time average", average)
    if found:
        return found  # nothing can be said of a body that is not seen
    if result.temporal.gated is not None:
        found += _motion(result)
    if result.recovers:
        found += plausibility.inversion_time(result.gated.sequence.delay_ms)
    if result.beats:
        cine = result.cine().images
        found += plausibility.images("cine", cine) or plausibility.cycle(cine, body_mask(average))
    if result.t1_map is not None:
        t1_ms = result.t1_map.t1_ms
        found += plausibility.t1(t1_ms, t1_ms != 0, T1_RANGE_MS)
    return found


def _motion(result: Result) -> list[Finding]:
    gating, found = result.gated.gating, []
    if gating.beats is not None:
        found += plausibility.heart_rate(gating.beats.rate_per_minute)
    if gating.respiration is not None:
        found += plausibility.respiratory_rate(np.asarray(gating.respiration), result.gated.navigator_time_s)
    return found
