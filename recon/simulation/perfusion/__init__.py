"""Simulated perfusion: brains with known blood flow, and the control and label images of a scan."""

from recon.simulation.perfusion.asl_scan import AslProtocol, AslScan, scan_brain, true_cbf
from recon.simulation.perfusion.brain import Brain, Lesion, drawn_lesions, simulate_brain

__all__ = ["AslProtocol", "AslScan", "Brain", "Lesion", "drawn_lesions", "scan_brain", "simulate_brain", "true_cbf"]
