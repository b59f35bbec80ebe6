"""Postroad: a self-hosted Pipelines API for email events."""

__version__ = "0.2.0"
