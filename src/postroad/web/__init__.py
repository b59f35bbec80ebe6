"""The HTTP edge: ingest, and the admin address."""
