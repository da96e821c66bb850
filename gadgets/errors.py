"""Errors that reach the operator as one clear line."""

from recon.errors import DataError


class MalibuError(Exception):
    """Something outside of malibu is not as it must be; the message names the cause and the remedy."""


class ParameterError(MalibuError):
    """A parameter is unknown or has an impossible value."""


class StreamError(MalibuError):
    """The stream broke its protocol, was cut, or stalled."""


class ScanFileError(MalibuError):
    """A file is missing, or does not hold what it must."""


class RemoteError(MalibuError):
    """The other side of the connection reported an error."""


OPERATOR_ERRORS = (MalibuError, DataError)
"""What is shown as one line; anything else is a defect of malibu and keeps its traceback."""
