"""Simulated volumes whose parts are labelled."""
