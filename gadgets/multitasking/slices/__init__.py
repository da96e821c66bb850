"""What belongs to one slice of a scan, what its slices share, and gadgets that see only some of them."""
