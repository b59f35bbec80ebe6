"""Plugins out: one file a service."""
