"""What raw scans of a body and pairs of it have in common: its recovery, its states of motion, its moved maps."""
