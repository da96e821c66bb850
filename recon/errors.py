"""The one error that bad measurement data raise in the reconstruction."""


class DataError(ValueError):
    """The data cannot be reconstructed; the message names the cause and the remedy."""
