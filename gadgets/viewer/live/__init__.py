"""The page that is fed while a scan runs: images in a folder, a server on this machine, a page that asks it."""
