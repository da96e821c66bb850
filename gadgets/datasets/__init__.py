"""Training data: pairs of spatial factors and volumes, made from scans or simulated, split by subject."""
