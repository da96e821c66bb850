"""Time: navigator, self-gating, bins and the low-rank tensor behind the temporal basis Φ."""
