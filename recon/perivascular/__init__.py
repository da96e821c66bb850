"""Perivascular spaces in T2-weighted volumes: white matter, classical filters, labels to train on, count and volume."""
