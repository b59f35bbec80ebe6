"""The wire contract: pure values, no I/O. Read `email.py` first."""
