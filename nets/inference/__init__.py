"""Trained networks applied to spatial factors and volumes."""

PATCH = (192, 192, 128)
"""Voxels (z, y, x) that a super-resolution network sees at once unless told otherwise; it bounds the memory."""
ATTENTION_PATCH = (48, 48, 48)
"""The same of a network with self-attention, whose time grows with the square of the voxels; trained on 40³."""
ATTENTION_MARGIN = 8
"""Margin of a network that sees the whole patch: none would be exact; chapter 4 of the dissertation cuts 3."""
