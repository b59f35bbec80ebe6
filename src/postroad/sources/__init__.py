"""The types of sources, one file each."""
