"""Simulated abdomens: T1-VIBE volumes with the organs that ALAMO outlines (dissertation chapter 7)."""
