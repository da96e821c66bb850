"""Trained networks applied to spatial factors and volumes."""

PATCH = (192, 192, 128)
"""Voxels (z, y, x) that a super-resolution network sees at once unless told otherwise; it bounds the memory."""
