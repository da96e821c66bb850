"""Networks of malibu: torch modules, their data, training, inference and weights."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("malibu")
except PackageNotFoundError:  # on PYTHONPATH only, as Gadgetron's own Python folder may be
    __version__ = "0+unknown"

RESEARCH_USE = "research use only - not a medical device"
"""What images, weights and reports say of themselves."""
