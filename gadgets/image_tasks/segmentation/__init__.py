"""The task of segmentation: a volume of the abdomen becomes a map of its organs."""
