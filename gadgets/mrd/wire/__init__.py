"""Bytes of the connection to a Gadgetron: the socket, its items, and how a connection opens."""
