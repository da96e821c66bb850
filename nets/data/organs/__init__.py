"""Volumes with their organs outlined, on disk and in stacks of slices."""
