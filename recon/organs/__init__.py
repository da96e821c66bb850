"""Organs in volumes of any orientation, by a network that is handed in."""
