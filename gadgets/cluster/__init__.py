"""Work that is shared out: to this process, to processes of this machine, or to those of a cluster, on Dask."""
