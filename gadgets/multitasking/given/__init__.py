"""Maps that are given with a scan, measured elsewhere."""
