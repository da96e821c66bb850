"""What headers say of a scan, and what of it may leave."""
