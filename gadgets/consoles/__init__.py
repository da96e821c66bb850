"""Consoles that run malibu's gadgets: installing for them, and checking that it works."""
