"""What became of each event at each destination."""
