"""Commands that need more than one machine."""
