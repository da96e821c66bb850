"""Readers of the files that volumes come in: DICOM, NIfTI, HDF5; and the order of slices in space."""
