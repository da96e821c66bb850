"""Simulated scans as ISMRMRD files, with the truth beside them."""
