"""Heads whose brain is divided into labelled parts."""
