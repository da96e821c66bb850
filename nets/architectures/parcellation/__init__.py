"""Networks that divide a volume into labelled parts."""
