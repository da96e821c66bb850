"""Temporal bases of plain golden-angle scans: without navigators, without inversions."""
