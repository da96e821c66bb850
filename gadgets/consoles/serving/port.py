"""The port that consoles connect to: open before anything heavy is loaded, since they do not wait for long."""

import socket

from gadgets.errors import ParameterError

_WAITING = 128
"""Connections that the system keeps for busy workers."""


def listen(host: str, port: int) -> socket.socket:
    """Open the port.

    Raises
    ------
    ParameterError
        If it cannot be had.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=_WAITING)
    except OSError as error:
        raise ParameterError(
            f"nothing can listen at {host}:{port}: {error}; choose another --host or --port"
        ) from error
    listener.setblocking(False)
    return listener
