"""Simulated 3-D angiograms and their Cartesian scans."""
