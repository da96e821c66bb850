"""Slices of blood flow to train on: parts of a scan, and what guides a network beside them."""
