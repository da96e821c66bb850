"""Simulated brains at 7 T, T2-weighted, with perivascular spaces in the white matter, and what looks like them."""
