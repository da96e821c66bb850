"""MRD v2: streams that carry their schema, through pipes and to and from ISMRMRD files."""
