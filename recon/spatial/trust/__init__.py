"""What says how far a spatial factor is to be trusted: its misfit, and the same scan in other orientations."""
