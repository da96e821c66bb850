"""Inner loops of the temporal model in machine code: compiled once, kept on disk, free of Python's lock."""
