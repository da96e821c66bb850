"""Volumes with organs that are made of their labels."""
