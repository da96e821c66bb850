"""The task of perivascular spaces: T2-weighted brains become enhanced ones, maps and counts of spaces."""
