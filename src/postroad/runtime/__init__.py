"""The composition root: configuration in, running processes out."""
