"""The commands of ``malibu`` that share work out."""
