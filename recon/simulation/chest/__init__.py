"""Simulated Multitasking scans: a beating, breathing, relaxing phantom with k-space in closed form."""

from recon.simulation.chest.protocol import PRESETS, Protocol
from recon.simulation.chest.scan import SimulatedScan, simulate_scan
from recon.simulation.chest.scanner import ScannedSubject

__all__ = ["PRESETS", "Protocol", "ScannedSubject", "SimulatedScan", "simulate_scan"]
