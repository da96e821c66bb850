"""Gadgets of malibu: streams, parameters, images and commands around the reconstruction."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("malibu")
except PackageNotFoundError:  # on PYTHONPATH only, as Gadgetron's own Python folder may be
    __version__ = "0+unknown"

RESEARCH_LABEL = "research use only - not a medical device"
