"""Training data on disk and in batches."""

SPLITS = ("train", "validation", "test")
"""Folders beneath the folder of a data set; a subject lies in one of them."""
