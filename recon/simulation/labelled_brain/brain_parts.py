"""The parts of a simulated brain, in the order of a network's channels."""

BRAIN_PARTS = (
    "background",
    "frontal grey matter",
    "parietal grey matter",
    "temporal grey matter",
    "occipital grey matter",
    "white matter",
    "ventricles",
    "striatum",
    "thalamus",
    "cerebellum",
    "brain stem",
    "outer fluid",
)
"""Name by label. It is an own list: the parcellation of 160 parts that Wang 2020 uses is not to be had."""

PART = {name: number for number, name in enumerate(BRAIN_PARTS)}
"""Label by name."""
