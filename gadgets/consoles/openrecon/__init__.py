"""Packages for scanners: OpenRecon applications, and containers for FIRE and Gadgetron."""
