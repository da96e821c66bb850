"""The papers' networks as torch modules, and the registry of their names."""
