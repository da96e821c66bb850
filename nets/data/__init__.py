"""Training data on disk and in batches."""
