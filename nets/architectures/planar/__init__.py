"""Networks of planes that several tasks compare: U-Net and DilatedNet."""
