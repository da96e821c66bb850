"""Trained networks applied to spatial factors and volumes."""
