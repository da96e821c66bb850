"""Many scans: each reconstructed once, wherever there is a worker, with one page about all of them."""
