"""Perfusion by arterial spin labelling: control and label images become maps of cerebral blood flow."""

from recon.perfusion.asl_series import AslSeries
from recon.perfusion.perfusion_maps import PerfusionMaps, PerfusionSettings, perfusion_maps
from recon.perfusion.quantification import Labelling, cbf_of

__all__ = ["AslSeries", "Labelling", "PerfusionMaps", "PerfusionSettings", "cbf_of", "perfusion_maps"]
