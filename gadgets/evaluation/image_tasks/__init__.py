"""Figures of merit of tasks from image to image."""
"""How good networks are that change images for one task."""
