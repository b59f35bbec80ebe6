"""From the log to the destinations: routing, schedule and the loop of each destination."""
