"""ISMRMRD version 1: the wire, files, headers, and the loop over the measurements of a stream."""
