"""Training of networks that outline organs."""
