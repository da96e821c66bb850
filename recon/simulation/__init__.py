"""Simulated Multitasking scans: a beating, breathing, relaxing phantom with k-space in closed form."""

from recon.simulation.acquisition import SimulatedScan, simulate_scan
from recon.simulation.protocol import PRESETS, Protocol

__all__ = ["PRESETS", "Protocol", "SimulatedScan", "simulate_scan"]
