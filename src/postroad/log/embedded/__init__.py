"""The embedded log: one machine, one folder, blocks in SQLite files."""
