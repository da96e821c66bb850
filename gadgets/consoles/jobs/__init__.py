"""Trigger now, fetch later: scans kept on disk, reconstructed one after the other, fetched by a later connection."""
