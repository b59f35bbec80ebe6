"""Plugins in: one file an ESP."""
