"""Training pairs without raw scans: any content, as a scan of known encoding would show it (docs/networks.md)."""
