"""The eleven classes of the dissertation's chapter 7, in the order of a network's channels."""

ORGANS = (
    "background",
    "liver",
    "spleen",
    "pancreas",
    "left kidney",
    "right kidney",
    "stomach",
    "duodenum",
    "small intestine",
    "spinal cord",
    "vertebral bodies",
)
"""Name by label. The papers print no order; model cards and files of labels keep this one."""

LABEL = {name: number for number, name in enumerate(ORGANS)}
"""Label by name."""
