"""Figures of merit of tasks from image to image."""
