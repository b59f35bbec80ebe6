"""The ingest address: bytes in, an answer out."""
