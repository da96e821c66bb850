"""Pictures of a result, and their records."""
