"""Conformance suites for plugin authors: what every log, ledger and destination must do."""
