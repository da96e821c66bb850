"""Gadgets of malibu: streams, parameters, images and commands around the reconstruction."""

from nets import RESEARCH_USE as RESEARCH_LABEL, __version__

__all__ = ["RESEARCH_LABEL", "__version__"]
