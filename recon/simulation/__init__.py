"""Simulated subjects and their exact k-space."""
