"""Random bodies that are as rich as anatomy: maps of tissue properties on a fine grid, and how they move."""

from recon.simulation.anatomy.body import Body
from recon.simulation.anatomy.kinds import KINDS, random_body

__all__ = ["KINDS", "Body", "random_body"]
