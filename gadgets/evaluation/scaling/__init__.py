"""What scans cost, and what many of them need."""
