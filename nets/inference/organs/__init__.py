"""Organs in volumes: stacks of slices in three views, and their vote."""
