"""T1: the signal equation of inversion-recovery FLASH, and its fit."""
