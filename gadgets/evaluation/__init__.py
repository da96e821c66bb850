"""Figures of merit: every method beside the truth or a reference."""
