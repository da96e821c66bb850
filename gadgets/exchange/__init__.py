"""DICOM and NIfTI: images out, volumes in, network storage."""
