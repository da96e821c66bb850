"""Trainings of networks that change images for one task."""
