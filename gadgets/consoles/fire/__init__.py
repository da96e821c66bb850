"""FIRE and OpenRecon: MRD v1 over TCP, where the console connects and malibu listens."""
