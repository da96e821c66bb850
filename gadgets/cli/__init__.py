"""The ``malibu`` command."""

from gadgets.cli.main import main

__all__ = ["main"]
