"""The server that consoles connect to: configurations by name, worker processes, and the queue for a GPU."""
