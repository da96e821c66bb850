"""What all pages that malibu writes have in common: shell, design, research label."""
