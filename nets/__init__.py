"""Networks of malibu: torch modules, their data, training, inference and weights."""
