"""Navigators that are made up, so that each motion is known and a scan may be as short as one likes."""

import numpy as np

from recon.readouts.timeline import Timeline
from recon.temporal.motion import NavigatorSeries, navigator_series

PULSES = 125
"""Navigators between inversions."""

RECOVERY = np.stack([np.ones(PULSES), 1 - 2 * np.exp(-np.arange(PULSES) / 45)], axis=1)
"""(pulses, 2): U_τ."""


class Chest:
    """A chest that beats at 70 and breathes at 14 per minute, and its navigators.

    A heartbeat contracts over 0.45 of its interval and rests until the next; breaths differ in length, and are as long
    at expiration as at inspiration, so that their direction is open.
    """

    def __init__(self, duration_s: float, heart: float = 1.0, breathing: float = 1.0, step_s: float = 0.02) -> None:
        rng = np.random.default_rng(12)
        self.time_s = np.arange(0, duration_s, step_s)
        self.beats_s = np.cumsum(np.r_[0.1, (1 + 0.03 * rng.standard_normal(90)) * 60 / 70])
        beat = np.mod(np.interp(self.time_s, self.beats_s, np.arange(91)), 1)
        self.contraction = np.where(beat < 0.45, 0.5 - 0.5 * np.cos(2 * np.pi * beat / 0.45), 0)
        breaths_s = np.cumsum(np.r_[-1.0, (1 + 0.05 * rng.standard_normal(30)) * 60 / 14])
        self.displacement = np.sin(np.pi * np.interp(self.time_s, breaths_s, np.arange(31))) ** 2
        self.beats_s = self.beats_s[self.beats_s < duration_s]
        rows = np.arange(len(self.time_s))
        self.timeline = Timeline(self.time_s, rows % PULSES, rows // PULSES)
        recovery = RECOVERY[self.timeline.pulse]
        still, beating, sliding = rng.standard_normal((3, 2, 14))
        self.features = recovery @ (20 * still) + 2 * heart * self.contraction[:, None] * (recovery @ beating)
        self.features += 3 * breathing * self.displacement[:, None] * (recovery @ sliding)
        self.features += 0.25 * rng.standard_normal(self.features.shape)

    @property
    def series(self) -> NavigatorSeries:
        """As the self-gating sees them."""
        timeline = self.timeline
        return navigator_series(self.features, RECOVERY[timeline.pulse], timeline.inversion, self.time_s)
