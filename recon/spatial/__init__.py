"""Space: the encoding operator E_Φ and the ways from data to the spatial factor U."""
