"""Readouts of a radial scan: trajectory, density, noise, coils."""
