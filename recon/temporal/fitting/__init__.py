"""Least squares of the temporal model by sums and spectra, in place of the matrices that say the same."""
