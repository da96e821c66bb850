"""Training steps, losses, schedules and export, for Lightning."""
