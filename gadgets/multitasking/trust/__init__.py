"""How much to trust a result."""
